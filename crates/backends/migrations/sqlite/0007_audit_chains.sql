-- Who does what one node does at a time; the fence grows with each new leader.
CREATE TABLE leaders (
    task       TEXT    NOT NULL PRIMARY KEY,
    node       BLOB    NOT NULL CHECK (length(node) = 16),
    fence      INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- One chain for each root account: its events in the order in which they were sealed. Events are
-- not marked as sealed, so that nothing is written twice for a change; audit_progress says up to
-- which event, in the order of their rows, each is in its chain.
CREATE TABLE audit_links (
    root_id  BLOB    NOT NULL CHECK (length(root_id) = 16),
    sequence INTEGER NOT NULL,
    event_id BLOB    NOT NULL CHECK (length(event_id) = 16),
    hash     BLOB    NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (root_id, sequence)
) STRICT, WITHOUT ROWID;

-- covered_by is the checkpoint that has this very head.
CREATE TABLE audit_chains (
    root_id    BLOB    NOT NULL PRIMARY KEY CHECK (length(root_id) = 16),
    length     INTEGER NOT NULL,
    hash       BLOB    NOT NULL CHECK (length(hash) = 32),
    covered_by INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX audit_chains_uncovered ON audit_chains (root_id) WHERE covered_by IS NULL;

CREATE TABLE audit_checkpoints (
    number INTEGER NOT NULL PRIMARY KEY,
    line   TEXT    NOT NULL
) STRICT;

-- sunk is the checkpoint up to which the outside copy was known to have them.
CREATE TABLE audit_progress (
    id       INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    event_id BLOB    CHECK (length(event_id) = 16),
    sunk     INTEGER NOT NULL
) STRICT;

INSERT INTO audit_progress (id, event_id, sunk) VALUES (1, NULL, 0);

-- Lists go by id, which begins with the millisecond.
DROP INDEX audit_events_by_root;
CREATE INDEX audit_events_by_root ON audit_events (root_id, id);
