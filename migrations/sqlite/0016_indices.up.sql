-- What reconcilers look for: agents that are not archived, and those whose node has two.
CREATE INDEX agents_present ON agents (tenant_id, uid) WHERE archived_at IS NULL;
CREATE INDEX agents_by_conflict ON agents (conflict_at) WHERE conflict_at IS NOT NULL;

CREATE INDEX users_by_role ON users (tenant_id, role);

-- Tokens are forgotten tenant by tenant.
DROP INDEX refresh_tokens_by_expiry;
CREATE INDEX refresh_tokens_by_tenant ON refresh_tokens (tenant_id, expires_at);
