//! The part of the port that tenant databases are kept in.

use super::Committed;
use crate::accounts::Account;
use crate::clock::Timestamp;
use crate::commit::Commit;
use crate::credentials::Credential;
use crate::database::TenantDatabase;
use crate::error::Result;
use crate::ids::AccountId;
use crate::page::Listed;
use crate::secrets::{Sealed, Unverified};
use async_trait::async_trait;

/// What the plane's store has of tenant databases. Two that have not failed never have the same host,
/// port and name.
#[async_trait]
pub trait DatabaseStore: Send + Sync {
    /// Stores that a database is to be made. Not a change of anything that anybody has: no event.
    ///
    /// # Errors
    /// `Conflict(Taken)` where the account has one, or another one has the place.
    async fn insert_database(&self, database: &Sealed<TenantDatabase>) -> Result<()>;

    /// Stores a database's next version, with the sub-account that it belongs to and its first key.
    ///
    /// # Errors
    /// `Conflict(Changed)` unless the stored version is the one before; else as of `insert_account`.
    async fn insert_database_account(
        &self,
        database: &Sealed<TenantDatabase>,
        account: &Sealed<Account>,
        key: &Sealed<Credential>,
        commit: Commit,
    ) -> Result<Committed>;

    /// Stores a database's next version, with an event where something became of it.
    ///
    /// # Errors
    /// `Conflict(Changed)` unless the stored version is the one before.
    async fn update_database(
        &self,
        database: &Sealed<TenantDatabase>,
        commit: Option<Commit>,
    ) -> Result<()>;

    /// Stores the next versions of a database and of its account: both or none.
    ///
    /// # Errors
    /// `Conflict(Changed)` unless each stored version is the one before.
    async fn update_database_account(
        &self,
        database: &Sealed<TenantDatabase>,
        account: &Sealed<Account>,
        commit: Commit,
    ) -> Result<Committed>;

    /// Forgets a database that was not made.
    ///
    /// # Errors
    /// `Conflict(Changed)` unless `version` is the stored one.
    async fn delete_database(
        &self,
        root: AccountId,
        account: AccountId,
        version: u64,
        commit: Commit,
    ) -> Result<()>;

    /// Looks the database of an account of `root`'s tree up.
    async fn find_database(
        &self,
        root: AccountId,
        account: AccountId,
    ) -> Result<Option<Unverified<TenantDatabase>>>;

    /// Looks the database of any account up, for the operator.
    async fn find_any_database(
        &self,
        account: AccountId,
    ) -> Result<Option<Unverified<TenantDatabase>>>;

    /// Lists the databases of those of these accounts of `root`'s tree that have one.
    async fn list_databases_of(
        &self,
        root: AccountId,
        accounts: &[AccountId],
    ) -> Result<Listed<TenantDatabase>>;

    /// Lists at most `limit` databases by account, beginning after `after`: of one tree, or, for the
    /// operator, of all.
    async fn list_databases(
        &self,
        root: Option<AccountId>,
        after: Option<AccountId>,
        limit: u32,
    ) -> Result<Listed<TenantDatabase>>;

    /// Lists at most `limit` databases about which something is to be done at `now`, the longest due
    /// first.
    async fn list_due_databases(
        &self,
        now: Timestamp,
        limit: u32,
    ) -> Result<Listed<TenantDatabase>>;

    /// How many databases that have not failed each of the operator's servers has, by its name.
    async fn count_managed_databases(&self) -> Result<Vec<(Box<str>, u64)>>;
}
