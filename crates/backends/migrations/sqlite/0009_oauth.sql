-- The keys that sign access tokens. A row never changes; private keys are sealed under the
-- key-encryption key.
CREATE TABLE signing_keys (
    number     INTEGER NOT NULL PRIMARY KEY,
    kid        TEXT    NOT NULL UNIQUE,
    algorithm  TEXT    NOT NULL,
    sealed_key BLOB    NOT NULL,
    created_at INTEGER NOT NULL,
    signs_from INTEGER NOT NULL,
    row_mac    BLOB    NOT NULL CHECK (length(row_mac) = 32)
) STRICT;

-- What is known of a client beside its service account; no row where that is nothing.
CREATE TABLE client_settings (
    service_account_id      BLOB    NOT NULL PRIMARY KEY REFERENCES service_accounts (id),
    root_id                 BLOB    NOT NULL REFERENCES accounts (id),
    keys                    TEXT    NOT NULL,
    token_endpoint_audience INTEGER NOT NULL,
    not_before              INTEGER,
    version                 INTEGER NOT NULL,
    row_mac                 BLOB    NOT NULL CHECK (length(row_mac) = 32)
) STRICT;

-- Tokens that were revoked, until they would have ended.
CREATE TABLE revoked_tokens (
    tag        BLOB    NOT NULL PRIMARY KEY CHECK (length(tag) = 32),
    root_id    BLOB    NOT NULL REFERENCES accounts (id),
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX revoked_tokens_by_end ON revoked_tokens (expires_at);

-- Assertions that clients have proved themselves with, for as long as they could again.
CREATE TABLE used_assertions (
    tag        BLOB    NOT NULL PRIMARY KEY CHECK (length(tag) = 32),
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX used_assertions_by_end ON used_assertions (expires_at);
