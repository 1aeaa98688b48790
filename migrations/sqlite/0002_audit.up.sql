-- One chain per tenant: each row's hash covers its content and the hash of the row before it.
CREATE TABLE audit_logs (
    tenant_id     TEXT   NOT NULL REFERENCES tenants (id),
    seq           BIGINT NOT NULL,
    at            BIGINT NOT NULL,
    actor         TEXT   NOT NULL,
    action        TEXT   NOT NULL,
    object        TEXT   NOT NULL,
    detail        TEXT   NOT NULL,
    previous_hash TEXT   NOT NULL,
    hash          TEXT   NOT NULL,
    PRIMARY KEY (tenant_id, seq)
);

-- The end of each chain: a chain cut short at its end is found by it, and writers queue up on it.
CREATE TABLE audit_heads (
    tenant_id TEXT   NOT NULL PRIMARY KEY REFERENCES tenants (id),
    seq       BIGINT NOT NULL,
    hash      TEXT   NOT NULL
);

CREATE TRIGGER audit_logs_are_not_updated BEFORE UPDATE ON audit_logs
BEGIN SELECT RAISE(ABORT, 'audit_logs is append-only'); END;

CREATE TRIGGER audit_logs_are_not_deleted BEFORE DELETE ON audit_logs
BEGIN SELECT RAISE(ABORT, 'audit_logs is append-only'); END;
