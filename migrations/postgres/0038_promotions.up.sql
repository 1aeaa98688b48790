-- True of an agent whose file's pipeline was changed while a pushed one is in its place.
ALTER TABLE agents ADD COLUMN local_override_pending BOOLEAN NOT NULL DEFAULT FALSE;

-- Pipelines of agents when an experiment was promoted of which no horizon had come in: what it is to take the place of.
CREATE TABLE promotion_baselines (
    tenant_id     words NOT NULL,
    experiment_id words NOT NULL,
    agent_uid     words NOT NULL,
    baseline      words NOT NULL,
    PRIMARY KEY (tenant_id, experiment_id, agent_uid),
    FOREIGN KEY (tenant_id, experiment_id) REFERENCES experiments (tenant_id, id) ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, agent_uid) REFERENCES agents (tenant_id, uid) ON DELETE CASCADE
);
CREATE INDEX promotion_baselines_by_agent ON promotion_baselines (tenant_id, agent_uid);

ALTER TABLE promotion_baselines ENABLE ROW LEVEL SECURITY;
ALTER TABLE promotion_baselines FORCE ROW LEVEL SECURITY;
CREATE POLICY of_the_tenant ON promotion_baselines TO phoenix_tenant USING (tenant_id = phoenix_tenant());
CREATE POLICY across_tenants ON promotion_baselines TO phoenix_across USING (TRUE);
GRANT SELECT, INSERT, UPDATE, DELETE ON promotion_baselines TO phoenix_tenant;
GRANT SELECT, INSERT, UPDATE, DELETE ON promotion_baselines TO phoenix_across;
