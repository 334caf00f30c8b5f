-- Databases of sub-accounts' own: where they are, what becomes of them, and their passwords, sealed under
-- data_key, which is sealed under key-encryption key kek. Until acknowledged is 1 there is no account of
-- that id. due_at is when something is to be done about one, by the time of day.
CREATE TABLE tenant_databases (
    account_id     BLOB    NOT NULL PRIMARY KEY CHECK (length(account_id) = 16),
    root_id        BLOB    NOT NULL REFERENCES accounts (id),
    host           TEXT    NOT NULL,
    port           INTEGER NOT NULL,
    name           TEXT    NOT NULL,
    server         TEXT,
    root_user      TEXT    NOT NULL,
    nonce          BLOB    NOT NULL CHECK (length(nonce) = 8),
    state          TEXT    NOT NULL,
    step           TEXT    NOT NULL,
    acknowledged   INTEGER NOT NULL,
    origin         TEXT,
    credential     TEXT,
    kek            INTEGER NOT NULL,
    data_key       BLOB    NOT NULL,
    root_password  BLOB,
    password_a     BLOB,
    password_b     BLOB,
    next_password  BLOB,
    login          TEXT    NOT NULL,
    overlap_until  INTEGER,
    pending        BLOB,
    schema_version INTEGER NOT NULL,
    failure        TEXT,
    attempts       INTEGER NOT NULL,
    due_at         INTEGER,
    created_at     INTEGER NOT NULL,
    updated_at     INTEGER NOT NULL,
    version        INTEGER NOT NULL,
    row_mac        BLOB    NOT NULL CHECK (length(row_mac) = 32)
) STRICT;

-- One database for one account. What failed holds no place.
CREATE UNIQUE INDEX tenant_databases_by_place ON tenant_databases (host, port, name)
    WHERE state <> 'failed';
CREATE INDEX tenant_databases_due ON tenant_databases (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX tenant_databases_by_root ON tenant_databases (root_id, account_id);
CREATE INDEX tenant_databases_by_server ON tenant_databases (server)
    WHERE server IS NOT NULL AND state <> 'failed';
