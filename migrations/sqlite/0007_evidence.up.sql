-- Points that came in during a horizon (unknown of earlier rows, which count for nothing), and the plans that it compares.
ALTER TABLE experiment_windows ADD COLUMN points_in BIGINT;
ALTER TABLE experiment_windows ADD COLUMN plans TEXT NOT NULL DEFAULT '';
