-- Agents that had refused what an experiment promoted when they were deleted.
CREATE TABLE promotion_refusals (
    tenant_id     TEXT NOT NULL,
    experiment_id TEXT NOT NULL,
    agent_uid     TEXT NOT NULL,
    host          TEXT NOT NULL,
    reason        TEXT NOT NULL,
    PRIMARY KEY (tenant_id, experiment_id, agent_uid),
    FOREIGN KEY (tenant_id, experiment_id) REFERENCES experiments (tenant_id, id) ON DELETE CASCADE
);

-- Experiments that have ended lately, which are shown to a monitoring for a while.
CREATE INDEX experiments_by_end ON experiments (updated_at) WHERE phase = 'completed';
