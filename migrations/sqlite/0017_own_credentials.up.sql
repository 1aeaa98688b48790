-- Agents that come by a token over OpAMP, before they have a credential of their own. An API key lets agents in, too.
ALTER TABLE agents ADD COLUMN let_in_by TEXT NOT NULL DEFAULT '';
UPDATE agents SET let_in_by = enrolled_by;
ALTER TABLE agents DROP COLUMN enrolled_by;
ALTER TABLE agents RENAME COLUMN let_in_by TO enrolled_by;
-- False until an agent that came by a token uses the credential that it was offered: nothing else is offered to it.
ALTER TABLE agents ADD COLUMN own_credential BOOLEAN NOT NULL DEFAULT TRUE;
-- The uid with which an agent came whose record got another one, because an agent of that uid was there.
ALTER TABLE agents ADD COLUMN claimed_uid TEXT;
-- False of one that cannot run a generation: it takes no configs, or a Collector's alone.
ALTER TABLE agents ADD COLUMN takes_generations BOOLEAN NOT NULL DEFAULT TRUE;
-- The connection settings that it was offered last, and what became of them.
ALTER TABLE agents ADD COLUMN settings_hash TEXT;
ALTER TABLE agents ADD COLUMN settings_status TEXT;
ALTER TABLE agents ADD COLUMN settings_error TEXT;
CREATE INDEX agents_by_claimed_uid ON agents (tenant_id, claimed_uid) WHERE claimed_uid IS NOT NULL;

-- What agents say that they run, if it is not what they were pushed: JSON, files by name. It is read for one agent at a time.
CREATE TABLE agent_configs (
    tenant_id TEXT NOT NULL,
    agent_uid TEXT NOT NULL,
    files     TEXT NOT NULL,
    PRIMARY KEY (tenant_id, agent_uid),
    FOREIGN KEY (tenant_id, agent_uid) REFERENCES agents (tenant_id, uid) ON DELETE CASCADE
);

-- The uids that a token or an API key has let in over OpAMP, each of which is one use.
CREATE TABLE token_uses (
    tenant_id    TEXT NOT NULL REFERENCES tenants (id),
    token_id     TEXT NOT NULL,
    instance_uid TEXT NOT NULL,
    PRIMARY KEY (tenant_id, token_id, instance_uid)
);
