ALTER TABLE experiment_windows DROP COLUMN plans;
ALTER TABLE experiment_windows DROP COLUMN points_in;
