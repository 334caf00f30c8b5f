-- Slow hashes of keys that were taken over from other systems and have not been used since.
CREATE TABLE foreign_hashes (
    look_up       BYTEA NOT NULL PRIMARY KEY CHECK (octet_length(look_up) = 32),
    credential_id BYTEA NOT NULL UNIQUE REFERENCES credentials (id),
    root_id       BYTEA NOT NULL REFERENCES accounts (id),
    algorithm     TEXT NOT NULL,
    hash          TEXT NOT NULL,
    row_mac       BYTEA NOT NULL CHECK (octet_length(row_mac) = 32)
);

-- Kinds of hashes that were ever imported: what a presented key is hashed by.
CREATE TABLE foreign_kinds (
    kind       TEXT NOT NULL,
    -- Which HMAC key; zero where there is none.
    key_id     BYTEA NOT NULL CHECK (octet_length(key_id) = 16),
    sealed_key BYTEA NOT NULL,
    PRIMARY KEY (kind, key_id)
);
