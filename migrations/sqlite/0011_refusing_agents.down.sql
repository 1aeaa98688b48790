ALTER TABLE agents DROP COLUMN refuses_configs;
