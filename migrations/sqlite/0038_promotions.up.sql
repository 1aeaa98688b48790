-- True of an agent whose file's pipeline was changed while a pushed one is in its place.
ALTER TABLE agents ADD COLUMN local_override_pending BOOLEAN NOT NULL DEFAULT FALSE;

-- Pipelines of agents when an experiment was promoted of which no horizon had come in: what it is to take the place of.
CREATE TABLE promotion_baselines (
    tenant_id     TEXT NOT NULL,
    experiment_id TEXT NOT NULL,
    agent_uid     TEXT NOT NULL,
    baseline      TEXT NOT NULL,
    PRIMARY KEY (tenant_id, experiment_id, agent_uid),
    FOREIGN KEY (tenant_id, experiment_id) REFERENCES experiments (tenant_id, id) ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, agent_uid) REFERENCES agents (tenant_id, uid) ON DELETE CASCADE
);
CREATE INDEX promotion_baselines_by_agent ON promotion_baselines (tenant_id, agent_uid);
