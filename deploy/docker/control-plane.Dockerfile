# One static binary and a folder to write to: `make image` makes the context.
FROM scratch
LABEL org.opencontainers.image.title="phoenix-control-plane" \
      org.opencontainers.image.description="The control plane of Phoenix, canary releases for telemetry pipelines" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --chown=65532:65532 data /var/lib/phoenix
COPY phoenix-control-plane /phoenix-control-plane
# SQLite writes large sorts to a file; there is no /tmp.
ENV SQLITE_TMPDIR=/var/lib/phoenix
USER 65532:65532
WORKDIR /var/lib/phoenix
VOLUME /var/lib/phoenix
EXPOSE 8080 4320
ENTRYPOINT ["/phoenix-control-plane"]
CMD ["serve", "--data-dir", "/var/lib/phoenix/control-plane", "--listen", "0.0.0.0:8080", "--fleet-listen", "0.0.0.0:4320"]
