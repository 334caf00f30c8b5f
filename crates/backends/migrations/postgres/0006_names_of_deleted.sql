-- The name of a service account that was deleted is free again.
ALTER TABLE service_accounts DROP CONSTRAINT service_accounts_account_id_name_key;

-- Counted before each create, listed, and looked through for names.
DROP INDEX service_accounts_live;
CREATE UNIQUE INDEX service_accounts_live ON service_accounts (account_id, name)
    WHERE status <> 'deleted';
