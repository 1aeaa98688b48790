-- Horizons of an agent in a step that were put together: those of five minutes, of an hour, or all of the step (`grain`, seconds;
-- 0 is the step). `start` is the begin of that time; from `began_at` to `ended_at` its horizons are. Unix nanoseconds by our clock.
-- A body has each horizon still, but for its figures, and figures of them together.
CREATE TABLE experiment_merges (
    tenant_id     words NOT NULL,
    experiment_id words NOT NULL,
    agent_uid     words NOT NULL,
    step          words NOT NULL,
    grain         BIGINT NOT NULL,
    start         BIGINT NOT NULL,
    began_at      BIGINT NOT NULL,
    ended_at      BIGINT NOT NULL,
    body          BYTEA NOT NULL,
    PRIMARY KEY (tenant_id, experiment_id, agent_uid, step, grain, start),
    FOREIGN KEY (tenant_id, experiment_id) REFERENCES experiments (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX experiment_merges_by_grain ON experiment_merges (grain, ended_at);
CREATE INDEX experiment_merges_by_end ON experiment_merges (tenant_id, experiment_id, ended_at, began_at);

-- Horizons that wait to be merged; a verdict reads the others alone.
ALTER TABLE experiment_windows ADD COLUMN to_merge BIGINT NOT NULL DEFAULT 0;
ALTER TABLE experiment_windows NO FORCE ROW LEVEL SECURITY;
UPDATE experiment_windows SET to_merge = 1 WHERE length(body) = 0;
ALTER TABLE experiment_windows FORCE ROW LEVEL SECURITY;
CREATE INDEX experiment_windows_to_merge ON experiment_windows (tenant_id, experiment_id, agent_uid, step, window_start)
    WHERE to_merge = 1;
DROP INDEX experiment_bodies_by_process;
DROP INDEX experiment_bodies_by_step;
CREATE INDEX experiment_bodies_by_step ON experiment_windows (tenant_id, experiment_id, agent_uid, step, window_start)
    WHERE length(body) > 0 AND to_merge = 0;
CREATE INDEX experiment_bodies_by_process ON experiment_windows
    (tenant_id, experiment_id, agent_uid, boot_id, plans, window_start) WHERE length(body) > 0 AND to_merge = 0;

-- End of the last horizon that was merged, by the agent's clock; and the time since which nothing is to be merged any more.
ALTER TABLE experiment_sums ADD COLUMN merged_until BIGINT;
ALTER TABLE experiments ADD COLUMN merged_at BIGINT;

ALTER TABLE experiment_merges ENABLE ROW LEVEL SECURITY;
ALTER TABLE experiment_merges FORCE ROW LEVEL SECURITY;
CREATE POLICY of_the_tenant ON experiment_merges TO phoenix_tenant USING (tenant_id = phoenix_tenant());
CREATE POLICY across_tenants ON experiment_merges TO phoenix_across USING (TRUE);
GRANT SELECT, INSERT, UPDATE, DELETE ON experiment_merges TO phoenix_tenant;
GRANT SELECT, INSERT, UPDATE, DELETE ON experiment_merges TO phoenix_across;
