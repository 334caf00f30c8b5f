//! Taking a lease: by an account, by a key, or together with a verification.

use super::{Acquired, HolderRows, InUse, Lease, LeaseRequestId, LeaseTtl, NewLease};
use crate::Plane;
use crate::accounts::{Account, ConcurrentCalls};
use crate::actor::Context;
use crate::error::{Conflict, Denial, Error, Kind, Result};
use crate::ids::{AccountId, LeaseId};
use crate::limits;
use crate::permissions::Right;
use crate::secrets::Secrets;
use crate::text::Line;
use crate::verify::{self, Asked, Code, Question, Standing, Verifier};

/// Whose call it is.
#[derive(Debug)]
pub enum LeaseFor<'a> {
    /// This account's.
    Account(AccountId),
    /// That of the account whose key this is.
    Key(&'a str),
}

/// A lease as it is asked for.
#[derive(Clone, Debug)]
pub struct WantedLease {
    /// How long it is to last unless it is renewed.
    pub ttl: LeaseTtl,
    /// What the same request has when it is sent again.
    pub request_id: Option<LeaseRequestId>,
    /// The caller's own word for the call.
    pub reference: Option<Line>,
}

/// A lease that was taken.
#[derive(Clone, Debug)]
pub struct Granted {
    /// The lease.
    pub lease: Lease,
    /// Calls of its account in progress, this one included.
    pub in_use: u32,
    /// Calls that its account may have in progress.
    pub limit: u32,
}

/// What became of an attempt.
pub(crate) enum Taken {
    /// It was taken.
    Granted(Granted),
    /// The same request had taken it before.
    Again(Granted),
    /// A cap is reached: the account's own, else its parent's.
    Full {
        /// The cap.
        limit: u32,
        /// What is in use of it.
        in_use: u32,
    },
    /// The account, or the one above it, does not let its credentials verify.
    Standing(Standing),
}

/// An account and the one above it, as they were written.
struct Holder {
    account: Account,
    parent: Option<Account>,
}

impl Holder {
    /// Checks the seals, and that the rows belong together.
    fn open(rows: HolderRows, secrets: &Secrets) -> Result<Self> {
        let account = rows.account.open(secrets)?;
        let parent = rows.parent.map(|row| row.open(secrets)).transpose()?;
        let fits = account.parent == parent.as_ref().map(|parent| parent.id)
            && parent.as_ref().is_none_or(|parent| parent.parent.is_none());
        if fits {
            return Ok(Self { account, parent });
        }
        let id = account.id.to_string();
        let (table, problem) = ("accounts", "its parent is not there");
        tracing::error!(alarm = "row_integrity", table, id = %id, problem,
            "stored rows do not belong together; they are not used");
        Err(Error::Integrity { table, id, problem })
    }

    fn root(&self) -> &Account {
        self.parent.as_ref().unwrap_or(&self.account)
    }

    fn standing(&self) -> Standing {
        let own = Standing::GOOD.and(self.account.status);
        self.parent.as_ref().map_or(own, |parent| own.and(parent.status))
    }

    /// How many calls may be in progress. A root account's own are its tree's.
    fn caps(&self) -> InUse {
        let root = &self.root().limits;
        let of_tree = root.concurrent_calls.map_or(u32::MAX, ConcurrentCalls::get);
        let tree = of_tree.min(limits::LEASES_PER_ROOT_MAX);
        let own = match self.parent {
            Some(_) => self.account.limits.effective_concurrent_calls(root).get(),
            None => tree,
        };
        InUse { own, tree }
    }
}

impl Plane {
    /// Takes a lease for a call of an account that the caller reaches.
    ///
    /// # Errors
    /// Not found, a missing permission, an account that does not stand well,
    /// [`Denial::CredentialRefused`] for a key that does not verify, [`Error::CallsExceeded`] where a
    /// cap is reached, [`Error::LeaseEnded`] where the request's lease holds nothing any more.
    pub async fn acquire_lease(
        &self,
        context: &Context,
        of: LeaseFor<'_>,
        wanted: &WantedLease,
    ) -> Result<Granted> {
        let taken = match of {
            LeaseFor::Account(id) => {
                let reached = |account: &Account| {
                    if !context.actor.reaches(account.root(), Some(account.id)) {
                        return Err(Error::NotFound(Kind::Account));
                    }
                    context.actor.require(Right::LeasesWrite)
                };
                self.take_lease((context.actor.organization().ok(), id), wanted, reached).await?
            }
            LeaseFor::Key(key) => {
                context.actor.require(Right::LeasesWrite)?;
                let question = Question::of(Asked::Key(key));
                let verifier = Verifier::of(&context.actor);
                let verdict = self.verify_with_lease(verifier, &question, wanted).await?;
                let found = verdict.limits.map(|limits| *limits).unwrap_or_default();
                return match (verdict.code, found.concurrency) {
                    (Code::Valid, Some(concurrency)) => concurrency.granted().ok_or_else(|| {
                        Error::internal("a verification that took a lease shows none")
                    }),
                    (Code::ConcurrencyExceeded, Some(concurrency)) => Err(Error::CallsExceeded {
                        limit: concurrency.limit,
                        in_use: concurrency.in_use,
                    }),
                    (Code::RateLimited, _) => Err(Error::RatesExceeded(found.rates)),
                    (Code::UsageExceeded, _) => Err(Error::UsesExceeded),
                    (Code::NotFound | Code::Malformed, _) => Err(Error::NotFound(Kind::Key)),
                    (code, _) => Err(Error::Forbidden(Denial::CredentialRefused(code))),
                };
            }
        };
        match taken {
            Taken::Granted(granted) | Taken::Again(granted) => Ok(granted),
            Taken::Full { limit, in_use } => Err(Error::CallsExceeded { limit, in_use }),
            Taken::Standing(standing) => Err(Error::Conflict(match verify::code_of(standing) {
                Code::AccountProvisioning => Conflict::Provisioning,
                Code::AccountSuspended => Conflict::Suspended,
                _ => Conflict::Closed,
            })),
        }
    }

    /// Takes a lease for a call of an account, of `root`'s tree where that is known; `reached` refuses
    /// whom it must before anything else is told.
    pub(crate) async fn take_lease(
        &self,
        (root, id): (Option<AccountId>, AccountId),
        wanted: &WantedLease,
        reached: impl Fn(&Account) -> Result<()> + Send,
    ) -> Result<Taken> {
        for _ in 0..limits::RETRIES_MAX {
            let holder = self.holder_of(root, id).await?;
            reached(&holder.account)?;
            let standing = holder.standing();
            if standing != Standing::GOOD {
                return Ok(Taken::Standing(standing));
            }
            let caps = holder.caps();
            match self.store.acquire_lease(&self.new_lease(&holder, wanted, caps)).await {
                // An account was changed, maybe its caps; or an id was drawn before.
                Err(Error::Conflict(Conflict::Changed | Conflict::Taken)) => {}
                outcome => return told(outcome?, caps),
            }
        }
        Err(Error::Conflict(Conflict::Changed))
    }

    /// The lease that the same request has taken before, where it still holds its slot; none is taken.
    pub(crate) async fn lease_of_request(
        &self,
        (root, id): (AccountId, AccountId),
        wanted: &WantedLease,
    ) -> Result<Option<Granted>> {
        if wanted.request_id.is_none() {
            return Ok(None);
        }
        let holder = self.holder_of(Some(root), id).await?;
        // Where none may be held, no new one is taken.
        let asked = self.new_lease(&holder, wanted, InUse::default());
        match self.store.acquire_lease(&asked).await {
            Ok(Acquired::Again { lease, held: true, in_use }) => {
                Ok(Some(Granted { lease, in_use: in_use.own, limit: holder.caps().own }))
            }
            Ok(_) | Err(Error::Conflict(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn holder_of(&self, root: Option<AccountId>, id: AccountId) -> Result<Holder> {
        let rows = self.store.find_holder(root, id).await?;
        Holder::open(rows.ok_or(Error::NotFound(Kind::Account))?, &self.secrets)
    }

    fn new_lease(&self, holder: &Holder, wanted: &WantedLease, caps: InUse) -> NewLease {
        let (account, root) = (&holder.account, holder.root());
        NewLease {
            id: LeaseId::draw(&self.secrets, &*self.rng, self.clock.now(), account.id),
            account: (account.id, account.version),
            root: (root.id, root.version),
            ttl: wanted.ttl,
            request_id: wanted.request_id.clone(),
            reference: wanted.reference.clone(),
            caps,
        }
    }
}

/// What an outcome is told as.
fn told(outcome: Acquired, caps: InUse) -> Result<Taken> {
    match outcome {
        Acquired::New(lease, in_use) => {
            Ok(Taken::Granted(Granted { lease, in_use: in_use.own, limit: caps.own }))
        }
        Acquired::Again { lease, held: true, in_use } => {
            Ok(Taken::Again(Granted { lease, in_use: in_use.own, limit: caps.own }))
        }
        // To answer it as if it held a slot would be one call too many; a second one was not asked for.
        Acquired::Again { held: false, .. } => Err(Error::LeaseEnded),
        Acquired::Full(in_use) if in_use.own >= caps.own => {
            Ok(Taken::Full { limit: caps.own, in_use: in_use.own })
        }
        Acquired::Full(in_use) => Ok(Taken::Full { limit: caps.tree, in_use: in_use.tree }),
    }
}
