-- The nodes of a cluster. applied is the number of the last row of each of the 16 shards that the
-- node has applied, 8 bytes each, most significant first.
CREATE TABLE nodes (
    id      BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    name    TEXT    NOT NULL,
    seen_at INTEGER NOT NULL,
    applied BLOB    NOT NULL CHECK (length(applied) = 128)
) STRICT, WITHOUT ROWID;

-- The nonce of the last row beside its number, so that whoever reads a head can tell one history
-- from another.
ALTER TABLE change_head ADD COLUMN nonce INTEGER NOT NULL DEFAULT 0;

UPDATE change_head SET nonce = coalesce(
    (SELECT l.nonce FROM change_log l WHERE l.shard = change_head.shard AND l.rev = change_head.rev),
    0);
