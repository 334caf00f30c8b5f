//! Service accounts.

use super::changes::write_commit;
use super::errors::from_sqlite;
use super::{SqliteStore, credentials, rows};
use async_trait::async_trait;
use rusqlite::{Connection, params};
use tenantry_core::commit::Commit;
use tenantry_core::credentials::Credential;
use tenantry_core::error::{Error, Result};
use tenantry_core::ids::AccountId;
use tenantry_core::secrets::{Protected, Sealed};
use tenantry_core::service_accounts::ServiceAccount;
use tenantry_core::store::{Committed, ServiceAccountStore};

/// Most names that one look-up lists.
const NAMES_MAX: u32 = 10_000;

#[async_trait]
impl ServiceAccountStore for SqliteStore {
    async fn insert_service_account(
        &self,
        service_account: &Sealed<ServiceAccount>,
        secret: &Sealed<Credential>,
        max: u32,
        commit: Commit,
    ) -> Result<Committed> {
        let (service_account, secret) = (service_account.clone(), secret.clone());
        self.write(move |connection| {
            // Nobody else writes between the count and the insert.
            if count(connection, service_account.record().account, max)? >= max {
                return Err(Error::LimitReached { limit: ServiceAccount::TABLE, max });
            }
            insert(connection, &service_account)?;
            credentials::insert(connection, &secret)?;
            write_commit(connection, &commit)
        })
        .await
    }

    async fn list_service_account_names(
        &self,
        account: AccountId,
        base: &str,
    ) -> Result<Vec<String>> {
        self.read(|connection| {
            // A suffix begins with `-`, and `.` is the character after it: one range of the index.
            let mut statement = connection
                .prepare_cached(
                    "SELECT name FROM service_accounts
                     WHERE account_id = ?1 AND name >= ?2 AND name < ?2 || '.'
                         AND (name = ?2 OR name >= ?2 || '-')
                     ORDER BY name LIMIT ?3",
                )
                .map_err(from_sqlite)?;
            let params = params![account.as_bytes(), base, NAMES_MAX];
            rows::list(&mut statement, params, rows::read_name)
        })
    }
}

/// How many of an account's service accounts are not deleted, counted no further than `max`.
fn count(connection: &Connection, account: AccountId, max: u32) -> Result<u32> {
    let mut statement = connection
        .prepare_cached(
            "SELECT count(*) FROM (
                 SELECT 1 FROM service_accounts WHERE account_id = ?1 AND status <> 'deleted'
                 LIMIT ?2
             )",
        )
        .map_err(from_sqlite)?;
    statement.query_row(params![account.as_bytes(), max], |row| row.get(0)).map_err(from_sqlite)
}

fn insert(connection: &Connection, service_account: &Sealed<ServiceAccount>) -> Result<()> {
    let mut statement = connection
        .prepare_cached(
            "INSERT INTO service_accounts (id, account_id, root_id, name, client_id, permissions,
                 status, created_by, created_at, version, row_mac)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        )
        .map_err(from_sqlite)?;
    rows::write_service_account(&mut statement, service_account).map(|_| ())
}
