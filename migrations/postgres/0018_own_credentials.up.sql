-- Agents that come by a token over OpAMP, before they have a credential of their own. An API key lets agents in, too.
ALTER TABLE agents DROP CONSTRAINT agents_enrolled_by_fkey;
-- False until an agent that came by a token uses the credential that it was offered: nothing else is offered to it.
ALTER TABLE agents ADD COLUMN own_credential BOOLEAN NOT NULL DEFAULT TRUE;
-- The uid with which an agent came whose record got another one, because an agent of that uid was there.
ALTER TABLE agents ADD COLUMN claimed_uid words;
-- False of one that cannot run a generation: it takes no configs, or a Collector's alone.
ALTER TABLE agents ADD COLUMN takes_generations BOOLEAN NOT NULL DEFAULT TRUE;
-- The connection settings that it was offered last, and what became of them.
ALTER TABLE agents ADD COLUMN settings_hash words;
ALTER TABLE agents ADD COLUMN settings_status words;
ALTER TABLE agents ADD COLUMN settings_error words;
CREATE INDEX agents_by_claimed_uid ON agents (tenant_id, claimed_uid) WHERE claimed_uid IS NOT NULL;

-- What agents say that they run, if it is not what they were pushed: JSON, files by name. It is read for one agent at a time.
CREATE TABLE agent_configs (
    tenant_id words NOT NULL,
    agent_uid words NOT NULL,
    files     words NOT NULL,
    PRIMARY KEY (tenant_id, agent_uid),
    FOREIGN KEY (tenant_id, agent_uid) REFERENCES agents (tenant_id, uid) ON DELETE CASCADE
);

-- The uids that a token or an API key has let in over OpAMP, each of which is one use.
CREATE TABLE token_uses (
    tenant_id    words NOT NULL REFERENCES tenants (id),
    token_id     words NOT NULL,
    instance_uid words NOT NULL,
    PRIMARY KEY (tenant_id, token_id, instance_uid)
);

ALTER TABLE agent_configs ENABLE ROW LEVEL SECURITY;
ALTER TABLE agent_configs FORCE ROW LEVEL SECURITY;
CREATE POLICY of_the_tenant ON agent_configs TO phoenix_tenant USING (tenant_id = phoenix_tenant());
CREATE POLICY across_tenants ON agent_configs TO phoenix_across USING (TRUE);
GRANT SELECT, INSERT, UPDATE, DELETE ON agent_configs TO phoenix_tenant;
GRANT SELECT, INSERT, UPDATE, DELETE ON agent_configs TO phoenix_across;
ALTER TABLE token_uses ENABLE ROW LEVEL SECURITY;
ALTER TABLE token_uses FORCE ROW LEVEL SECURITY;
CREATE POLICY of_the_tenant ON token_uses TO phoenix_tenant USING (tenant_id = phoenix_tenant());
CREATE POLICY across_tenants ON token_uses TO phoenix_across USING (TRUE);
GRANT SELECT, INSERT, UPDATE, DELETE ON token_uses TO phoenix_tenant;
GRANT SELECT, INSERT, UPDATE, DELETE ON token_uses TO phoenix_across;
