-- Nothing was ever kept in the first form of this table.
DROP TABLE idempotency;

CREATE TABLE idempotency (
    scope            TEXT    NOT NULL,
    key_hash         BYTEA   NOT NULL CHECK (octet_length(key_hash) = 32),
    body_fingerprint BYTEA   NOT NULL CHECK (octet_length(body_fingerprint) = 32),
    -- Empty once it was erased.
    reply            BYTEA   NOT NULL,
    reply_until      BIGINT  NOT NULL,
    resource         TEXT    NOT NULL,
    expires_at       BIGINT  NOT NULL,
    PRIMARY KEY (scope, key_hash)
);

CREATE INDEX idempotency_by_expiry ON idempotency (expires_at);
CREATE INDEX idempotency_kept ON idempotency (reply_until) WHERE reply <> ''::bytea;
