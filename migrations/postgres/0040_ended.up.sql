-- Agents that had refused what an experiment promoted when they were deleted.
CREATE TABLE promotion_refusals (
    tenant_id     words NOT NULL,
    experiment_id words NOT NULL,
    agent_uid     words NOT NULL,
    host          words NOT NULL,
    reason        words NOT NULL,
    PRIMARY KEY (tenant_id, experiment_id, agent_uid),
    FOREIGN KEY (tenant_id, experiment_id) REFERENCES experiments (tenant_id, id) ON DELETE CASCADE
);

ALTER TABLE promotion_refusals ENABLE ROW LEVEL SECURITY;
ALTER TABLE promotion_refusals FORCE ROW LEVEL SECURITY;
CREATE POLICY of_the_tenant ON promotion_refusals TO phoenix_tenant USING (tenant_id = phoenix_tenant());
CREATE POLICY across_tenants ON promotion_refusals TO phoenix_across USING (TRUE);
GRANT SELECT, INSERT, UPDATE, DELETE ON promotion_refusals TO phoenix_tenant;
GRANT SELECT, INSERT, UPDATE, DELETE ON promotion_refusals TO phoenix_across;

-- Experiments that have ended lately, which are shown to a monitoring for a while.
CREATE INDEX experiments_by_end ON experiments (updated_at) WHERE phase = 'completed';
