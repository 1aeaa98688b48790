-- Digest of the baseline that a horizon was measured with; empty of rows before this, which say nothing of it.
ALTER TABLE experiment_windows ADD COLUMN baseline TEXT NOT NULL DEFAULT '';
