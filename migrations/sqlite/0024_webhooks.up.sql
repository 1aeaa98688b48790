-- Addresses that are told what happens. Both the address and the secret that signs what is sent are sealed by a key that is not
-- in the database: the path of an address may let its holder in.
CREATE TABLE webhooks (
    tenant_id  TEXT NOT NULL REFERENCES tenants (id),
    id         TEXT NOT NULL,
    name       TEXT NOT NULL,
    place      TEXT NOT NULL,
    url        TEXT NOT NULL,
    secret     TEXT NOT NULL,
    events     TEXT NOT NULL,
    format     TEXT NOT NULL CHECK (format IN ('json', 'slack')),
    enabled    BOOLEAN NOT NULL,
    version    BIGINT NOT NULL,
    dropped    BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX webhooks_by_name ON webhooks (tenant_id, name);

-- Messages to them, written with what they tell of. One that waits has the time of its next attempt.
CREATE TABLE webhook_deliveries (
    tenant_id   TEXT NOT NULL,
    webhook_id  TEXT NOT NULL,
    seq         BIGINT NOT NULL,
    event       TEXT NOT NULL,
    at          BIGINT NOT NULL,
    body        TEXT NOT NULL,
    state       TEXT NOT NULL CHECK (state IN ('waiting', 'delivered', 'failed')),
    due_at      BIGINT,
    attempts    BIGINT NOT NULL,
    last_status BIGINT,
    last_error  TEXT,
    last_at     BIGINT,
    PRIMARY KEY (tenant_id, webhook_id, seq),
    FOREIGN KEY (tenant_id, webhook_id) REFERENCES webhooks (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX webhook_deliveries_by_due ON webhook_deliveries (due_at, tenant_id, webhook_id, seq)
    WHERE due_at IS NOT NULL;
