DROP INDEX audit_logs_by_object;
DROP INDEX experiments_by_start;
ALTER TABLE experiments DROP COLUMN start_at;
