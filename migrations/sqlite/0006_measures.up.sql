-- What varies by chance in a horizon, as relative errors; kept longer than the body.
ALTER TABLE experiment_windows ADD COLUMN nanos_per_point DOUBLE PRECISION;
ALTER TABLE experiment_windows ADD COLUMN latency_p99 DOUBLE PRECISION;
