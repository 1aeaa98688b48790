-- Requests that are not to be done twice: the key that their caller gave them, a digest, and the answer, which is sealed.
CREATE TABLE idempotency_keys (
    tenant_id   TEXT NOT NULL REFERENCES tenants (id),
    caller      TEXT NOT NULL,
    request_key TEXT NOT NULL,
    digest      TEXT NOT NULL,
    begun_at    BIGINT NOT NULL,
    answer      TEXT,
    PRIMARY KEY (tenant_id, caller, request_key)
);
CREATE INDEX idempotency_keys_by_time ON idempotency_keys (tenant_id, begun_at);
