//! What a lease that was taken goes through: renewed, given back, counted, forgotten.

use super::{CallRecord, InUse, Lease, LeaseTtl, Released};
use crate::Plane;
use crate::actor::Context;
use crate::error::{Error, Kind, Result};
use crate::ids::{AccountId, LeaseId};
use crate::limits;
use crate::permissions::Right;

impl Plane {
    /// Lets a lease last for another `ttl`, or its own, from now on. Caps that were lowered since it
    /// was taken do not end it.
    ///
    /// # Errors
    /// Not found, a missing permission, [`Error::LeaseEnded`].
    pub async fn renew_lease(
        &self,
        context: &Context,
        id: LeaseId,
        ttl: Option<LeaseTtl>,
    ) -> Result<Lease> {
        let lease = self.reached_lease(context, id).await?;
        let renewed = self.store.renew_lease(lease.root, id, ttl.unwrap_or(lease.ttl)).await?;
        renewed.ok_or(Error::LeaseEnded)
    }

    /// Gives a lease back, and keeps the record of its call. Giving it back again changes nothing and
    /// answers the same; the first record stays.
    ///
    /// # Errors
    /// Not found, a missing permission; [`Error::LeaseEnded`] where it had expired before, which
    /// keeps the record all the same.
    pub async fn release_lease(
        &self,
        context: &Context,
        id: LeaseId,
        record: Option<&CallRecord>,
    ) -> Result<Lease> {
        let lease = self.reached_lease(context, id).await?;
        match self.store.release_lease(lease.root, id, record).await? {
            Released::At(at) => Ok(Lease { released_at: Some(at), ..lease }),
            Released::Expired => Err(Error::LeaseEnded),
        }
    }

    /// Calls in progress of an account of `root`'s tree.
    pub(crate) async fn calls_in_progress(
        &self,
        root: AccountId,
        account: AccountId,
    ) -> Result<u32> {
        let InUse { own, tree } = self.store.count_leases(root, account).await?;
        Ok(if account == root { tree } else { own })
    }

    /// Forgets leases that ended [`limits::LEASE_ENDED_KEPT`] ago, at most
    /// [`limits::LEASE_SWEEP_MAX`] of them, and says how many.
    ///
    /// # Errors
    /// What the store says.
    pub async fn sweep_leases(&self) -> Result<u64> {
        let now = self.clock.now();
        let kept = limits::LEASE_ENDED_KEPT;
        // Ids go by the time of day and ends by the store's clock, so this only narrows the search.
        let below = LeaseId::drawn_before(now.minus(kept));
        self.store.sweep_leases(below, kept, limits::LEASE_SWEEP_MAX).await
    }

    /// A lease that the caller may act on.
    async fn reached_lease(&self, context: &Context, id: LeaseId) -> Result<Lease> {
        let tree = context.actor.organization().ok();
        let found = self.store.find_lease(tree, id).await?;
        let own = |lease: &Lease| {
            id.is_of(&self.secrets, lease.account)
                && context.actor.reaches(lease.root, Some(lease.account))
        };
        let lease = found.filter(own).ok_or(Error::NotFound(Kind::Lease))?;
        context.actor.require(Right::LeasesWrite)?;
        Ok(lease)
    }
}
