DROP TABLE experiment_refusals;
ALTER TABLE experiment_windows DROP COLUMN clock_measured;
ALTER TABLE experiment_windows DROP COLUMN clock_offset;
