-- Who writes a share of the candidate's output, as each agent tells it for one turn: a merged `phoenix.v1.Slice` a row.
-- Only the latest turns are kept.
CREATE TABLE experiment_slices (
    tenant_id     TEXT   NOT NULL,
    experiment_id TEXT   NOT NULL,
    turn          BIGINT NOT NULL,
    agent_uid     TEXT   NOT NULL,
    slices        BIGINT NOT NULL,
    truncated     BIGINT NOT NULL,
    body          BLOB   NOT NULL,
    PRIMARY KEY (tenant_id, experiment_id, turn, agent_uid),
    FOREIGN KEY (tenant_id, experiment_id) REFERENCES experiments (tenant_id, id) ON DELETE CASCADE
);

-- What the slices of a turn cover: the largest number of slices, the agents that told theirs whole, and whether a series
-- came through several of them.
CREATE TABLE experiment_turns (
    tenant_id     TEXT   NOT NULL,
    experiment_id TEXT   NOT NULL,
    turn          BIGINT NOT NULL,
    slices        BIGINT NOT NULL,
    agents        BIGINT NOT NULL,
    overlaps      BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, experiment_id, turn),
    FOREIGN KEY (tenant_id, experiment_id) REFERENCES experiments (tenant_id, id) ON DELETE CASCADE
);

-- Identities that several agents write for several writers, each with two of the agents; `shared` if the baseline's output
-- has the writers collide, too. Names are asked for afterward.
CREATE TABLE experiment_collisions (
    tenant_id     TEXT   NOT NULL,
    experiment_id TEXT   NOT NULL,
    series_key    BIGINT NOT NULL,
    shared        BIGINT NOT NULL,
    one_agent     TEXT   NOT NULL,
    other_agent   TEXT   NOT NULL,
    found_at      BIGINT NOT NULL,
    metric        TEXT,
    series        TEXT,
    writer        TEXT,
    PRIMARY KEY (tenant_id, experiment_id, series_key),
    FOREIGN KEY (tenant_id, experiment_id) REFERENCES experiments (tenant_id, id) ON DELETE CASCADE
);
