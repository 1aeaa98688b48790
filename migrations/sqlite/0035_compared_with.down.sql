ALTER TABLE agent_generations DROP COLUMN compared_with;
