//! A verification that takes a lease with it, in one request.

use super::{Code, Question, Standing, Verdict, Verifier, asks_as};
use crate::Plane;
use crate::actor::{Actor, Scope};
use crate::error::{Denial, Error, Result};
use crate::leases::{Granted, Lease, WantedLease};
use crate::permissions::Right;

/// The concurrent calls of an account, as a verification has found them.
#[derive(Clone, Debug)]
pub struct Concurrency {
    /// How many there may be, by the cap that decided.
    pub limit: u32,
    /// How many there are.
    pub in_use: u32,
    /// The lease, where one was taken.
    pub lease: Option<Lease>,
}

impl Concurrency {
    pub(super) fn of(Granted { lease, in_use, limit }: Granted) -> Self {
        Self { limit, in_use, lease: Some(lease) }
    }

    /// The lease and what it counts among.
    pub(crate) fn granted(self) -> Option<Granted> {
        let Self { limit, in_use, lease } = self;
        lease.map(|lease| Granted { lease, in_use, limit })
    }
}

impl Verifier {
    /// What an actor may ask and take.
    pub(crate) fn of(actor: &Actor) -> Self {
        let allows = |right| actor.require(right).is_ok();
        let (scope, asks) = match actor {
            Actor::Key(key) => (key.scope, Some(key.id)),
            Actor::Machine(machine) => {
                let scope = Scope::Account { account: machine.account, root: machine.root };
                (scope, Some(asks_as(machine.id)))
            }
            Actor::Member(member) => {
                (Scope::Account { account: member.tenant, root: member.tenant }, None)
            }
            Actor::Operator(operator) => return Self::operator(operator.organization),
        };
        Self { scope, allowed: allows(Right::KeysVerify), leases: allows(Right::LeasesWrite), asks }
    }
}

impl Plane {
    /// Verifies a credential as [`Self::verify`] does and, where the answer is yes, takes a lease for
    /// a call of its account.
    ///
    /// # Errors
    /// As [`Self::verify`]; a missing permission to take leases; [`Error::LeaseEnded`] where the
    /// request's lease holds nothing any more.
    pub async fn verify_with_lease(
        &self,
        verifier: Verifier,
        question: &Question<'_>,
        wanted: &WantedLease,
    ) -> Result<Verdict> {
        if verifier.allowed && !verifier.leases {
            return Err(Error::Forbidden(Denial::Permission(Right::LeasesWrite)));
        }
        self.settle(verifier, question, Some(wanted)).await
    }
}

/// The code of a standing that is not good, in the order of a verdict's rules.
pub(crate) const fn code_of(standing: Standing) -> Code {
    if standing.provisioning {
        Code::AccountProvisioning
    } else if standing.suspended {
        Code::AccountSuspended
    } else {
        Code::AccountClosed
    }
}
