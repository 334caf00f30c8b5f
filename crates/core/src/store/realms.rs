//! Realms of organizations' own.

use super::Committed;
use crate::commit::Commit;
use crate::error::Result;
use crate::ids::{AccountId, RealmId};
use crate::page::Listed;
use crate::realms::OwnRealm;
use crate::secrets::{Sealed, Unverified};
use async_trait::async_trait;

/// Realms of organizations' own.
#[async_trait]
pub trait RealmStore: Send + Sync {
    /// Stores a realm of an organization that has fewer than `max`.
    ///
    /// # Errors
    /// `LimitReached`, before anything else; `Conflict(Taken)` where the id or the issuer exists, or
    /// the organization has one of the name.
    async fn insert_realm(
        &self,
        realm: &Sealed<OwnRealm>,
        max: u32,
        commit: Commit,
    ) -> Result<Committed>;

    /// Looks a realm of any organization up by its issuer.
    async fn find_realm_by_issuer(&self, issuer: &str) -> Result<Option<Unverified<OwnRealm>>>;

    /// Lists at most `limit` realms of an organization by id.
    async fn list_realms(&self, root: AccountId, limit: u32) -> Result<Listed<OwnRealm>>;

    /// Deletes a realm of an organization.
    ///
    /// # Errors
    /// `Conflict(Changed)` where it has none with this id.
    async fn delete_realm(&self, root: AccountId, id: RealmId, commit: Commit)
    -> Result<Committed>;
}
