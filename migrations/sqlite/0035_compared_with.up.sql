-- Digests of the pipelines that a promoted generation was compared with, by spaces: an agent whose file has another refuses it.
ALTER TABLE agent_generations ADD COLUMN compared_with TEXT;
