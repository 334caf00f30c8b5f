-- Slow hashes of keys that were taken over from other systems and have not been used since.
CREATE TABLE foreign_hashes (
    look_up       BLOB NOT NULL PRIMARY KEY CHECK (length(look_up) = 32),
    credential_id BLOB NOT NULL UNIQUE REFERENCES credentials (id),
    root_id       BLOB NOT NULL REFERENCES accounts (id),
    algorithm     TEXT NOT NULL,
    hash          TEXT NOT NULL,
    row_mac       BLOB NOT NULL CHECK (length(row_mac) = 32)
) STRICT, WITHOUT ROWID;

-- Kinds of hashes that were ever imported: what a presented key is hashed by.
CREATE TABLE foreign_kinds (
    kind       TEXT NOT NULL,
    -- Which HMAC key; zero where there is none.
    key_id     BLOB NOT NULL CHECK (length(key_id) = 16),
    sealed_key BLOB NOT NULL,
    PRIMARY KEY (kind, key_id)
) STRICT, WITHOUT ROWID;
