DROP INDEX refresh_tokens_by_tenant;
CREATE INDEX refresh_tokens_by_expiry ON refresh_tokens (expires_at);
DROP INDEX users_by_role;
DROP INDEX agents_by_conflict;
DROP INDEX agents_present;
