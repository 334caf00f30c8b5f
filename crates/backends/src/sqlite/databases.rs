//! Tenant databases.

use super::changes::write_commit;
use super::errors::from_sqlite;
use super::{SqliteStore, accounts, credentials, given_calls, rows};
use crate::rows::{database_cells, database_columns, read_database};
use async_trait::async_trait;
use rusqlite::{Connection, Row, params};
use tenantry_core::accounts::Account;
use tenantry_core::clock::Timestamp;
use tenantry_core::commit::Commit;
use tenantry_core::credentials::Credential;
use tenantry_core::database::TenantDatabase;
use tenantry_core::error::{Conflict, Error, Result};
use tenantry_core::ids::AccountId;
use tenantry_core::page::Listed;
use tenantry_core::secrets::{Sealed, Unverified};
use tenantry_core::store::{Committed, DatabaseStore};

#[async_trait]
impl DatabaseStore for SqliteStore {
    async fn insert_database(&self, database: &Sealed<TenantDatabase>) -> Result<()> {
        let database = database.clone();
        let job = move |connection: &Connection| {
            let mut statement = connection
                .prepare_cached(concat!(
                    "INSERT INTO tenant_databases (",
                    database_columns!(),
                    ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15,
                        ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26, ?27, ?28, ?29, ?30)"
                ))
                .map_err(from_sqlite)?;
            rows::write(&mut statement, &database_cells(&database)?)?;
            Ok(None)
        };
        self.write(job).await.map(drop)
    }

    async fn insert_database_account(
        &self,
        database: &Sealed<TenantDatabase>,
        account: &Sealed<Account>,
        key: &Sealed<Credential>,
        commit: Commit,
    ) -> Result<Committed> {
        let (database, account, key) = (database.clone(), account.clone(), key.clone());
        self.write(move |connection| {
            update(connection, &database)?;
            accounts::insert(connection, &account)?;
            given_calls::take(connection, account.record())?;
            credentials::insert(connection, &key)?;
            write_commit(connection, &commit)
        })
        .await
    }

    async fn update_database(
        &self,
        database: &Sealed<TenantDatabase>,
        commit: Option<Commit>,
    ) -> Result<()> {
        let database = database.clone();
        let job = move |connection: &Connection| {
            update(connection, &database)?;
            match &commit {
                Some(commit) => write_commit(connection, commit),
                None => Ok(None),
            }
        };
        self.write(job).await.map(drop)
    }

    async fn update_database_account(
        &self,
        database: &Sealed<TenantDatabase>,
        account: &Sealed<Account>,
        commit: Commit,
    ) -> Result<Committed> {
        let (database, account) = (database.clone(), account.clone());
        self.write(move |connection| {
            update(connection, &database)?;
            given_calls::shift(connection, account.record())?;
            accounts::update(connection, &account)?;
            write_commit(connection, &commit)
        })
        .await
    }

    async fn delete_database(
        &self,
        root: AccountId,
        account: AccountId,
        version: u64,
        commit: Commit,
    ) -> Result<()> {
        let job = move |connection: &Connection| {
            let mut statement = connection
                .prepare_cached(
                    "DELETE FROM tenant_databases
                     WHERE account_id = ?1 AND root_id = ?2 AND version = ?3",
                )
                .map_err(from_sqlite)?;
            let version = rows::stored_number(version)?;
            let params = params![account.as_bytes(), root.as_bytes(), version];
            match statement.execute(params).map_err(from_sqlite)? {
                0 => Err(Error::Conflict(Conflict::Changed)),
                _ => write_commit(connection, &commit),
            }
        };
        self.write(job).await.map(drop)
    }

    async fn find_database(
        &self,
        root: AccountId,
        account: AccountId,
    ) -> Result<Option<Unverified<TenantDatabase>>> {
        self.read(|connection| {
            let mut statement = connection
                .prepare_cached(concat!(
                    "SELECT ",
                    database_columns!(),
                    " FROM tenant_databases WHERE account_id = ?1 AND root_id = ?2"
                ))
                .map_err(from_sqlite)?;
            let params = params![account.as_bytes(), root.as_bytes()];
            rows::find(&mut statement, params, |row| read_database(row, 0))
        })
    }

    async fn find_any_database(
        &self,
        account: AccountId,
    ) -> Result<Option<Unverified<TenantDatabase>>> {
        self.read(|connection| {
            let mut statement = connection
                .prepare_cached(concat!(
                    "SELECT ",
                    database_columns!(),
                    " FROM tenant_databases WHERE account_id = ?1"
                ))
                .map_err(from_sqlite)?;
            rows::find(&mut statement, [account.as_bytes()], |row| read_database(row, 0))
        })
    }

    async fn list_databases_of(
        &self,
        root: AccountId,
        accounts: &[AccountId],
    ) -> Result<Listed<TenantDatabase>> {
        self.read(|connection| {
            let mut statement = connection
                .prepare_cached(concat!(
                    "SELECT ",
                    database_columns!(),
                    " FROM tenant_databases WHERE account_id = ?1 AND root_id = ?2"
                ))
                .map_err(from_sqlite)?;
            let mut found = Vec::new();
            for account in accounts {
                let params = params![account.as_bytes(), root.as_bytes()];
                found.extend(rows::find(&mut statement, params, listed)?);
            }
            Ok(found)
        })
    }

    async fn list_databases(
        &self,
        root: Option<AccountId>,
        after: Option<AccountId>,
        limit: u32,
    ) -> Result<Listed<TenantDatabase>> {
        self.read(|connection| {
            let mut statement = connection
                .prepare_cached(concat!(
                    "SELECT ",
                    database_columns!(),
                    " FROM tenant_databases
                     WHERE account_id > ?1 AND (?2 IS NULL OR root_id = ?2)
                     ORDER BY account_id LIMIT ?3"
                ))
                .map_err(from_sqlite)?;
            // Every id is greater than no bytes at all.
            let after = after.as_ref().map_or(&[][..], |id| id.as_bytes());
            let root = root.as_ref().map(|id| &id.as_bytes()[..]);
            rows::list(&mut statement, params![after, root, limit], listed)
        })
    }

    async fn list_due_databases(
        &self,
        now: Timestamp,
        limit: u32,
    ) -> Result<Listed<TenantDatabase>> {
        self.read(|connection| {
            let mut statement = connection
                .prepare_cached(concat!(
                    "SELECT ",
                    database_columns!(),
                    " FROM tenant_databases WHERE due_at <= ?1 ORDER BY due_at LIMIT ?2"
                ))
                .map_err(from_sqlite)?;
            rows::list(&mut statement, params![now.micros(), limit], listed)
        })
    }

    async fn count_managed_databases(&self) -> Result<Vec<(Box<str>, u64)>> {
        self.read(|connection| {
            let mut statement = connection
                .prepare_cached(
                    "SELECT server, count(*) FROM tenant_databases
                     WHERE server IS NOT NULL AND state <> 'failed' GROUP BY server",
                )
                .map_err(from_sqlite)?;
            rows::list(&mut statement, [], |row| {
                let server: String = row.get(0).map_err(from_sqlite)?;
                let count: i64 = row.get(1).map_err(from_sqlite)?;
                Ok((server.into(), u64::try_from(count).unwrap_or(0)))
            })
        })
    }
}

/// A row of a list, which keeps its place where it cannot be read.
fn listed(row: &Row<'_>) -> Result<([u8; 16], Result<Unverified<TenantDatabase>>)> {
    Ok((row.get(0).map_err(from_sqlite)?, read_database(row, 0)))
}

fn update(connection: &Connection, database: &Sealed<TenantDatabase>) -> Result<()> {
    let mut statement = connection
        .prepare_cached(
            "UPDATE tenant_databases
             SET host = ?3, port = ?4, name = ?5, server = ?6, root_user = ?7, nonce = ?8,
                 state = ?9, step = ?10, acknowledged = ?11, origin = ?12, credential = ?13,
                 kek = ?14, data_key = ?15, root_password = ?16, password_a = ?17,
                 password_b = ?18, next_password = ?19, login = ?20, overlap_until = ?21,
                 pending = ?22, schema_version = ?23, failure = ?24, attempts = ?25, due_at = ?26,
                 created_at = ?27, updated_at = ?28, version = ?29, row_mac = ?30
             WHERE account_id = ?1 AND root_id = ?2 AND version = ?29 - 1",
        )
        .map_err(from_sqlite)?;
    match rows::write(&mut statement, &database_cells(database)?)? {
        0 => Err(Error::Conflict(Conflict::Changed)),
        _ => Ok(()),
    }
}
