-- Issuers of admin JWTs that organizations trust for themselves. A row never changes. settings is
-- JSON.
CREATE TABLE realms (
    id         BYTEA   NOT NULL PRIMARY KEY CHECK (octet_length(id) = 16),
    root_id    BYTEA   NOT NULL REFERENCES accounts (id),
    name       TEXT    NOT NULL,
    issuer     TEXT    NOT NULL UNIQUE,
    settings   TEXT    NOT NULL,
    created_at BIGINT  NOT NULL,
    row_mac    BYTEA   NOT NULL CHECK (octet_length(row_mac) = 32),
    UNIQUE (root_id, name)
);
