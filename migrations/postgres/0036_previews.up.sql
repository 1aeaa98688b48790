-- Previews that agents are asked for, and their answers, until whoever asked has them.
CREATE TABLE previews (
    tenant_id words   NOT NULL REFERENCES tenants (id),
    id        words   NOT NULL,
    body      words   NOT NULL,
    due_at    BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE TABLE preview_agents (
    tenant_id  words NOT NULL,
    preview_id words NOT NULL,
    agent_uid  words NOT NULL,
    answer     BYTEA,
    PRIMARY KEY (tenant_id, preview_id, agent_uid),
    FOREIGN KEY (tenant_id, preview_id) REFERENCES previews (tenant_id, id) ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, agent_uid) REFERENCES agents (tenant_id, uid) ON DELETE CASCADE
);
CREATE INDEX preview_agents_by_agent ON preview_agents (tenant_id, agent_uid);

ALTER TABLE previews ENABLE ROW LEVEL SECURITY;
ALTER TABLE previews FORCE ROW LEVEL SECURITY;
CREATE POLICY of_the_tenant ON previews TO phoenix_tenant USING (tenant_id = phoenix_tenant());
CREATE POLICY across_tenants ON previews TO phoenix_across USING (TRUE);
GRANT SELECT, INSERT, UPDATE, DELETE ON previews TO phoenix_tenant;
GRANT SELECT, INSERT, UPDATE, DELETE ON previews TO phoenix_across;

ALTER TABLE preview_agents ENABLE ROW LEVEL SECURITY;
ALTER TABLE preview_agents FORCE ROW LEVEL SECURITY;
CREATE POLICY of_the_tenant ON preview_agents TO phoenix_tenant USING (tenant_id = phoenix_tenant());
CREATE POLICY across_tenants ON preview_agents TO phoenix_across USING (TRUE);
GRANT SELECT, INSERT, UPDATE, DELETE ON preview_agents TO phoenix_tenant;
GRANT SELECT, INSERT, UPDATE, DELETE ON preview_agents TO phoenix_across;
