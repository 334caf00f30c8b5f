-- Ids are 16 bytes, times are microseconds since the Unix epoch in UTC, words are checked by the
-- rules and not here, so that a node of the version before can read what the next one writes.
-- Tables that are found by one short key and have short rows are stored in that key's order.

CREATE TABLE accounts (
    id                           BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    parent_id                    BLOB    REFERENCES accounts (id),
    -- Of the root account: where the tree's changes are logged.
    shard                        INTEGER NOT NULL,
    name                         TEXT    NOT NULL,
    profile                      TEXT    NOT NULL,
    metadata                     TEXT    NOT NULL,
    status                       TEXT    NOT NULL,
    entitlements                 TEXT    NOT NULL,
    concurrent_calls             INTEGER,
    sub_account_concurrent_calls INTEGER,
    created_by_member            BLOB    NOT NULL,
    created_at                   INTEGER NOT NULL,
    updated_at                   INTEGER NOT NULL,
    version                      INTEGER NOT NULL,
    row_mac                      BLOB    NOT NULL CHECK (length(row_mac) = 32)
) STRICT;

CREATE INDEX accounts_by_parent ON accounts (parent_id, id) WHERE parent_id IS NOT NULL;
CREATE INDEX accounts_roots ON accounts (id) WHERE parent_id IS NULL;

CREATE TABLE members (
    account_id BLOB NOT NULL REFERENCES accounts (id),
    id         BLOB NOT NULL CHECK (length(id) = 16),
    realm      TEXT NOT NULL,
    subject    TEXT NOT NULL,
    name       TEXT,
    email      TEXT,
    PRIMARY KEY (account_id, id),
    UNIQUE (account_id, realm, subject)
) STRICT, WITHOUT ROWID;

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
    row_mac     BLOB    NOT NULL CHECK (length(row_mac) = 32),
    UNIQUE (account_id, name)
) STRICT;

-- Counted before each create.
CREATE INDEX service_accounts_live ON service_accounts (account_id) WHERE status <> 'deleted';

-- Platform keys belong to no account: account, root and member are null. Rows are too wide to be
-- stored in the order of their random tags; the index on the tag is the hot look-up.
CREATE TABLE credentials (
    id                 BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    kind               TEXT    NOT NULL,
    account_id         BLOB    REFERENCES accounts (id),
    root_id            BLOB    REFERENCES accounts (id),
    service_account_id BLOB    REFERENCES service_accounts (id),
    member_id          BLOB,
    format             TEXT    NOT NULL,
    tag                BLOB    NOT NULL UNIQUE CHECK (length(tag) = 32),
    pepper_id          INTEGER NOT NULL,
    start              TEXT    NOT NULL,
    name               TEXT,
    permissions        TEXT    NOT NULL,
    allowed_ips        TEXT    NOT NULL,
    metadata           TEXT    NOT NULL,
    status             TEXT    NOT NULL,
    revoked_at         INTEGER,
    expires_at         INTEGER,
    lineage            BLOB    NOT NULL,
    created_at         INTEGER NOT NULL,
    version            INTEGER NOT NULL,
    row_mac            BLOB    NOT NULL CHECK (length(row_mac) = 32),
    -- Outside the seal: written in batches, believed by nobody.
    last_used_at       INTEGER
) STRICT;

CREATE INDEX credentials_by_account ON credentials (account_id, id) WHERE account_id IS NOT NULL;
CREATE INDEX credentials_by_service_account ON credentials (service_account_id)
    WHERE service_account_id IS NOT NULL;

CREATE TABLE idempotency (
    scope            TEXT    NOT NULL,
    key_hash         BLOB    NOT NULL CHECK (length(key_hash) = 32),
    body_fingerprint BLOB    NOT NULL CHECK (length(body_fingerprint) = 32),
    reply            BLOB    NOT NULL,
    expires_at       INTEGER NOT NULL,
    PRIMARY KEY (scope, key_hash)
) STRICT;

CREATE INDEX idempotency_by_expiry ON idempotency (expires_at);

-- root_id is sixteen zero bytes for the operator's own events, so it names no account.
CREATE TABLE audit_events (
    id          BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    root_id     BLOB    NOT NULL CHECK (length(root_id) = 16),
    at          INTEGER NOT NULL,
    actor_kind  TEXT    NOT NULL,
    actor_id    TEXT    NOT NULL,
    action      TEXT    NOT NULL,
    target_kind TEXT    NOT NULL,
    target_id   TEXT    NOT NULL,
    facts       TEXT    NOT NULL,
    request_id  TEXT    NOT NULL,
    address     TEXT,
    mac         BLOB    NOT NULL CHECK (length(mac) = 32)
) STRICT;

CREATE INDEX audit_events_by_root ON audit_events (root_id, at);

CREATE TABLE change_log (
    shard   INTEGER NOT NULL,
    rev     INTEGER NOT NULL,
    nonce   INTEGER NOT NULL,
    kind    TEXT    NOT NULL,
    subject BLOB    NOT NULL,
    at      INTEGER NOT NULL,
    PRIMARY KEY (shard, rev)
) STRICT, WITHOUT ROWID;

CREATE TABLE change_head (
    shard INTEGER NOT NULL PRIMARY KEY,
    rev   INTEGER NOT NULL
) STRICT;

INSERT INTO change_head (shard, rev)
VALUES (0, 0), (1, 0), (2, 0), (3, 0), (4, 0), (5, 0), (6, 0), (7, 0),
       (8, 0), (9, 0), (10, 0), (11, 0), (12, 0), (13, 0), (14, 0), (15, 0);
