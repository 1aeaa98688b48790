DROP TABLE promotion_baselines;
ALTER TABLE agents DROP COLUMN local_override_pending;
