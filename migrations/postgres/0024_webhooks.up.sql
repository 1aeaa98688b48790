-- Addresses that are told what happens. Both the address and the secret that signs what is sent are sealed by a key that is not
-- in the database: the path of an address may let its holder in.
CREATE TABLE webhooks (
    tenant_id  words NOT NULL REFERENCES tenants (id),
    id         words NOT NULL,
    name       words NOT NULL,
    place      words NOT NULL,
    url        words NOT NULL,
    secret     words NOT NULL,
    events     words NOT NULL,
    format     words NOT NULL CHECK (format IN ('json', 'slack')),
    enabled    BOOLEAN NOT NULL,
    version    BIGINT NOT NULL,
    dropped    BIGINT NOT NULL,
    created_by words NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX webhooks_by_name ON webhooks (tenant_id, name);

-- Messages to them, written with what they tell of. One that waits has the time of its next attempt.
CREATE TABLE webhook_deliveries (
    tenant_id   words NOT NULL,
    webhook_id  words NOT NULL,
    seq         BIGINT NOT NULL,
    event       words NOT NULL,
    at          BIGINT NOT NULL,
    body        words NOT NULL,
    state       words NOT NULL CHECK (state IN ('waiting', 'delivered', 'failed')),
    due_at      BIGINT,
    attempts    BIGINT NOT NULL,
    last_status BIGINT,
    last_error  words,
    last_at     BIGINT,
    PRIMARY KEY (tenant_id, webhook_id, seq),
    FOREIGN KEY (tenant_id, webhook_id) REFERENCES webhooks (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX webhook_deliveries_by_due ON webhook_deliveries (due_at, tenant_id, webhook_id, seq)
    WHERE due_at IS NOT NULL;

ALTER TABLE webhooks ENABLE ROW LEVEL SECURITY;
ALTER TABLE webhooks FORCE ROW LEVEL SECURITY;
CREATE POLICY of_the_tenant ON webhooks TO phoenix_tenant USING (tenant_id = phoenix_tenant());
CREATE POLICY across_tenants ON webhooks TO phoenix_across USING (TRUE);
GRANT SELECT, INSERT, UPDATE, DELETE ON webhooks TO phoenix_tenant;
GRANT SELECT, INSERT, UPDATE, DELETE ON webhooks TO phoenix_across;

ALTER TABLE webhook_deliveries ENABLE ROW LEVEL SECURITY;
ALTER TABLE webhook_deliveries FORCE ROW LEVEL SECURITY;
CREATE POLICY of_the_tenant ON webhook_deliveries TO phoenix_tenant USING (tenant_id = phoenix_tenant());
CREATE POLICY across_tenants ON webhook_deliveries TO phoenix_across USING (TRUE);
GRANT SELECT, INSERT, UPDATE, DELETE ON webhook_deliveries TO phoenix_tenant;
GRANT SELECT, INSERT, UPDATE, DELETE ON webhook_deliveries TO phoenix_across;
