-- Whom an identity provider knows a person as: its issuer, and its name for them, which is never given to another.
ALTER TABLE users ADD COLUMN subject words;
CREATE UNIQUE INDEX users_by_subject ON users (tenant_id, subject) WHERE subject IS NOT NULL;
