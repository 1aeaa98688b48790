-- Time at which a pending experiment is to start by itself.
ALTER TABLE experiments ADD COLUMN start_at BIGINT;
CREATE INDEX experiments_by_start ON experiments (start_at) WHERE start_at IS NOT NULL;

-- What was done to one thing, such as the signals that people gave to an experiment.
CREATE INDEX audit_logs_by_object ON audit_logs (tenant_id, object, seq);
