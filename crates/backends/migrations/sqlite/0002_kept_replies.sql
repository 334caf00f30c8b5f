-- Nothing was ever kept in the first form of this table.
DROP TABLE idempotency;

CREATE TABLE idempotency (
    scope            TEXT    NOT NULL,
    key_hash         BLOB    NOT NULL CHECK (length(key_hash) = 32),
    body_fingerprint BLOB    NOT NULL CHECK (length(body_fingerprint) = 32),
    -- Empty once it was erased.
    reply            BLOB    NOT NULL,
    reply_until      INTEGER NOT NULL,
    resource         TEXT    NOT NULL,
    expires_at       INTEGER NOT NULL,
    PRIMARY KEY (scope, key_hash)
) STRICT;

CREATE INDEX idempotency_by_expiry ON idempotency (expires_at);
CREATE INDEX idempotency_kept ON idempotency (reply_until) WHERE reply <> x'';
