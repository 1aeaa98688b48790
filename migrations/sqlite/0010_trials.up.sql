-- Contents that agents of a version have lived with: by the digests of both plans. What stands here is offered to all at
-- once.
CREATE TABLE known_contents (
    tenant_id TEXT   NOT NULL REFERENCES tenants (id),
    version   TEXT   NOT NULL,
    baseline  TEXT   NOT NULL,
    candidate TEXT   NOT NULL,
    known_at  BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, version, baseline, candidate)
);

-- Agents that are to run a content which is not known yet: the wave in which it was offered to each, 0 while it waits, and
-- since when the process that runs it has been seen to.
CREATE TABLE content_trials (
    tenant_id   TEXT   NOT NULL,
    agent_uid   TEXT   NOT NULL,
    version     TEXT   NOT NULL,
    baseline    TEXT   NOT NULL,
    candidate   TEXT   NOT NULL,
    wave        BIGINT NOT NULL,
    offered_at  BIGINT,
    boot_id     TEXT,
    alive_since BIGINT,
    PRIMARY KEY (tenant_id, agent_uid),
    FOREIGN KEY (tenant_id, agent_uid) REFERENCES agents (tenant_id, uid) ON DELETE CASCADE
);

-- Ids of the quarantines that somebody has lifted and the agent has not heard of yet, as JSON.
ALTER TABLE agents ADD COLUMN lifting TEXT;
