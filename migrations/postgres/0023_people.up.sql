-- Service accounts: programs' own, of no person. Nobody knows a password of theirs.
ALTER TABLE users ADD COLUMN service BOOLEAN NOT NULL DEFAULT FALSE;

-- What lets a person choose a password and come in, once.
CREATE TABLE invitations (
    id          words NOT NULL PRIMARY KEY,
    tenant_id   words NOT NULL REFERENCES tenants (id),
    email       words NOT NULL,
    role        words NOT NULL CHECK (role IN ('viewer', 'operator', 'admin')),
    secret_hash words NOT NULL,
    created_by  words NOT NULL,
    created_at  BIGINT NOT NULL,
    expires_at  BIGINT NOT NULL,
    accepted_at BIGINT,
    revoked_at  BIGINT
);
CREATE INDEX invitations_by_tenant ON invitations (tenant_id, id);

-- Of a tenant that was deleted its name and its audit chain stay.
ALTER TABLE tenants ADD COLUMN deleted_at BIGINT;
CREATE INDEX revoked_tokens_by_tenant ON revoked_tokens (tenant_id);

ALTER TABLE invitations ENABLE ROW LEVEL SECURITY;
ALTER TABLE invitations FORCE ROW LEVEL SECURITY;
CREATE POLICY of_the_tenant ON invitations TO phoenix_tenant USING (tenant_id = phoenix_tenant());
CREATE POLICY across_tenants ON invitations TO phoenix_across USING (TRUE);
GRANT SELECT, INSERT, UPDATE, DELETE ON invitations TO phoenix_tenant;
GRANT SELECT, INSERT, UPDATE, DELETE ON invitations TO phoenix_across;
