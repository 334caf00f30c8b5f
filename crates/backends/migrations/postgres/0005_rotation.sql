-- What took a rotated credential's place, and until when the old one lives. Both or none.

ALTER TABLE credentials ADD COLUMN superseded_by BYTEA;
ALTER TABLE credentials ADD COLUMN grace_expires_at BIGINT;

-- The first credential of a line has its own id as lineage and is found by that: creates write
-- nothing here.
CREATE INDEX credentials_by_lineage ON credentials (lineage) WHERE lineage <> id;

-- Platform keys belong to no account: their list is the only one that is found by this.
CREATE INDEX credentials_of_the_plane ON credentials (id) WHERE account_id IS NULL;
