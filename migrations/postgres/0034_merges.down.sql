-- What was merged is not told apart any more: its figures are gone, and its horizons go on counting in their sums.
ALTER TABLE experiments DROP COLUMN merged_at;
ALTER TABLE experiment_sums DROP COLUMN merged_until;
DROP INDEX experiment_windows_to_merge;
DROP INDEX experiment_bodies_by_process;
DROP INDEX experiment_bodies_by_step;
ALTER TABLE experiment_windows DROP COLUMN to_merge;
CREATE INDEX experiment_bodies_by_step ON experiment_windows (tenant_id, experiment_id, agent_uid, step, window_start)
    WHERE length(body) > 0;
CREATE INDEX experiment_bodies_by_process ON experiment_windows
    (tenant_id, experiment_id, agent_uid, boot_id, plans, window_start) WHERE length(body) > 0;
DROP TABLE experiment_merges;
