-- The name of a service account that was deleted is free again. SQLite takes no constraint off a
-- table, so the rows move to a new one of the same name; what points at them is looked at again when
-- the transaction ends.
PRAGMA defer_foreign_keys = ON;

CREATE TABLE service_accounts_moving AS SELECT * FROM service_accounts;

DROP TABLE service_accounts;

CREATE TABLE service_accounts (
    id          BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    account_id  BLOB    NOT NULL REFERENCES accounts (id),
    root_id     BLOB    NOT NULL REFERENCES accounts (id),
    name        TEXT    NOT NULL,
    client_id   TEXT    NOT NULL UNIQUE,
    permissions TEXT    NOT NULL,
    status      TEXT    NOT NULL,
    created_by  BLOB    NOT NULL,
    created_at  INTEGER NOT NULL,
    version     INTEGER NOT NULL,
    row_mac     BLOB    NOT NULL CHECK (length(row_mac) = 32)
) STRICT;

INSERT INTO service_accounts (id, account_id, root_id, name, client_id, permissions, status,
    created_by, created_at, version, row_mac)
SELECT id, account_id, root_id, name, client_id, permissions, status,
    created_by, created_at, version, row_mac
FROM service_accounts_moving;

DROP TABLE service_accounts_moving;

-- Counted before each create, listed, and looked through for names.
CREATE UNIQUE INDEX service_accounts_live ON service_accounts (account_id, name)
    WHERE status <> 'deleted';
