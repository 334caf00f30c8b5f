-- Databases of sub-accounts' own: where they are, what becomes of them, and their passwords, sealed under
-- data_key, which is sealed under key-encryption key kek. Until acknowledged is 1 there is no account of
-- that id. due_at is when something is to be done about one, by the time of day.
CREATE TABLE tenant_databases (
    account_id     BYTEA   NOT NULL PRIMARY KEY CHECK (octet_length(account_id) = 16),
    root_id        BYTEA   NOT NULL REFERENCES accounts (id),
    host           TEXT    NOT NULL,
    port           BIGINT  NOT NULL,
    name           TEXT    NOT NULL,
    server         TEXT,
    root_user      TEXT    NOT NULL,
    nonce          BYTEA   NOT NULL CHECK (octet_length(nonce) = 8),
    state          TEXT    NOT NULL,
    step           TEXT    NOT NULL,
    acknowledged   BIGINT  NOT NULL,
    origin         TEXT,
    credential     TEXT,
    kek            BIGINT  NOT NULL,
    data_key       BYTEA   NOT NULL,
    root_password  BYTEA,
    password_a     BYTEA,
    password_b     BYTEA,
    next_password  BYTEA,
    login          TEXT    NOT NULL,
    overlap_until  BIGINT,
    pending        BYTEA,
    schema_version BIGINT  NOT NULL,
    failure        TEXT,
    attempts       BIGINT  NOT NULL,
    due_at         BIGINT,
    created_at     BIGINT  NOT NULL,
    updated_at     BIGINT  NOT NULL,
    version        BIGINT  NOT NULL,
    row_mac        BYTEA   NOT NULL CHECK (octet_length(row_mac) = 32)
);

-- One database for one account. What failed holds no place.
CREATE UNIQUE INDEX tenant_databases_by_place ON tenant_databases (host, port, name)
    WHERE state <> 'failed';
CREATE INDEX tenant_databases_due ON tenant_databases (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX tenant_databases_by_root ON tenant_databases (root_id, account_id);
CREATE INDEX tenant_databases_by_server ON tenant_databases (server)
    WHERE server IS NOT NULL AND state <> 'failed';
