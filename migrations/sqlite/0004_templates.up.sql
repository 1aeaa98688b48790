-- A name outlives its deletion, so that name and version never mean two texts.
CREATE TABLE config_templates (
    tenant_id      TEXT   NOT NULL REFERENCES tenants (id),
    name           TEXT   NOT NULL,
    latest_version BIGINT NOT NULL,
    deleted_at     BIGINT,
    PRIMARY KEY (tenant_id, name)
);

CREATE TABLE config_template_versions (
    tenant_id  TEXT   NOT NULL,
    name       TEXT   NOT NULL,
    version    BIGINT NOT NULL,
    text       TEXT   NOT NULL,
    digest     TEXT   NOT NULL,
    created_by TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, name, version),
    FOREIGN KEY (tenant_id, name) REFERENCES config_templates (tenant_id, name)
);
