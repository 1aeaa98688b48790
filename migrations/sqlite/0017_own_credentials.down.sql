DROP TABLE token_uses;
DROP TABLE agent_configs;
DROP INDEX agents_by_claimed_uid;
-- Before, nobody came in but by an enrollment token and with a UUID of version 7.
DELETE FROM agents WHERE enrolled_by NOT IN (SELECT id FROM enrollment_tokens)
    OR substr(uid, 15, 1) <> '7' OR substr(instance_uid, 15, 1) <> '7';
ALTER TABLE agents DROP COLUMN settings_error;
ALTER TABLE agents DROP COLUMN settings_status;
ALTER TABLE agents DROP COLUMN settings_hash;
ALTER TABLE agents DROP COLUMN takes_generations;
ALTER TABLE agents DROP COLUMN claimed_uid;
ALTER TABLE agents DROP COLUMN own_credential;
ALTER TABLE agents ADD COLUMN let_in_by TEXT REFERENCES enrollment_tokens (id);
UPDATE agents SET let_in_by = enrolled_by;
ALTER TABLE agents DROP COLUMN enrolled_by;
ALTER TABLE agents RENAME COLUMN let_in_by TO enrolled_by;
