-- Horizons whose bodies are kept: the latest of a step, and the last of each process and pair of plans.
CREATE INDEX experiment_bodies_by_step ON experiment_windows (tenant_id, experiment_id, agent_uid, step, window_start)
    WHERE length(body) > 0;
CREATE INDEX experiment_bodies_by_process ON experiment_windows
    (tenant_id, experiment_id, agent_uid, boot_id, plans, window_start) WHERE length(body) > 0;
