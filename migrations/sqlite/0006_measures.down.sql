ALTER TABLE experiment_windows DROP COLUMN latency_p99;
ALTER TABLE experiment_windows DROP COLUMN nanos_per_point;
