-- Entries of the audit chains are signed under a key that is not in the database. Those of before, and of the release before, are not.
ALTER TABLE audit_logs ADD COLUMN key_id TEXT;
ALTER TABLE audit_logs ADD COLUMN mac TEXT;
-- Those of the last entry, which whoever writes the next one looks at.
ALTER TABLE audit_heads ADD COLUMN key_id TEXT;
ALTER TABLE audit_heads ADD COLUMN mac TEXT;
CREATE INDEX audit_heads_signed ON audit_heads (tenant_id) WHERE mac IS NOT NULL;
