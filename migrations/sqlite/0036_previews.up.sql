-- Previews that agents are asked for, and their answers, until whoever asked has them.
CREATE TABLE previews (
    tenant_id TEXT   NOT NULL REFERENCES tenants (id),
    id        TEXT   NOT NULL,
    body      TEXT   NOT NULL,
    due_at    BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE TABLE preview_agents (
    tenant_id  TEXT NOT NULL,
    preview_id TEXT NOT NULL,
    agent_uid  TEXT NOT NULL,
    answer     BLOB,
    PRIMARY KEY (tenant_id, preview_id, agent_uid),
    FOREIGN KEY (tenant_id, preview_id) REFERENCES previews (tenant_id, id) ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, agent_uid) REFERENCES agents (tenant_id, uid) ON DELETE CASCADE
);
CREATE INDEX preview_agents_by_agent ON preview_agents (tenant_id, agent_uid);
