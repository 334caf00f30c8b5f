-- What a root account's sub-accounts that are not closed were given of its concurrent calls, by limits
-- that were set on them. Outside the seal: moved by guarded updates in the transaction that sets a
-- limit, and compared with the rows that it sums up by `doctor`.
ALTER TABLE accounts ADD COLUMN given_concurrent_calls INTEGER NOT NULL DEFAULT 0;

UPDATE accounts
SET given_concurrent_calls = (
    SELECT coalesce(sum(child.concurrent_calls), 0) FROM accounts AS child
    WHERE child.parent_id = accounts.id AND child.status <> 'closed'
)
WHERE parent_id IS NULL;

-- Concurrent calls in progress, and for a while those that have ended. All times are by the store's own
-- clock, ttl is in microseconds. Ids begin with the millisecond in which they were drawn.
CREATE TABLE leases (
    id          BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    root_id     BLOB    NOT NULL CHECK (length(root_id) = 16),
    account_id  BLOB    NOT NULL CHECK (length(account_id) = 16),
    fence       INTEGER NOT NULL,
    ttl         INTEGER NOT NULL,
    request_id  TEXT,
    reference   TEXT,
    acquired_at INTEGER NOT NULL,
    expires_at  INTEGER NOT NULL,
    released_at INTEGER
) STRICT, WITHOUT ROWID;

-- Has all that counting asks for.
CREATE INDEX leases_held ON leases (root_id, expires_at, account_id) WHERE released_at IS NULL;
CREATE UNIQUE INDEX leases_by_request ON leases (account_id, request_id)
    WHERE request_id IS NOT NULL;

-- The last fencing token of each root account.
CREATE TABLE lease_fences (
    root_id BLOB    NOT NULL PRIMARY KEY CHECK (length(root_id) = 16),
    fence   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What leases measure time by: so many microseconds ahead of the clock that runs since the machine was
-- started the last time, which setting the time of day does not move.
CREATE TABLE lease_clock (
    id    INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    boot  BLOB    NOT NULL CHECK (length(boot) = 16),
    ahead INTEGER NOT NULL
) STRICT;

-- What calls took, from the release of their leases: durations in microseconds, costs in millionths of
-- a cent, ended_at by the time of day.
CREATE TABLE call_records (
    lease_id          BLOB    NOT NULL PRIMARY KEY CHECK (length(lease_id) = 16),
    root_id           BLOB    NOT NULL CHECK (length(root_id) = 16),
    account_id        BLOB    NOT NULL CHECK (length(account_id) = 16),
    reference         TEXT,
    status            TEXT    NOT NULL,
    duration          INTEGER,
    platform_cost     INTEGER NOT NULL,
    telephony_cost    INTEGER NOT NULL,
    synthesizer_costs TEXT    NOT NULL,
    transcriber_costs TEXT    NOT NULL,
    llm_costs         TEXT    NOT NULL,
    ended_at          INTEGER NOT NULL
) STRICT;

CREATE INDEX call_records_by_account ON call_records (root_id, account_id, ended_at);
