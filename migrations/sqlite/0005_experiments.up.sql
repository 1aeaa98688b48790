-- What is tried. `spec` and `state` are JSON; `phase` and `version` stand beside them for queries and for guards.
CREATE TABLE experiments (
    tenant_id  TEXT   NOT NULL REFERENCES tenants (id),
    id         TEXT   NOT NULL,
    name       TEXT   NOT NULL,
    spec       TEXT   NOT NULL,
    phase      TEXT   NOT NULL,
    state      TEXT   NOT NULL,
    verdict    TEXT,
    version    BIGINT NOT NULL,
    created_by TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX experiments_by_phase ON experiments (phase, tenant_id, id);

CREATE TABLE experiment_events (
    tenant_id     TEXT   NOT NULL,
    experiment_id TEXT   NOT NULL,
    seq           BIGINT NOT NULL,
    at            BIGINT NOT NULL,
    kind          TEXT   NOT NULL,
    detail        TEXT   NOT NULL,
    PRIMARY KEY (tenant_id, experiment_id, seq),
    FOREIGN KEY (tenant_id, experiment_id) REFERENCES experiments (tenant_id, id) ON DELETE CASCADE
);

-- What each agent was told to run, under a number that never means another content.
CREATE TABLE agent_generations (
    tenant_id     TEXT   NOT NULL,
    agent_uid     TEXT   NOT NULL,
    generation    BIGINT NOT NULL,
    content       TEXT   NOT NULL,
    config_hash   TEXT   NOT NULL,
    body          TEXT   NOT NULL,
    experiment_id TEXT,
    step          TEXT,
    status        TEXT   NOT NULL CHECK (status IN ('pending', 'applying', 'applied', 'failed')),
    error         TEXT,
    created_at    BIGINT NOT NULL,
    applied_at    BIGINT,
    PRIMARY KEY (tenant_id, agent_uid, generation),
    FOREIGN KEY (tenant_id, agent_uid) REFERENCES agents (tenant_id, uid) ON DELETE CASCADE
);
CREATE INDEX agent_generations_by_experiment ON agent_generations (tenant_id, experiment_id, agent_uid);

-- What agents have found, a whole horizon a row, by the report key.
CREATE TABLE experiment_windows (
    tenant_id     TEXT   NOT NULL,
    experiment_id TEXT   NOT NULL,
    agent_uid     TEXT   NOT NULL,
    boot_id       TEXT   NOT NULL,
    generation    BIGINT NOT NULL,
    window_start  BIGINT NOT NULL,
    window_end    BIGINT NOT NULL,
    step          TEXT   NOT NULL,
    digest        TEXT   NOT NULL,
    received_at   BIGINT NOT NULL,
    body          BLOB   NOT NULL,
    PRIMARY KEY (tenant_id, experiment_id, agent_uid, boot_id, generation, window_start),
    FOREIGN KEY (tenant_id, experiment_id) REFERENCES experiments (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX experiment_windows_by_step ON experiment_windows (tenant_id, experiment_id, agent_uid, step, window_start);

-- Which pipeline a selector of agents runs outside experiments. The latest version stands; one without a config gives
-- the agents back to their own files.
CREATE TABLE deployments (
    tenant_id     TEXT   NOT NULL REFERENCES tenants (id),
    id            TEXT   NOT NULL,
    version       BIGINT NOT NULL,
    selector      TEXT   NOT NULL,
    config        TEXT,
    experiment_id TEXT,
    created_by    TEXT   NOT NULL,
    created_at    BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id, version)
);

ALTER TABLE agents ADD COLUMN boot_id TEXT;
ALTER TABLE agents ADD COLUMN generation BIGINT;
ALTER TABLE agents ADD COLUMN baseline_digest TEXT;
ALTER TABLE agents ADD COLUMN candidate_cut TEXT;
ALTER TABLE agents ADD COLUMN connected_at BIGINT;
