-- The replica of the control plane that an agent is connected to; nothing where it is not connected.
ALTER TABLE agents ADD COLUMN replica TEXT;
-- What agents were told and have not answered yet.
CREATE INDEX agent_generations_pending ON agent_generations (tenant_id, agent_uid) WHERE status = 'pending';
