-- All that there is, as SQLite has it after its first fifteen migrations. Instants are milliseconds since the Unix epoch; ids
-- are UUIDs as text. Texts are compared by their bytes, as SQLite compares them, so that lists have one order everywhere.
CREATE DOMAIN words AS TEXT COLLATE "C";

CREATE TABLE tenants (
    id         words NOT NULL PRIMARY KEY,
    name       words NOT NULL UNIQUE,
    created_at BIGINT NOT NULL
);

-- One person, one address, one tenant: a login names no tenant, so an email address is unique in all of them.
CREATE TABLE users (
    id            words NOT NULL PRIMARY KEY,
    tenant_id     words NOT NULL REFERENCES tenants (id),
    email         words NOT NULL UNIQUE,
    password_hash words NOT NULL,
    role          words NOT NULL CHECK (role IN ('viewer', 'operator', 'admin')),
    created_at    BIGINT NOT NULL,
    disabled_at   BIGINT
);
CREATE INDEX users_by_tenant ON users (tenant_id, id);

CREATE TABLE revoked_tokens (
    jti        words NOT NULL PRIMARY KEY,
    tenant_id  words NOT NULL REFERENCES tenants (id),
    user_id    words NOT NULL REFERENCES users (id),
    expires_at BIGINT NOT NULL
);
CREATE INDEX revoked_tokens_by_expiry ON revoked_tokens (expires_at);

-- One chain per tenant: each row's hash covers its content and the hash of the row before it.
CREATE TABLE audit_logs (
    tenant_id     words NOT NULL REFERENCES tenants (id),
    seq           BIGINT NOT NULL,
    at            BIGINT NOT NULL,
    actor         words NOT NULL,
    action        words NOT NULL,
    object        words NOT NULL,
    detail        words NOT NULL,
    previous_hash words NOT NULL,
    hash          words NOT NULL,
    PRIMARY KEY (tenant_id, seq)
);

-- The end of each chain: a chain cut short at its end is found by it, and writers queue up on it.
CREATE TABLE audit_heads (
    tenant_id words NOT NULL PRIMARY KEY REFERENCES tenants (id),
    seq       BIGINT NOT NULL,
    hash      words NOT NULL
);

CREATE FUNCTION audit_logs_are_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'audit_logs is append-only'; END $$;
CREATE TRIGGER audit_logs_are_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_logs
    FOR EACH STATEMENT EXECUTE FUNCTION audit_logs_are_append_only();

-- What lets an agent in. Of a token's secret only the SHA-256 is kept.
CREATE TABLE enrollment_tokens (
    id          words NOT NULL PRIMARY KEY,
    tenant_id   words NOT NULL REFERENCES tenants (id),
    secret_hash words NOT NULL,
    labels      words NOT NULL,
    max_uses    BIGINT,
    uses        BIGINT NOT NULL,
    created_by  words NOT NULL,
    created_at  BIGINT NOT NULL,
    expires_at  BIGINT NOT NULL,
    revoked_at  BIGINT
);
CREATE INDEX enrollment_tokens_by_tenant ON enrollment_tokens (tenant_id, id);

CREATE TABLE agents (
    tenant_id          words NOT NULL REFERENCES tenants (id),
    uid                words NOT NULL,
    labels             words NOT NULL,
    host               words NOT NULL,
    version            words NOT NULL,
    enrolled_by        words NOT NULL REFERENCES enrollment_tokens (id),
    enrolled_at        BIGINT NOT NULL,
    credential_id      words NOT NULL UNIQUE,
    credential_hash    words NOT NULL,
    credential_used_at BIGINT,
    last_seen          BIGINT,
    status             words NOT NULL,
    health             words,
    offered_hash       words,
    effective_hash     words,
    boot_id            words,
    generation         BIGINT,
    baseline_digest    words,
    candidate_cut      words,
    lifting            words,
    refuses_configs    BOOLEAN NOT NULL DEFAULT FALSE,
    instance_uid       words,
    node               words,
    attributes         words,
    replaced_at        BIGINT,
    conflict_at        BIGINT,
    archived_at        BIGINT,
    PRIMARY KEY (tenant_id, uid)
);

-- A name outlives its deletion, so that name and version never mean two texts.
CREATE TABLE config_templates (
    tenant_id      words NOT NULL REFERENCES tenants (id),
    name           words NOT NULL,
    latest_version BIGINT NOT NULL,
    deleted_at     BIGINT,
    PRIMARY KEY (tenant_id, name)
);

CREATE TABLE config_template_versions (
    tenant_id  words NOT NULL,
    name       words NOT NULL,
    version    BIGINT NOT NULL,
    text       words NOT NULL,
    digest     words NOT NULL,
    created_by words NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, name, version),
    FOREIGN KEY (tenant_id, name) REFERENCES config_templates (tenant_id, name)
);

-- What is tried. `spec` and `state` are JSON; `phase` and `version` stand beside them for queries and for guards.
CREATE TABLE experiments (
    tenant_id  words NOT NULL REFERENCES tenants (id),
    id         words NOT NULL,
    name       words NOT NULL,
    spec       words NOT NULL,
    phase      words NOT NULL,
    state      words NOT NULL,
    verdict    words,
    version    BIGINT NOT NULL,
    created_by words NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX experiments_by_phase ON experiments (phase, tenant_id, id);

CREATE TABLE experiment_events (
    tenant_id     words NOT NULL,
    experiment_id words NOT NULL,
    seq           BIGINT NOT NULL,
    at            BIGINT NOT NULL,
    kind          words NOT NULL,
    detail        words NOT NULL,
    PRIMARY KEY (tenant_id, experiment_id, seq),
    FOREIGN KEY (tenant_id, experiment_id) REFERENCES experiments (tenant_id, id) ON DELETE CASCADE
);

-- What each agent was told to run, under a number that never means another content.
CREATE TABLE agent_generations (
    tenant_id     words NOT NULL,
    agent_uid     words NOT NULL,
    generation    BIGINT NOT NULL,
    content       words NOT NULL,
    config_hash   words NOT NULL,
    body          words NOT NULL,
    experiment_id words,
    step          words,
    status        words NOT NULL CHECK (status IN ('pending', 'applying', 'applied', 'failed')),
    error         words,
    created_at    BIGINT NOT NULL,
    applied_at    BIGINT,
    PRIMARY KEY (tenant_id, agent_uid, generation),
    FOREIGN KEY (tenant_id, agent_uid) REFERENCES agents (tenant_id, uid) ON DELETE CASCADE
);
CREATE INDEX agent_generations_by_experiment ON agent_generations (tenant_id, experiment_id, agent_uid);

-- What agents have found, a whole horizon a row, by the report key.
CREATE TABLE experiment_windows (
    tenant_id       words NOT NULL,
    experiment_id   words NOT NULL,
    agent_uid       words NOT NULL,
    boot_id         words NOT NULL,
    generation      BIGINT NOT NULL,
    window_start    BIGINT NOT NULL,
    window_end      BIGINT NOT NULL,
    step            words NOT NULL,
    digest          words NOT NULL,
    received_at     BIGINT NOT NULL,
    body            BYTEA NOT NULL,
    nanos_per_point DOUBLE PRECISION,
    latency_p99     DOUBLE PRECISION,
    points_in       BIGINT,
    plans           words NOT NULL DEFAULT '',
    clock_offset    BIGINT NOT NULL DEFAULT 0,
    clock_measured  BIGINT,
    PRIMARY KEY (tenant_id, experiment_id, agent_uid, boot_id, generation, window_start),
    FOREIGN KEY (tenant_id, experiment_id) REFERENCES experiments (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX experiment_windows_by_step ON experiment_windows (tenant_id, experiment_id, agent_uid, step, window_start);

-- Which pipeline a selector of agents runs outside experiments. The latest version stands; one without a config gives
-- the agents back to their own files.
CREATE TABLE deployments (
    tenant_id     words NOT NULL REFERENCES tenants (id),
    id            words NOT NULL,
    version       BIGINT NOT NULL,
    selector      words NOT NULL,
    config        words,
    experiment_id words,
    created_by    words NOT NULL,
    created_at    BIGINT NOT NULL,
    pipeline      words,
    PRIMARY KEY (tenant_id, id, version)
);

-- Reports that were refused for good, by cause: the last reason, and how many.
CREATE TABLE experiment_refusals (
    tenant_id     words NOT NULL,
    experiment_id words NOT NULL,
    agent_uid     words NOT NULL,
    cause         words NOT NULL,
    reason        words NOT NULL,
    reports       BIGINT NOT NULL,
    last_at       BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, experiment_id, agent_uid, cause),
    FOREIGN KEY (tenant_id, experiment_id) REFERENCES experiments (tenant_id, id) ON DELETE CASCADE
);

-- Who writes a share of the candidate's output, as each agent tells it for one turn: a merged `phoenix.v1.Slice` a row.
-- Only the latest turns are kept.
CREATE TABLE experiment_slices (
    tenant_id     words NOT NULL,
    experiment_id words NOT NULL,
    turn          BIGINT NOT NULL,
    agent_uid     words NOT NULL,
    slices        BIGINT NOT NULL,
    truncated     BIGINT NOT NULL,
    body          BYTEA NOT NULL,
    PRIMARY KEY (tenant_id, experiment_id, turn, agent_uid),
    FOREIGN KEY (tenant_id, experiment_id) REFERENCES experiments (tenant_id, id) ON DELETE CASCADE
);

-- What the slices of a turn cover: the largest number of slices, the agents that told theirs whole, and whether a series
-- came through several of them.
CREATE TABLE experiment_turns (
    tenant_id     words NOT NULL,
    experiment_id words NOT NULL,
    turn          BIGINT NOT NULL,
    slices        BIGINT NOT NULL,
    agents        BIGINT NOT NULL,
    "overlaps"    BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, experiment_id, turn),
    FOREIGN KEY (tenant_id, experiment_id) REFERENCES experiments (tenant_id, id) ON DELETE CASCADE
);

-- Identities that several agents write for several writers, each with two of the agents; `shared` if the baseline's output
-- has the writers collide, too. Names are asked for afterward.
CREATE TABLE experiment_collisions (
    tenant_id     words NOT NULL,
    experiment_id words NOT NULL,
    series_key    BIGINT NOT NULL,
    shared        BIGINT NOT NULL,
    one_agent     words NOT NULL,
    other_agent   words NOT NULL,
    found_at      BIGINT NOT NULL,
    metric        words,
    series        words,
    writer        words,
    PRIMARY KEY (tenant_id, experiment_id, series_key),
    FOREIGN KEY (tenant_id, experiment_id) REFERENCES experiments (tenant_id, id) ON DELETE CASCADE
);

-- Contents that agents of a version have lived with: by the digests of both plans. What stands here is offered to all at
-- once.
CREATE TABLE known_contents (
    tenant_id words NOT NULL REFERENCES tenants (id),
    version   words NOT NULL,
    baseline  words NOT NULL,
    candidate words NOT NULL,
    known_at  BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, version, baseline, candidate)
);

-- Agents that are to run a content which is not known yet: the wave in which it was offered to each, 0 while it waits, and
-- since when the process that runs it has been seen to.
CREATE TABLE content_trials (
    tenant_id   words NOT NULL,
    agent_uid   words NOT NULL,
    version     words NOT NULL,
    baseline    words NOT NULL,
    candidate   words NOT NULL,
    wave        BIGINT NOT NULL,
    offered_at  BIGINT,
    boot_id     words,
    alive_since BIGINT,
    PRIMARY KEY (tenant_id, agent_uid),
    FOREIGN KEY (tenant_id, agent_uid) REFERENCES agents (tenant_id, uid) ON DELETE CASCADE
);
CREATE UNIQUE INDEX agents_by_instance ON agents (tenant_id, instance_uid);
CREATE UNIQUE INDEX agents_by_node ON agents (tenant_id, node);

-- Credentials of agents that were replaced, for as long as their coming back is a conflict.
CREATE TABLE former_credentials (
    tenant_id       words NOT NULL,
    agent_uid       words NOT NULL,
    credential_id   words NOT NULL PRIMARY KEY,
    credential_hash words NOT NULL,
    valid_until     BIGINT NOT NULL,
    FOREIGN KEY (tenant_id, agent_uid) REFERENCES agents (tenant_id, uid) ON DELETE CASCADE
);
CREATE INDEX former_credentials_by_agent ON former_credentials (tenant_id, agent_uid);

-- Agents that want a node whose agent is there: since when, and when they asked last.
CREATE TABLE node_claims (
    tenant_id    words NOT NULL REFERENCES tenants (id),
    node         words NOT NULL,
    instance_uid words NOT NULL,
    since        BIGINT NOT NULL,
    last_at      BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, node, instance_uid)
);

-- A login: from a password to its end, by whichever access and refresh tokens it goes on meanwhile.
CREATE TABLE logins (
    id         words NOT NULL PRIMARY KEY,
    tenant_id  words NOT NULL REFERENCES tenants (id),
    user_id    words NOT NULL REFERENCES users (id),
    created_at BIGINT NOT NULL,
    ends_at    BIGINT NOT NULL,
    ended_at   BIGINT
);
CREATE INDEX logins_by_user ON logins (tenant_id, user_id);
CREATE INDEX logins_by_end ON logins (ends_at);
CREATE INDEX logins_by_early_end ON logins (ended_at);

-- Each is good once. An exchanged one names its successor; one without was put aside for another.
CREATE TABLE refresh_tokens (
    id           words NOT NULL PRIMARY KEY,
    tenant_id    words NOT NULL REFERENCES tenants (id),
    login_id     words NOT NULL REFERENCES logins (id),
    secret_hash  words NOT NULL,
    created_at   BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL,
    exchanged_at BIGINT,
    successor    words
);
CREATE INDEX refresh_tokens_by_login ON refresh_tokens (login_id);
CREATE INDEX refresh_tokens_by_expiry ON refresh_tokens (expires_at);

-- What programs come with in the place of a person: never more than its owner may do.
CREATE TABLE api_keys (
    id           words NOT NULL PRIMARY KEY,
    tenant_id    words NOT NULL REFERENCES tenants (id),
    owner_id     words NOT NULL REFERENCES users (id),
    name         words NOT NULL,
    secret_hash  words NOT NULL,
    role         words NOT NULL CHECK (role IN ('viewer', 'operator', 'admin')),
    kind         words,
    created_at   BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL,
    last_used_at BIGINT,
    revoked_at   BIGINT
);
CREATE INDEX api_keys_by_tenant ON api_keys (tenant_id, id);
CREATE INDEX api_keys_by_owner ON api_keys (owner_id);
