//! The part of the port that leases are kept behind.

use crate::error::Result;
use crate::ids::{AccountId, LeaseId};
use crate::leases::{Acquired, CallRecord, HolderRows, InUse, Lease, LeaseTtl, NewLease, Released};
use async_trait::async_trait;
use std::time::Duration;

/// Leases, which live by the store's own clock and by no node's: of SQLite one that setting the time of
/// day does not move, of PostgreSQL its server's. It is read after the root account's other changes of
/// leases are locked out.
#[async_trait]
pub trait LeaseStore: Send + Sync {
    /// Looks an account up with the one above it, both of one instant: of `root`'s tree, or of every
    /// tree where none is named.
    async fn find_holder(
        &self,
        root: Option<AccountId>,
        id: AccountId,
    ) -> Result<Option<HolderRows>>;

    /// Stores a new lease, unless a cap is reached: those held are counted in the same transaction.
    /// Its fencing token is one higher than the last of the tree.
    ///
    /// # Errors
    /// `Conflict(Changed)` unless both accounts' stored versions are the ones named;
    /// `Conflict(Taken)` where the id exists.
    async fn acquire_lease(&self, new: &NewLease) -> Result<Acquired>;

    /// Looks a lease up, held or not: of `root`'s tree, or of every tree where none is named.
    async fn find_lease(&self, root: Option<AccountId>, id: LeaseId) -> Result<Option<Lease>>;

    /// Lets a lease of `root`'s tree last for `ttl` from now on; none where it holds nothing any more.
    async fn renew_lease(
        &self,
        root: AccountId,
        id: LeaseId,
        ttl: LeaseTtl,
    ) -> Result<Option<Lease>>;

    /// Ends a lease of `root`'s tree that holds a slot; one that was given back before stays as it
    /// is. The record is kept with the first release that has one, but not with one that comes after
    /// the lease was given back.
    ///
    /// # Errors
    /// `NotFound` where there is no such lease.
    async fn release_lease(
        &self,
        root: AccountId,
        id: LeaseId,
        record: Option<&CallRecord>,
    ) -> Result<Released>;

    /// Forgets a lease of `root`'s tree that was not given back, as if it had not been taken: the request
    /// that took it may take another. None there changes nothing.
    async fn cancel_lease(&self, root: AccountId, id: LeaseId) -> Result<()>;

    /// Counts the leases held by an account and by the whole tree of `root`.
    async fn count_leases(&self, root: AccountId, account: AccountId) -> Result<InUse>;

    /// Of the leases with ids lower than `below`, forgets at most `limit` whose latest possible end
    /// was `kept` ago, and says how many.
    async fn sweep_leases(&self, below: LeaseId, kept: Duration, limit: u32) -> Result<u64>;
}
