-- Nodes: what an agent's record stands for, whichever agent is there now.
-- `instance_uid` is the uid by which the present agent calls itself; `uid` stays that of the record.
ALTER TABLE agents ADD COLUMN instance_uid TEXT;
UPDATE agents SET instance_uid = uid;
-- The node's identity, `key=value`; nothing where the agent has not said one.
ALTER TABLE agents ADD COLUMN node TEXT;
-- What surrounds the agent, as it says: attributes by name, JSON.
ALTER TABLE agents ADD COLUMN attributes TEXT;
ALTER TABLE agents ADD COLUMN replaced_at BIGINT;
-- The last time at which an agent that was replaced came back, while that is a conflict.
ALTER TABLE agents ADD COLUMN conflict_at BIGINT;
ALTER TABLE agents ADD COLUMN archived_at BIGINT;
CREATE UNIQUE INDEX agents_by_instance ON agents (tenant_id, instance_uid);
CREATE UNIQUE INDEX agents_by_node ON agents (tenant_id, node);

-- Credentials of agents that were replaced, for as long as their coming back is a conflict.
CREATE TABLE former_credentials (
    tenant_id       TEXT   NOT NULL,
    agent_uid       TEXT   NOT NULL,
    credential_id   TEXT   NOT NULL PRIMARY KEY,
    credential_hash TEXT   NOT NULL,
    valid_until     BIGINT NOT NULL,
    FOREIGN KEY (tenant_id, agent_uid) REFERENCES agents (tenant_id, uid) ON DELETE CASCADE
);
CREATE INDEX former_credentials_by_agent ON former_credentials (tenant_id, agent_uid);

-- Agents that want a node whose agent is there: since when, and when they asked last.
CREATE TABLE node_claims (
    tenant_id    TEXT   NOT NULL REFERENCES tenants (id),
    node         TEXT   NOT NULL,
    instance_uid TEXT   NOT NULL,
    since        BIGINT NOT NULL,
    last_at      BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, node, instance_uid)
);
