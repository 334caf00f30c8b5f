-- Numbered pages skip sub-accounts by this index alone, closed ones told apart in it: the last page
-- of a million costs no look at a million rows.
DROP INDEX accounts_by_parent;
CREATE INDEX accounts_by_parent ON accounts (parent_id, id, status) WHERE parent_id IS NOT NULL;
