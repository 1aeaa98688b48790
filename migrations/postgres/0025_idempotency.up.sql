-- Requests that are not to be done twice: the key that their caller gave them, a digest, and the answer, which is sealed.
CREATE TABLE idempotency_keys (
    tenant_id   words NOT NULL REFERENCES tenants (id),
    caller      words NOT NULL,
    request_key words NOT NULL,
    digest      words NOT NULL,
    begun_at    BIGINT NOT NULL,
    answer      words,
    PRIMARY KEY (tenant_id, caller, request_key)
);
CREATE INDEX idempotency_keys_by_time ON idempotency_keys (tenant_id, begun_at);

ALTER TABLE idempotency_keys ENABLE ROW LEVEL SECURITY;
ALTER TABLE idempotency_keys FORCE ROW LEVEL SECURITY;
CREATE POLICY of_the_tenant ON idempotency_keys TO phoenix_tenant USING (tenant_id = phoenix_tenant());
CREATE POLICY across_tenants ON idempotency_keys TO phoenix_across USING (TRUE);
GRANT SELECT, INSERT, UPDATE, DELETE ON idempotency_keys TO phoenix_tenant;
GRANT SELECT, INSERT, UPDATE, DELETE ON idempotency_keys TO phoenix_across;
