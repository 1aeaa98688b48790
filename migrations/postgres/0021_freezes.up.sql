-- Tenants in which nothing goes forward: no start, no further step, no promotion, nothing new for any agent.
CREATE TABLE freezes (
    tenant_id words  NOT NULL PRIMARY KEY REFERENCES tenants (id),
    since     BIGINT NOT NULL,
    author    words  NOT NULL,
    reason    words  NOT NULL
);
ALTER TABLE freezes ENABLE ROW LEVEL SECURITY;
ALTER TABLE freezes FORCE ROW LEVEL SECURITY;
CREATE POLICY of_the_tenant ON freezes TO phoenix_tenant USING (tenant_id = phoenix_tenant());
CREATE POLICY across_tenants ON freezes TO phoenix_across USING (TRUE);
GRANT SELECT, INSERT, UPDATE, DELETE ON freezes TO phoenix_tenant;
GRANT SELECT, INSERT, UPDATE, DELETE ON freezes TO phoenix_across;
