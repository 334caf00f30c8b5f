//! Service accounts.

use super::changes::write_commit;
use super::errors::from_sqlite;
use super::{SqliteStore, credentials, rows};
use async_trait::async_trait;
use rusqlite::{Connection, params};
use tenantry_core::clock::Timestamp;
use tenantry_core::commit::Commit;
use tenantry_core::credentials::Credential;
use tenantry_core::error::{Conflict, Error, Result};
use tenantry_core::ids::{AccountId, ServiceAccountId};
use tenantry_core::page::Listed;
use tenantry_core::secrets::{Protected, Sealed, Unverified};
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

    async fn find_service_account(
        &self,
        root: AccountId,
        id: ServiceAccountId,
    ) -> Result<Option<Unverified<ServiceAccount>>> {
        self.read(|connection| {
            let mut statement = connection
                .prepare_cached(
                    "SELECT id, account_id, root_id, name, client_id, permissions, status,
                         created_by, created_at, version, row_mac
                     FROM service_accounts
                     WHERE id = ?1 AND root_id = ?2",
                )
                .map_err(from_sqlite)?;
            let params = params![id.as_bytes(), root.as_bytes()];
            rows::find(&mut statement, params, |row| rows::read_service_account(row, 0))
        })
    }

    async fn list_service_accounts(
        &self,
        root: AccountId,
        account: AccountId,
        after: Option<ServiceAccountId>,
        skip: u32,
        limit: u32,
    ) -> Result<Listed<ServiceAccount>> {
        self.read(|connection| {
            let mut statement = connection
                .prepare_cached(
                    "SELECT id, account_id, root_id, name, client_id, permissions, status,
                         created_by, created_at, version, row_mac
                     FROM service_accounts
                     WHERE account_id = ?1 AND root_id = ?2 AND status <> 'deleted' AND id > ?3
                     ORDER BY id LIMIT ?5 OFFSET ?4",
                )
                .map_err(from_sqlite)?;
            // Every id is greater than no bytes at all.
            let after = after.as_ref().map_or(&[][..], |id| id.as_bytes());
            let params = params![account.as_bytes(), root.as_bytes(), after, skip, limit];
            rows::list(&mut statement, params, |row| {
                let id = row.get(0).map_err(from_sqlite)?;
                Ok((id, rows::read_service_account(row, 0)))
            })
        })
    }

    async fn update_service_account(
        &self,
        service_account: &Sealed<ServiceAccount>,
        commit: Commit,
    ) -> Result<Committed> {
        let service_account = service_account.clone();
        self.write(move |connection| {
            update(connection, &service_account)?;
            write_commit(connection, &commit)
        })
        .await
    }

    async fn insert_client_secret(
        &self,
        service_account: &Sealed<ServiceAccount>,
        secret: &Sealed<Credential>,
        replaces: &[Sealed<Credential>],
        commit: Commit,
    ) -> Result<Committed> {
        let (service_account, secret) = (service_account.clone(), secret.clone());
        let replaces = replaces.to_vec();
        self.write(move |connection| {
            update(connection, &service_account)?;
            for replaced in &replaces {
                credentials::update(connection, replaced)?;
            }
            credentials::insert(connection, &secret)?;
            write_commit(connection, &commit)
        })
        .await
    }

    async fn list_client_secrets(
        &self,
        root: AccountId,
        service_accounts: &[ServiceAccountId],
        now: Timestamp,
        limit: u32,
    ) -> Result<Listed<Credential>> {
        self.read(|connection| {
            let mut statement = connection
                .prepare_cached(
                    "SELECT id, kind, account_id, root_id, service_account_id, member_id, format,
                         tag, pepper_id, start, name, permissions, allowed_ips, metadata, status,
                         revoked_at, expires_at, lineage, superseded_by, grace_expires_at,
                         created_at, version, row_mac, limits, last_used_at
                     FROM credentials
                     WHERE service_account_id = ?1 AND root_id = ?2 AND status <> 'revoked'
                         AND (expires_at IS NULL OR expires_at > ?3)
                         AND (grace_expires_at IS NULL OR grace_expires_at > ?3)
                     ORDER BY id LIMIT ?4",
                )
                .map_err(from_sqlite)?;
            let mut secrets = Vec::with_capacity(service_accounts.len());
            for id in service_accounts {
                let params = params![id.as_bytes(), root.as_bytes(), now.micros(), limit];
                secrets.extend(rows::list(&mut statement, params, |row| {
                    let id = row.get(0).map_err(from_sqlite)?;
                    Ok((id, rows::read_credential(row, 0)))
                })?);
            }
            Ok(secrets)
        })
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
                     WHERE account_id = ?1 AND status <> 'deleted'
                         AND name >= ?2 AND name < ?2 || '.'
                         AND (name = ?2 OR name >= ?2 || '-')
                     ORDER BY name LIMIT ?3",
                )
                .map_err(from_sqlite)?;
            let params = params![account.as_bytes(), base, NAMES_MAX];
            rows::list(&mut statement, params, |row| rows::read_name(row))
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
    rows::write(&mut statement, &rows::service_account_cells(service_account)?).map(|_| ())
}

fn update(connection: &Connection, service_account: &Sealed<ServiceAccount>) -> Result<()> {
    let mut statement = connection
        .prepare_cached(
            "UPDATE service_accounts
             SET name = ?4, client_id = ?5, permissions = ?6, status = ?7, created_by = ?8,
                 created_at = ?9, version = ?10, row_mac = ?11
             WHERE id = ?1 AND account_id = ?2 AND root_id = ?3 AND version = ?10 - 1",
        )
        .map_err(from_sqlite)?;
    match rows::write(&mut statement, &rows::service_account_cells(service_account)?)? {
        0 => Err(Error::Conflict(Conflict::Changed)),
        _ => Ok(()),
    }
}
