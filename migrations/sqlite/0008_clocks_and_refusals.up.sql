-- Time by which the agent's clock was ahead of the control plane's (behind, if negative): as it counts for all reports of a
-- process and generation, nanoseconds; and as it was when the report came, milliseconds (unknown of agents that do not say it).
ALTER TABLE experiment_windows ADD COLUMN clock_offset BIGINT NOT NULL DEFAULT 0;
ALTER TABLE experiment_windows ADD COLUMN clock_measured BIGINT;

-- Reports that were refused for good, by cause: the last reason, and how many.
CREATE TABLE experiment_refusals (
    tenant_id     TEXT   NOT NULL,
    experiment_id TEXT   NOT NULL,
    agent_uid     TEXT   NOT NULL,
    cause         TEXT   NOT NULL,
    reason        TEXT   NOT NULL,
    reports       BIGINT NOT NULL,
    last_at       BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, experiment_id, agent_uid, cause),
    FOREIGN KEY (tenant_id, experiment_id) REFERENCES experiments (tenant_id, id) ON DELETE CASCADE
);
