-- Verdicts in the audit chain go on naming fingerprints, which are gone: their evidence cannot be told to be as it was.
DROP INDEX experiment_windows_by_fingerprint;
ALTER TABLE experiment_windows DROP COLUMN fingerprint;
ALTER TABLE experiments DROP COLUMN attested;
ALTER TABLE experiments DROP COLUMN fingerprints;
DROP TABLE experiment_fingerprints;
