-- Fingerprints: digests over the horizons of an experiment, each over those filed since the one before. `digest` has the digest
-- before it in it; `horizons` is the number of all that it covers; `until` is the time at which the last of them came.
CREATE TABLE experiment_fingerprints (
    tenant_id     words  NOT NULL,
    experiment_id words  NOT NULL,
    number        BIGINT NOT NULL,
    until         BIGINT NOT NULL,
    horizons      BIGINT NOT NULL,
    digest        words  NOT NULL,
    PRIMARY KEY (tenant_id, experiment_id, number),
    FOREIGN KEY (tenant_id, experiment_id) REFERENCES experiments (tenant_id, id) ON DELETE CASCADE
);

-- Number of the last fingerprint of an experiment, and the last verdict that the audit chain names.
ALTER TABLE experiments ADD COLUMN fingerprints BIGINT NOT NULL DEFAULT 0;
ALTER TABLE experiments ADD COLUMN attested words;

-- Number of the fingerprint that covers a horizon; 0 of those that a release filed that knew none.
ALTER TABLE experiment_windows ADD COLUMN fingerprint BIGINT NOT NULL DEFAULT 0;
CREATE INDEX experiment_windows_by_fingerprint ON experiment_windows
    (tenant_id, experiment_id, fingerprint, agent_uid, boot_id, generation, window_start);

ALTER TABLE experiment_fingerprints ENABLE ROW LEVEL SECURITY;
ALTER TABLE experiment_fingerprints FORCE ROW LEVEL SECURITY;
CREATE POLICY of_the_tenant ON experiment_fingerprints TO phoenix_tenant USING (tenant_id = phoenix_tenant());
CREATE POLICY across_tenants ON experiment_fingerprints TO phoenix_across USING (TRUE);
GRANT SELECT, INSERT, UPDATE, DELETE ON experiment_fingerprints TO phoenix_tenant;
GRANT SELECT, INSERT, UPDATE, DELETE ON experiment_fingerprints TO phoenix_across;
