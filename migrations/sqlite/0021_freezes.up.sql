-- Tenants in which nothing goes forward: no start, no further step, no promotion, nothing new for any agent.
CREATE TABLE freezes (
    tenant_id TEXT   NOT NULL PRIMARY KEY REFERENCES tenants (id),
    since     BIGINT NOT NULL,
    author    TEXT   NOT NULL,
    reason    TEXT   NOT NULL
);
