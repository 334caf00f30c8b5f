-- The keys that sign access tokens. A row never changes; private keys are sealed under the
-- key-encryption key.
CREATE TABLE signing_keys (
    number     BIGINT  NOT NULL PRIMARY KEY,
    kid        TEXT    NOT NULL UNIQUE,
    algorithm  TEXT    NOT NULL,
    sealed_key BYTEA   NOT NULL,
    created_at BIGINT  NOT NULL,
    signs_from BIGINT  NOT NULL,
    row_mac    BYTEA   NOT NULL CHECK (octet_length(row_mac) = 32)
);

-- What is known of a client beside its service account; no row where that is nothing.
CREATE TABLE client_settings (
    service_account_id      BYTEA   NOT NULL PRIMARY KEY REFERENCES service_accounts (id),
    root_id                 BYTEA   NOT NULL REFERENCES accounts (id),
    keys                    TEXT    NOT NULL,
    token_endpoint_audience BIGINT  NOT NULL,
    not_before              BIGINT,
    version                 BIGINT  NOT NULL,
    row_mac                 BYTEA   NOT NULL CHECK (octet_length(row_mac) = 32)
);

-- Tokens that were revoked, until they would have ended.
CREATE TABLE revoked_tokens (
    tag        BYTEA   NOT NULL PRIMARY KEY CHECK (octet_length(tag) = 32),
    root_id    BYTEA   NOT NULL REFERENCES accounts (id),
    expires_at BIGINT  NOT NULL
);

CREATE INDEX revoked_tokens_by_end ON revoked_tokens (expires_at);

-- Assertions that clients have proved themselves with, for as long as they could again.
CREATE TABLE used_assertions (
    tag        BYTEA   NOT NULL PRIMARY KEY CHECK (octet_length(tag) = 32),
    expires_at BIGINT  NOT NULL
);

CREATE INDEX used_assertions_by_end ON used_assertions (expires_at);
