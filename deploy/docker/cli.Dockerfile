# One static binary and a folder to write to, where the session is kept: `make image` makes the context.
FROM scratch
LABEL org.opencontainers.image.title="phoenix" \
      org.opencontainers.image.description="The command line of Phoenix, canary releases for telemetry pipelines" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --chown=65532:65532 data /work
COPY phoenix /phoenix
ENV HOME=/work
USER 65532:65532
WORKDIR /work
ENTRYPOINT ["/phoenix"]
CMD ["--help"]
