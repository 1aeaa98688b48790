ALTER TABLE experiment_windows DROP COLUMN baseline;
