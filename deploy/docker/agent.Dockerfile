# One static binary, the public certificate authorities, and a folder to write to: `make image` makes the context.
FROM scratch
LABEL org.opencontainers.image.title="phoenix-agent" \
      org.opencontainers.image.description="The node agent of Phoenix, canary releases for telemetry pipelines" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --chown=65532:65532 data /var/lib/phoenix
COPY phoenix-agent /phoenix-agent
USER 65532:65532
WORKDIR /var/lib/phoenix
VOLUME /var/lib/phoenix
EXPOSE 4317 4318 8888 13133
ENTRYPOINT ["/phoenix-agent"]
CMD ["--config", "/etc/phoenix/config.yaml"]
