DROP INDEX audit_heads_signed;
ALTER TABLE audit_heads DROP COLUMN mac;
ALTER TABLE audit_heads DROP COLUMN key_id;
ALTER TABLE audit_logs DROP COLUMN mac;
ALTER TABLE audit_logs DROP COLUMN key_id;
