-- True once a request has changed something, whether its answer is kept or was lost.
ALTER TABLE idempotency_keys ADD COLUMN committed BOOLEAN NOT NULL DEFAULT FALSE;
