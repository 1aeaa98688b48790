-- Service accounts: programs' own, of no person. Nobody knows a password of theirs.
ALTER TABLE users ADD COLUMN service BOOLEAN NOT NULL DEFAULT FALSE;

-- What lets a person choose a password and come in, once.
CREATE TABLE invitations (
    id          TEXT NOT NULL PRIMARY KEY,
    tenant_id   TEXT NOT NULL REFERENCES tenants (id),
    email       TEXT NOT NULL,
    role        TEXT NOT NULL CHECK (role IN ('viewer', 'operator', 'admin')),
    secret_hash TEXT NOT NULL,
    created_by  TEXT NOT NULL,
    created_at  BIGINT NOT NULL,
    expires_at  BIGINT NOT NULL,
    accepted_at BIGINT,
    revoked_at  BIGINT
);
CREATE INDEX invitations_by_tenant ON invitations (tenant_id, id);

-- Of a tenant that was deleted its name and its audit chain stay.
ALTER TABLE tenants ADD COLUMN deleted_at BIGINT;
CREATE INDEX revoked_tokens_by_tenant ON revoked_tokens (tenant_id);
