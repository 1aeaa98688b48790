-- The replica of the control plane that an agent is connected to; nothing where it is not connected.
ALTER TABLE agents ADD COLUMN replica words;
-- What agents were told and have not answered yet.
CREATE INDEX agent_generations_pending ON agent_generations (tenant_id, agent_uid) WHERE status = 'pending';

-- What one replica has alone, until a time by the clock of this server: the right to decide, and the agents that are connected
-- to it. The epoch is one more with each holder. No tenant's: a transaction of a tenant may see who decides, and change nothing.
CREATE TABLE leases (
    name       words  NOT NULL PRIMARY KEY,
    holder     words  NOT NULL,
    epoch      BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
ALTER TABLE leases ENABLE ROW LEVEL SECURITY;
ALTER TABLE leases FORCE ROW LEVEL SECURITY;
CREATE POLICY of_the_tenant ON leases FOR SELECT TO phoenix_tenant USING (TRUE);
CREATE POLICY across_tenants ON leases TO phoenix_across USING (TRUE);
GRANT SELECT ON leases TO phoenix_tenant;
GRANT SELECT, INSERT, UPDATE, DELETE ON leases TO phoenix_across;
