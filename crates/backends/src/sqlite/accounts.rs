//! Accounts.

use super::changes::write_commit;
use super::errors::from_sqlite;
use super::{SqliteStore, credentials, given_calls, members, rows};
use async_trait::async_trait;
use rusqlite::{Connection, Row, params};
use tenantry_core::accounts::Account;
use tenantry_core::commit::Commit;
use tenantry_core::credentials::Credential;
use tenantry_core::error::{Conflict, Error, Result};
use tenantry_core::ids::AccountId;
use tenantry_core::members::Member;
use tenantry_core::page::Listed;
use tenantry_core::secrets::{Sealed, Unverified};
use tenantry_core::store::{AccountStore, Committed, NewRows};

#[async_trait]
impl AccountStore for SqliteStore {
    async fn insert_organization(
        &self,
        account: &Sealed<Account>,
        member: &Member,
        key: &Sealed<Credential>,
        commit: Commit,
    ) -> Result<Committed> {
        let (account, member, key) = (account.clone(), member.clone(), key.clone());
        self.write(move |connection| {
            insert(connection, &account)?;
            members::save(connection, &member)?;
            credentials::insert(connection, &key)?;
            write_commit(connection, &commit)
        })
        .await
    }

    async fn insert_account(
        &self,
        account: &Sealed<Account>,
        key: &Sealed<Credential>,
        commit: Commit,
    ) -> Result<Committed> {
        let (account, key) = (account.clone(), key.clone());
        self.write(move |connection| {
            insert(connection, &account)?;
            given_calls::take(connection, account.record())?;
            credentials::insert(connection, &key)?;
            write_commit(connection, &commit)
        })
        .await
    }

    async fn insert_accounts(&self, accounts: Vec<NewRows>) -> Result<Committed> {
        self.write(move |connection| {
            let mut committed = None;
            for (account, key, commit) in &accounts {
                insert(connection, account)?;
                given_calls::take(connection, account.record())?;
                credentials::insert(connection, key)?;
                committed = write_commit(connection, commit)?;
            }
            Ok(committed)
        })
        .await
    }

    async fn find_account(
        &self,
        root: AccountId,
        id: AccountId,
    ) -> Result<Option<Unverified<Account>>> {
        self.read(|connection| {
            let mut statement = connection
                .prepare_cached(
                    "SELECT id, parent_id, name, profile, metadata, status, entitlements,
                         concurrent_calls, sub_account_concurrent_calls, created_by_member,
                         created_at, updated_at, version, row_mac, rates
                     FROM accounts
                     WHERE id = ?1 AND coalesce(parent_id, id) = ?2",
                )
                .map_err(from_sqlite)?;
            let params = params![id.as_bytes(), root.as_bytes()];
            rows::find(&mut statement, params, |row| rows::read_account(row, 0))
        })
    }

    async fn has_organizations(&self) -> Result<bool> {
        self.read(|connection| {
            let mut statement = connection
                .prepare_cached("SELECT 1 FROM accounts WHERE parent_id IS NULL LIMIT 1")
                .map_err(from_sqlite)?;
            statement.exists([]).map_err(from_sqlite)
        })
    }

    async fn list_organizations(
        &self,
        after: Option<AccountId>,
        limit: u32,
    ) -> Result<Vec<(AccountId, Result<Unverified<Account>>)>> {
        self.read(|connection| {
            let mut statement = connection
                .prepare_cached(
                    "SELECT id, parent_id, name, profile, metadata, status, entitlements,
                         concurrent_calls, sub_account_concurrent_calls, created_by_member,
                         created_at, updated_at, version, row_mac, rates
                     FROM accounts
                     WHERE parent_id IS NULL AND id > ?1
                     ORDER BY id LIMIT ?2",
                )
                .map_err(from_sqlite)?;
            // Every id is greater than no bytes at all.
            let after = after.as_ref().map_or(&[][..], |id| id.as_bytes());
            rows::list(&mut statement, params![after, limit], |row| {
                let id = AccountId::from_bytes(row.get(0).map_err(from_sqlite)?);
                Ok((id, rows::read_account(row, 0)))
            })
        })
    }

    async fn list_accounts(
        &self,
        root: AccountId,
        after: Option<AccountId>,
        limit: u32,
    ) -> Result<Listed<Account>> {
        self.read(|connection| {
            // Each half is one range of an index.
            let mut statement = connection
                .prepare_cached(
                    "SELECT id, parent_id, name, profile, metadata, status, entitlements,
                         concurrent_calls, sub_account_concurrent_calls, created_by_member,
                         created_at, updated_at, version, row_mac, rates
                     FROM accounts WHERE id = ?1 AND parent_id IS NULL AND id > ?2
                     UNION ALL
                     SELECT id, parent_id, name, profile, metadata, status, entitlements,
                         concurrent_calls, sub_account_concurrent_calls, created_by_member,
                         created_at, updated_at, version, row_mac, rates
                     FROM accounts WHERE parent_id = ?1 AND id > ?2
                     ORDER BY id LIMIT ?3",
                )
                .map_err(from_sqlite)?;
            // Every id is greater than no bytes at all.
            let after = after.as_ref().map_or(&[][..], |id| id.as_bytes());
            rows::list(&mut statement, params![root.as_bytes(), after, limit], listed)
        })
    }

    async fn list_sub_accounts(
        &self,
        root: AccountId,
        skip: u32,
        limit: u32,
    ) -> Result<Listed<Account>> {
        self.read(|connection| {
            // What is skipped is skipped in the index, which has all that the inner query asks for.
            let mut statement = connection
                .prepare_cached(
                    "SELECT id, parent_id, name, profile, metadata, status, entitlements,
                         concurrent_calls, sub_account_concurrent_calls, created_by_member,
                         created_at, updated_at, version, row_mac, rates
                     FROM accounts
                     WHERE parent_id = ?1 AND status <> 'closed' AND id >= (
                         SELECT id FROM accounts WHERE parent_id = ?1 AND status <> 'closed'
                         ORDER BY id LIMIT 1 OFFSET ?2
                     )
                     ORDER BY id LIMIT ?3",
                )
                .map_err(from_sqlite)?;
            rows::list(&mut statement, params![root.as_bytes(), skip, limit], listed)
        })
    }

    async fn update_account(&self, account: &Sealed<Account>, commit: Commit) -> Result<Committed> {
        let account = account.clone();
        self.write(move |connection| {
            given_calls::shift(connection, account.record())?;
            update(connection, &account)?;
            write_commit(connection, &commit)
        })
        .await
    }

    async fn find_given_calls(&self, root: AccountId) -> Result<u64> {
        self.read(|connection| given_calls::find(connection, root))
    }
}

/// A row of a list, which keeps its place where it cannot be read.
fn listed(row: &Row<'_>) -> Result<([u8; 16], Result<Unverified<Account>>)> {
    Ok((row.get(0).map_err(from_sqlite)?, rows::read_account(row, 0)))
}

/// Writes a new account.
pub(super) fn insert(connection: &Connection, account: &Sealed<Account>) -> Result<()> {
    let mut statement = connection
        .prepare_cached(
            "INSERT INTO accounts (id, parent_id, shard, name, profile, metadata, status,
                 entitlements, concurrent_calls, sub_account_concurrent_calls, created_by_member,
                 created_at, updated_at, version, row_mac, rates)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)",
        )
        .map_err(from_sqlite)?;
    rows::write(&mut statement, &rows::account_cells(account)?).map(|_| ())
}

/// Replaces an account by its next version.
pub(super) fn update(connection: &Connection, account: &Sealed<Account>) -> Result<()> {
    let mut statement = connection
        .prepare_cached(
            "UPDATE accounts
             SET shard = ?3, name = ?4, profile = ?5, metadata = ?6, status = ?7,
                 entitlements = ?8, concurrent_calls = ?9, sub_account_concurrent_calls = ?10,
                 created_by_member = ?11, created_at = ?12, updated_at = ?13, version = ?14,
                 row_mac = ?15, rates = ?16
             WHERE id = ?1 AND parent_id IS ?2 AND version = ?14 - 1",
        )
        .map_err(from_sqlite)?;
    match rows::write(&mut statement, &rows::account_cells(account)?)? {
        0 => Err(Error::Conflict(Conflict::Changed)),
        _ => Ok(()),
    }
}
