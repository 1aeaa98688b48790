ALTER TABLE agents DROP COLUMN candidate_cut;
ALTER TABLE agents DROP COLUMN baseline_digest;
ALTER TABLE agents DROP COLUMN generation;
ALTER TABLE agents DROP COLUMN boot_id;
DROP TABLE deployments;
DROP TABLE experiment_windows;
DROP TABLE agent_generations;
DROP TABLE experiment_events;
DROP TABLE experiments;
