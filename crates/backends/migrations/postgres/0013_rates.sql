-- Requests that an account's credentials may make in a window of time: `100/60 1000/3600`, a hundred in
-- a minute and a thousand in an hour. Null for none. Part of what the row's seal covers.
ALTER TABLE accounts ADD COLUMN rates TEXT;

-- The same for a key, and the uses that it was given: `100/60 uses:1000/86400@1752158100123456`, a thousand uses that
-- come back after a day, given at that time.
ALTER TABLE credentials ADD COLUMN limits TEXT;

-- What was drawn of the uses that the keys of a line were given, since the period began. `granted_at` is
-- the time after the `@` above: what was drawn of an earlier grant says nothing of a later one. `began_at`
-- is by the server's clock.
CREATE TABLE drawn_uses (
    lineage      BYTEA  NOT NULL PRIMARY KEY CHECK (octet_length(lineage) = 16),
    root_id      BYTEA  NOT NULL CHECK (octet_length(root_id) = 16),
    granted_at   BIGINT NOT NULL,
    began_at     BIGINT NOT NULL,
    drawn        BIGINT NOT NULL
);
