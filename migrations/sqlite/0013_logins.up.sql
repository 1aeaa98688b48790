-- A login: from a password to its end, by whichever access and refresh tokens it goes on meanwhile.
CREATE TABLE logins (
    id         TEXT   NOT NULL PRIMARY KEY,
    tenant_id  TEXT   NOT NULL REFERENCES tenants (id),
    user_id    TEXT   NOT NULL REFERENCES users (id),
    created_at BIGINT NOT NULL,
    ends_at    BIGINT NOT NULL,
    ended_at   BIGINT
);
CREATE INDEX logins_by_user ON logins (tenant_id, user_id);
CREATE INDEX logins_by_end ON logins (ends_at);
CREATE INDEX logins_by_early_end ON logins (ended_at);

-- Each is good once. An exchanged one names its successor; one without was put aside for another.
CREATE TABLE refresh_tokens (
    id           TEXT   NOT NULL PRIMARY KEY,
    tenant_id    TEXT   NOT NULL REFERENCES tenants (id),
    login_id     TEXT   NOT NULL REFERENCES logins (id),
    secret_hash  TEXT   NOT NULL,
    created_at   BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL,
    exchanged_at BIGINT,
    successor    TEXT
);
CREATE INDEX refresh_tokens_by_login ON refresh_tokens (login_id);
CREATE INDEX refresh_tokens_by_expiry ON refresh_tokens (expires_at);
