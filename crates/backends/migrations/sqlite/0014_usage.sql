-- Whether what a record says is in the sums below.
ALTER TABLE call_records ADD COLUMN rolled INTEGER NOT NULL DEFAULT 0 CHECK (rolled IN (0, 1));

CREATE INDEX call_records_unrolled ON call_records (root_id, account_id, ended_at) WHERE rolled = 0;

-- What accounts took, by hour and by day (UTC), named by their first microsecond: verifications by
-- credential and code, and what records of calls say, for which key_id is all zeros. A measure's name is
-- the code, the status or the provider; durations are in microseconds, costs in millionths of a cent.
-- Amounts only grow.
CREATE TABLE usage_hours (
    root_id    BLOB    NOT NULL CHECK (length(root_id) = 16),
    account_id BLOB    NOT NULL CHECK (length(account_id) = 16),
    key_id     BLOB    NOT NULL CHECK (length(key_id) = 16),
    hour       INTEGER NOT NULL,
    measure    TEXT    NOT NULL,
    name       TEXT    NOT NULL,
    amount     INTEGER NOT NULL,
    PRIMARY KEY (root_id, account_id, hour, key_id, measure, name)
) STRICT, WITHOUT ROWID;

CREATE INDEX usage_hours_of_tree ON usage_hours (root_id, hour);
CREATE INDEX usage_hours_by_age ON usage_hours (hour);

CREATE TABLE usage_days (
    root_id    BLOB    NOT NULL CHECK (length(root_id) = 16),
    account_id BLOB    NOT NULL CHECK (length(account_id) = 16),
    key_id     BLOB    NOT NULL CHECK (length(key_id) = 16),
    day        INTEGER NOT NULL,
    measure    TEXT    NOT NULL,
    name       TEXT    NOT NULL,
    amount     INTEGER NOT NULL,
    PRIMARY KEY (root_id, account_id, day, key_id, measure, name)
) STRICT, WITHOUT ROWID;

CREATE INDEX usage_days_by_age ON usage_days (day);

-- The last batch of verifications that was added for each node, so that one which is sent again is not
-- added again.
CREATE TABLE usage_flushes (
    node_id BLOB    NOT NULL PRIMARY KEY CHECK (length(node_id) = 16),
    number  INTEGER NOT NULL,
    at      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
