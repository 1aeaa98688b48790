DROP INDEX revoked_tokens_by_tenant;
ALTER TABLE tenants DROP COLUMN deleted_at;
DROP TABLE invitations;
ALTER TABLE users DROP COLUMN service;
