-- Ids are 16 bytes, times are microseconds since the Unix epoch in UTC, words are checked by the
-- rules and not here, so that a node of the version before can read what the next one writes.
-- Words that ranges of an index are read by are compared byte by byte, whatever the database's own
-- order is.

CREATE TABLE accounts (
    id                           BYTEA   NOT NULL PRIMARY KEY CHECK (octet_length(id) = 16),
    parent_id                    BYTEA   REFERENCES accounts (id),
    -- Of the root account: where the tree's changes are logged.
    shard                        BIGINT  NOT NULL,
    name                         TEXT    NOT NULL,
    profile                      TEXT    NOT NULL,
    metadata                     TEXT    NOT NULL,
    status                       TEXT    NOT NULL,
    entitlements                 TEXT    NOT NULL,
    concurrent_calls             BIGINT,
    sub_account_concurrent_calls BIGINT,
    created_by_member            BYTEA   NOT NULL,
    created_at                   BIGINT  NOT NULL,
    updated_at                   BIGINT  NOT NULL,
    version                      BIGINT  NOT NULL,
    row_mac                      BYTEA   NOT NULL CHECK (octet_length(row_mac) = 32)
);

CREATE INDEX accounts_by_parent ON accounts (parent_id, id) WHERE parent_id IS NOT NULL;
CREATE INDEX accounts_roots ON accounts (id) WHERE parent_id IS NULL;

CREATE TABLE members (
    account_id BYTEA NOT NULL REFERENCES accounts (id),
    id         BYTEA NOT NULL CHECK (octet_length(id) = 16),
    realm      TEXT NOT NULL,
    subject    TEXT NOT NULL,
    name       TEXT,
    email      TEXT,
    PRIMARY KEY (account_id, id),
    UNIQUE (account_id, realm, subject)
);

CREATE TABLE service_accounts (
    id          BYTEA   NOT NULL PRIMARY KEY CHECK (octet_length(id) = 16),
    account_id  BYTEA   NOT NULL REFERENCES accounts (id),
    root_id     BYTEA   NOT NULL REFERENCES accounts (id),
    name        TEXT    COLLATE "C" NOT NULL,
    client_id   TEXT    NOT NULL UNIQUE,
    permissions TEXT    NOT NULL,
    status      TEXT    NOT NULL,
    created_by  BYTEA   NOT NULL,
    created_at  BIGINT  NOT NULL,
    version     BIGINT  NOT NULL,
    row_mac     BYTEA   NOT NULL CHECK (octet_length(row_mac) = 32),
    UNIQUE (account_id, name)
);

-- Counted before each create.
CREATE INDEX service_accounts_live ON service_accounts (account_id) WHERE status <> 'deleted';

-- Platform keys belong to no account: account, root and member are null. The index on the tag is the
-- hot look-up.
CREATE TABLE credentials (
    id                 BYTEA   NOT NULL PRIMARY KEY CHECK (octet_length(id) = 16),
    kind               TEXT    NOT NULL,
    account_id         BYTEA   REFERENCES accounts (id),
    root_id            BYTEA   REFERENCES accounts (id),
    service_account_id BYTEA   REFERENCES service_accounts (id),
    member_id          BYTEA,
    format             TEXT    NOT NULL,
    tag                BYTEA   NOT NULL UNIQUE CHECK (octet_length(tag) = 32),
    pepper_id          BIGINT  NOT NULL,
    start              TEXT    NOT NULL,
    name               TEXT,
    permissions        TEXT    NOT NULL,
    allowed_ips        TEXT    NOT NULL,
    metadata           TEXT    NOT NULL,
    status             TEXT    NOT NULL,
    revoked_at         BIGINT,
    expires_at         BIGINT,
    lineage            BYTEA   NOT NULL,
    created_at         BIGINT  NOT NULL,
    version            BIGINT  NOT NULL,
    row_mac            BYTEA   NOT NULL CHECK (octet_length(row_mac) = 32),
    -- Outside the seal: written in batches, believed by nobody.
    last_used_at       BIGINT
);

CREATE INDEX credentials_by_account ON credentials (account_id, id) WHERE account_id IS NOT NULL;
CREATE INDEX credentials_by_service_account ON credentials (service_account_id)
    WHERE service_account_id IS NOT NULL;

CREATE TABLE idempotency (
    scope            TEXT    NOT NULL,
    key_hash         BYTEA   NOT NULL CHECK (octet_length(key_hash) = 32),
    body_fingerprint BYTEA   NOT NULL CHECK (octet_length(body_fingerprint) = 32),
    reply            BYTEA   NOT NULL,
    expires_at       BIGINT  NOT NULL,
    PRIMARY KEY (scope, key_hash)
);

CREATE INDEX idempotency_by_expiry ON idempotency (expires_at);

-- root_id is sixteen zero bytes for the operator's own events, so it names no account.
CREATE TABLE audit_events (
    id          BYTEA   NOT NULL PRIMARY KEY CHECK (octet_length(id) = 16),
    root_id     BYTEA   NOT NULL CHECK (octet_length(root_id) = 16),
    at          BIGINT  NOT NULL,
    actor_kind  TEXT    NOT NULL,
    actor_id    TEXT    NOT NULL,
    action      TEXT    NOT NULL,
    target_kind TEXT    NOT NULL,
    target_id   TEXT    NOT NULL,
    facts       TEXT    NOT NULL,
    request_id  TEXT    NOT NULL,
    address     TEXT,
    mac         BYTEA   NOT NULL CHECK (octet_length(mac) = 32)
);

CREATE INDEX audit_events_by_root ON audit_events (root_id, at);

-- What the secrets are known by that every node has to have. The embedded store needs none: its
-- secrets lie beside it.
CREATE TABLE secrets_check (
    id          BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    check_value BYTEA  NOT NULL CHECK (octet_length(check_value) = 32)
);

CREATE TABLE change_log (
    shard   BIGINT  NOT NULL,
    rev     BIGINT  NOT NULL,
    nonce   BIGINT  NOT NULL,
    kind    TEXT    NOT NULL,
    subject BYTEA   NOT NULL,
    at      BIGINT  NOT NULL,
    PRIMARY KEY (shard, rev)
);

CREATE TABLE change_head (
    shard BIGINT  NOT NULL PRIMARY KEY,
    rev   BIGINT  NOT NULL
);

INSERT INTO change_head (shard, rev)
VALUES (0, 0), (1, 0), (2, 0), (3, 0), (4, 0), (5, 0), (6, 0), (7, 0),
       (8, 0), (9, 0), (10, 0), (11, 0), (12, 0), (13, 0), (14, 0), (15, 0);
