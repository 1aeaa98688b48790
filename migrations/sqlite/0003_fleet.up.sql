-- What lets an agent in. Of a token's secret only the SHA-256 is kept.
CREATE TABLE enrollment_tokens (
    id          TEXT   NOT NULL PRIMARY KEY,
    tenant_id   TEXT   NOT NULL REFERENCES tenants (id),
    secret_hash TEXT   NOT NULL,
    labels      TEXT   NOT NULL,
    max_uses    BIGINT,
    uses        BIGINT NOT NULL,
    created_by  TEXT   NOT NULL,
    created_at  BIGINT NOT NULL,
    expires_at  BIGINT NOT NULL,
    revoked_at  BIGINT
);
CREATE INDEX enrollment_tokens_by_tenant ON enrollment_tokens (tenant_id, id);

CREATE TABLE agents (
    tenant_id          TEXT   NOT NULL REFERENCES tenants (id),
    uid                TEXT   NOT NULL,
    labels             TEXT   NOT NULL,
    host               TEXT   NOT NULL,
    version            TEXT   NOT NULL,
    enrolled_by        TEXT   NOT NULL REFERENCES enrollment_tokens (id),
    enrolled_at        BIGINT NOT NULL,
    credential_id      TEXT   NOT NULL UNIQUE,
    credential_hash    TEXT   NOT NULL,
    credential_used_at BIGINT,
    last_seen          BIGINT,
    status             TEXT   NOT NULL,
    health             TEXT,
    offered_hash       TEXT,
    effective_hash     TEXT,
    PRIMARY KEY (tenant_id, uid)
);
