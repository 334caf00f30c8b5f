-- Issuers of admin JWTs that organizations trust for themselves. A row never changes. settings is
-- JSON.
CREATE TABLE realms (
    id         BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    root_id    BLOB    NOT NULL REFERENCES accounts (id),
    name       TEXT    NOT NULL,
    issuer     TEXT    NOT NULL UNIQUE,
    settings   TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    row_mac    BLOB    NOT NULL CHECK (length(row_mac) = 32),
    UNIQUE (root_id, name)
) STRICT;
