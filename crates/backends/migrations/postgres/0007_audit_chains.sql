-- Who does what one node does at a time; the fence grows with each new leader.
CREATE TABLE leaders (
    task       TEXT    NOT NULL PRIMARY KEY,
    node       BYTEA   NOT NULL CHECK (octet_length(node) = 16),
    fence      BIGINT  NOT NULL,
    expires_at BIGINT  NOT NULL
);

-- Rows have no order of commits here, and with several writers no mark in any order would have every
-- event before it. So each event that is in no chain yet waits in this table. queued_at is by the
-- store's own clock: nodes disagree about the time.
CREATE TABLE audit_waiting (
    event_id  BYTEA   NOT NULL PRIMARY KEY CHECK (octet_length(event_id) = 16),
    queued_at BIGINT  NOT NULL
);

CREATE INDEX audit_waiting_by_time ON audit_waiting (queued_at, event_id);

-- What is there when this is applied was never in a chain.
INSERT INTO audit_waiting (event_id, queued_at) SELECT id, at FROM audit_events;

-- One chain for each root account: its events in the order in which they were sealed.
CREATE TABLE audit_links (
    root_id  BYTEA   NOT NULL CHECK (octet_length(root_id) = 16),
    sequence BIGINT  NOT NULL,
    event_id BYTEA   NOT NULL CHECK (octet_length(event_id) = 16),
    hash     BYTEA   NOT NULL CHECK (octet_length(hash) = 32),
    PRIMARY KEY (root_id, sequence)
);

-- covered_by is the checkpoint that has this very head.
CREATE TABLE audit_chains (
    root_id    BYTEA   NOT NULL PRIMARY KEY CHECK (octet_length(root_id) = 16),
    length     BIGINT  NOT NULL,
    hash       BYTEA   NOT NULL CHECK (octet_length(hash) = 32),
    covered_by BIGINT
);

CREATE INDEX audit_chains_uncovered ON audit_chains (root_id) WHERE covered_by IS NULL;

CREATE TABLE audit_checkpoints (
    number BIGINT  NOT NULL PRIMARY KEY,
    line   TEXT    NOT NULL
);

-- event_id is the event that was sealed last: who seals names the one before. sunk is the checkpoint up to which the outside copy was known to have them.
CREATE TABLE audit_progress (
    id       BIGINT  NOT NULL PRIMARY KEY CHECK (id = 1),
    event_id BYTEA   CHECK (octet_length(event_id) = 16),
    sunk     BIGINT  NOT NULL
);

INSERT INTO audit_progress (id, event_id, sunk) VALUES (1, NULL, 0);

-- Lists go by id, which begins with the millisecond.
DROP INDEX audit_events_by_root;
CREATE INDEX audit_events_by_root ON audit_events (root_id, id);
