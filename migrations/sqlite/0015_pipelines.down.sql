ALTER TABLE deployments DROP COLUMN pipeline;
