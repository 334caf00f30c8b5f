-- What a root account's sub-accounts that are not closed were given of its concurrent calls, by limits
-- that were set on them. Outside the seal: moved by guarded updates in the transaction that sets a
-- limit.
ALTER TABLE accounts ADD COLUMN given_concurrent_calls BIGINT NOT NULL DEFAULT 0;

UPDATE accounts
SET given_concurrent_calls = (
    SELECT coalesce(sum(child.concurrent_calls), 0) FROM accounts AS child
    WHERE child.parent_id = accounts.id AND child.status <> 'closed'
)
WHERE parent_id IS NULL;

-- Concurrent calls in progress, and for a while those that have ended. All times are by the server's
-- clock, ttl is in microseconds. Ids begin with the millisecond in which they were drawn.
CREATE TABLE leases (
    id          BYTEA  NOT NULL PRIMARY KEY CHECK (octet_length(id) = 16),
    root_id     BYTEA  NOT NULL CHECK (octet_length(root_id) = 16),
    account_id  BYTEA  NOT NULL CHECK (octet_length(account_id) = 16),
    fence       BIGINT NOT NULL,
    ttl         BIGINT NOT NULL,
    request_id  TEXT,
    reference   TEXT,
    acquired_at BIGINT NOT NULL,
    expires_at  BIGINT NOT NULL,
    released_at BIGINT
);

-- Has all that counting asks for.
CREATE INDEX leases_held ON leases (root_id, expires_at, account_id) WHERE released_at IS NULL;
CREATE UNIQUE INDEX leases_by_request ON leases (account_id, request_id)
    WHERE request_id IS NOT NULL;

-- The last fencing token of each root account.
CREATE TABLE lease_fences (
    root_id BYTEA  NOT NULL PRIMARY KEY CHECK (octet_length(root_id) = 16),
    fence   BIGINT NOT NULL
);

-- What calls took, from the release of their leases: durations in microseconds, costs in millionths of
-- a cent, ended_at by the time of day.
CREATE TABLE call_records (
    lease_id          BYTEA  NOT NULL PRIMARY KEY CHECK (octet_length(lease_id) = 16),
    root_id           BYTEA  NOT NULL CHECK (octet_length(root_id) = 16),
    account_id        BYTEA  NOT NULL CHECK (octet_length(account_id) = 16),
    reference         TEXT,
    status            TEXT   NOT NULL,
    duration          BIGINT,
    platform_cost     BIGINT NOT NULL,
    telephony_cost    BIGINT NOT NULL,
    synthesizer_costs TEXT   NOT NULL,
    transcriber_costs TEXT   NOT NULL,
    llm_costs         TEXT   NOT NULL,
    ended_at          BIGINT NOT NULL
);

CREATE INDEX call_records_by_account ON call_records (root_id, account_id, ended_at);
