-- For how long a node may answer from what it has read, in microseconds; 0 where it did not say.
ALTER TABLE nodes ADD COLUMN max_staleness BIGINT NOT NULL DEFAULT 0;
