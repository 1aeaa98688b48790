DROP TABLE leases;
DROP INDEX agent_generations_pending;
ALTER TABLE agents DROP COLUMN replica;
