//! What a credential that is good still has to have: a lease where one was asked for, uses, and room in
//! the windows of its rates.
//!
//! All are looked at first. Then they are taken in this order, and what a later one refuses is given
//! back by those before it. A crash in between spends uses, or holds a lease until its time is over.

use super::{Code, Concurrency, Known, Slot, Verdict, code_of};
use crate::Plane;
use crate::error::Result;
use crate::ids::AccountId;
use crate::leases::{Granted, Taken, WantedLease};
use crate::rates::{Meter, MeterOf, Metered, Rates, Spending};
use crate::uses::{Line, UsesLeft};

/// What a verification has found of limits.
#[derive(Clone, Debug, Default)]
pub struct Limited {
    /// The windows that the request counts in, those of the key first.
    pub rates: Vec<Metered>,
    /// The uses of the key.
    pub uses: Option<UsesLeft>,
    /// The calls of its account, where a lease was asked for.
    pub concurrency: Option<Concurrency>,
}

impl Limited {
    fn with(self, code: Code, known: Known) -> Verdict {
        Verdict { code, known: Some(known), limits: Some(Box::new(self)) }
    }
}

impl Known {
    /// True where something has to be spent: its own rates or uses, or its accounts' rates.
    pub(super) fn is_limited(&self) -> bool {
        self.limits().is_some() || self.account().is_some_and(Slot::is_limited)
    }

    /// The windows that its requests count in.
    fn meters(&self) -> Vec<Meter> {
        let mut meters = Vec::new();
        let mut add = |of: MeterOf, rates: Rates| {
            meters.extend(rates.iter().map(|rate| Meter { of, rate }));
        };
        if let Some(limits) = self.limits() {
            add(MeterOf::Key(limits.lineage), limits.limits.rates);
        }
        for slot in self.account().into_iter().flat_map(|own| [Some(own), own.parent()]).flatten() {
            let of = match slot.parent_id() {
                Some(_) => MeterOf::Account(slot.id),
                None => MeterOf::Organization(slot.id),
            };
            add(of, slot.rates());
        }
        meters
    }

    fn root(&self) -> AccountId {
        self.account().map_or(AccountId::PLANE, Slot::root)
    }
}

impl Plane {
    /// Takes what a credential that is good needs for a request that counts `cost` times, and the lease
    /// that is wanted with it.
    pub(super) async fn spend(
        &self,
        known: Known,
        cost: u32,
        wanted: Option<&WantedLease>,
    ) -> Result<Verdict> {
        let (meters, root) = (known.meters(), known.root());
        let line = known.uses_line(root);
        let mut found = Limited::default();
        if wanted.is_some() || line.is_some() {
            let refused = self.look(&mut found, (root, &meters), (line.as_ref(), cost)).await;
            if let Some(code) = refused {
                // What the same request was given before is not taken back because others came after it.
                let Some(granted) = self.lease_before(&known, wanted).await? else {
                    return Ok(found.with(code, known));
                };
                found.concurrency = Some(Concurrency::of(granted));
                return Ok(found.with(Code::Valid, known));
            }
        }
        let mut lease = None;
        if let Some(wanted) = wanted {
            match self.lease_for(&known, wanted).await? {
                LeaseFor::Taken(concurrency) => {
                    lease = concurrency.lease.as_ref().map(|lease| (lease.root, lease.id));
                    found.concurrency = Some(concurrency);
                }
                // The request has spent what it needs already.
                LeaseFor::Again(concurrency) => {
                    found.concurrency = Some(concurrency);
                    return Ok(found.with(Code::Valid, known));
                }
                LeaseFor::Refused(code, concurrency) => {
                    found.concurrency = concurrency;
                    return Ok(found.with(code, known));
                }
                LeaseFor::NoAccount => return Ok(Verdict::unknown(Code::NotFound)),
            }
        }
        let mut held = None;
        if let Some(line) = &line {
            let taken = match self.take_uses(line, cost).await {
                Ok(taken) => taken,
                Err(error) => {
                    self.cancel(lease).await;
                    return Err(error);
                }
            };
            match taken {
                Ok(uses) => {
                    found.uses = Some(uses.left);
                    held = Some(uses);
                }
                Err(left) => {
                    found.uses = Some(left);
                    return self.refused(Code::UsageExceeded, (found, known), lease).await;
                }
            }
        }
        if !self.meter(&mut found, (root, &meters), (Spending::Spend, cost)).await {
            if let Some(held) = &held {
                self.put_uses_back(held).await;
                found.uses = Some(held.unspent());
            }
            return self.refused(Code::RateLimited, (found, known), lease).await;
        }
        Ok(found.with(Code::Valid, known))
    }

    /// Looks at rates and uses without spending, and says which refuses.
    async fn look(
        &self,
        found: &mut Limited,
        windows: (AccountId, &[Meter]),
        (line, cost): (Option<&Line>, u32),
    ) -> Option<Code> {
        if !self.meter(found, windows, (Spending::Look, cost)).await {
            return Some(Code::RateLimited);
        }
        match self.look_at_uses(line?, cost) {
            Ok(left) => {
                found.uses = Some(left);
                None
            }
            Err(left) => {
                found.uses = Some(left);
                Some(Code::UsageExceeded)
            }
        }
    }

    /// The lease that the same request has taken before, where one is wanted.
    async fn lease_before(
        &self,
        known: &Known,
        wanted: Option<&WantedLease>,
    ) -> Result<Option<Granted>> {
        match (known.account(), wanted) {
            (Some(account), Some(wanted)) => {
                self.lease_of_request((account.root(), account.id), wanted).await
            }
            _ => Ok(None),
        }
    }

    /// A refusal after a lease was taken.
    async fn refused(
        &self,
        code: Code,
        (mut found, known): (Limited, Known),
        lease: Option<(AccountId, crate::ids::LeaseId)>,
    ) -> Result<Verdict> {
        self.cancel(lease).await;
        if let Some(concurrency) = found.concurrency.as_mut()
            && concurrency.lease.take().is_some()
        {
            concurrency.in_use = concurrency.in_use.saturating_sub(1);
        }
        Ok(found.with(code, known))
    }

    /// Forgets a lease that was taken for nothing. Where that fails it holds its slot until its time is
    /// over.
    async fn cancel(&self, lease: Option<(AccountId, crate::ids::LeaseId)>) {
        if let Some((root, id)) = lease
            && let Err(error) = self.store.cancel_lease(root, id).await
        {
            tracing::warn!(%error, "a lease of a refused request holds its slot until it expires");
        }
    }

    /// Asks the windows, and keeps what they said; false where one refuses.
    async fn meter(
        &self,
        found: &mut Limited,
        (root, meters): (AccountId, &[Meter]),
        asked: (Spending, u32),
    ) -> bool {
        if meters.is_empty() {
            return true;
        }
        let at = (self.clock.monotonic(), self.cluster.sharing());
        let Some(metered) = self.metering.spend(root, meters, asked, at).await else {
            return false;
        };
        found.rates = metered;
        found.rates.iter().all(|metered| metered.outcome.admitted)
    }

    /// Takes a lease for a credential that is good. Its account is read from the store: what the cache
    /// says of it may be a moment old, and a slot is money.
    async fn lease_for(&self, known: &Known, wanted: &WantedLease) -> Result<LeaseFor> {
        let Some(account) = known.account() else {
            // Nothing is told of a key that belongs to no account.
            return Ok(LeaseFor::NoAccount);
        };
        let place = (Some(account.root()), account.id);
        Ok(match self.take_lease(place, wanted, |_| Ok(())).await? {
            Taken::Granted(granted) => LeaseFor::Taken(Concurrency::of(granted)),
            Taken::Again(granted) => LeaseFor::Again(Concurrency::of(granted)),
            Taken::Full { limit, in_use } => {
                let concurrency = Concurrency { limit, in_use, lease: None };
                LeaseFor::Refused(Code::ConcurrencyExceeded, Some(concurrency))
            }
            Taken::Standing(standing) => LeaseFor::Refused(code_of(standing), None),
        })
    }
}

/// What became of a lease that was wanted.
enum LeaseFor {
    Taken(Concurrency),
    /// The same request had taken it before.
    Again(Concurrency),
    Refused(Code, Option<Concurrency>),
    NoAccount,
}
