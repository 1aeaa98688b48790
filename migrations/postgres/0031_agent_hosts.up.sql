-- Agents are found by the name of their host, too.
CREATE INDEX agents_by_host ON agents (tenant_id, host);
