//! Verification: may this credential do this, now? The path that every request of the product
//! takes.
//!
//! An answer from the cache does no I/O. What the cache holds was checked against its seals when
//! it entered, and leaves when the change log says that it changed.

mod authenticate;
mod cache;
mod judge;
mod known;
mod misses;

pub use cache::VerifyCache;
pub use judge::{Code, Verdict};
pub use known::{Known, Slot};
pub(crate) use misses::Misses;
pub use misses::network;

use crate::Plane;
use crate::actor::Actor;
use crate::error::{Error, Result};
use crate::permissions::{Permission, Right};
use crate::secrets::{Presented, Tag, plain};
use misses::Source;
use std::net::IpAddr;
use std::sync::Arc;

/// What is asked.
#[derive(Debug)]
pub struct Question<'a> {
    /// The credential.
    pub credential: Asked<'a>,
    /// What it must be allowed to do.
    pub permissions: &'a [Permission],
    /// Where it came from; needed where the credential has an allow-list.
    pub address: Option<IpAddr>,
}

/// The credential that is asked about.
#[derive(Clone, Copy)]
pub enum Asked<'a> {
    /// An API key.
    Key(&'a str),
    /// A service account's client id and secret.
    Client {
        /// The client id.
        id: &'a str,
        /// The secret.
        secret: &'a str,
    },
}

impl std::fmt::Debug for Asked<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Asked")
    }
}

impl Plane {
    /// Verifies a credential of the caller's tree, or of any tree for a platform key.
    ///
    /// # Errors
    /// A missing permission of the caller; [`Error::RateLimited`] for a credential that is not in
    /// the cache where too many were looked up in vain; [`Error::Unavailable`] where the store is
    /// needed and does not answer. A refusal of the credential is a [`Verdict`], not an error.
    pub async fn verify(&self, actor: &Actor, question: &Question<'_>) -> Result<Verdict> {
        actor.require(Right::KeysVerify)?;
        let (presented, client_id) = match question.credential {
            Asked::Key(text) => (Presented::key(text, &self.policy.key_prefix), None),
            Asked::Client { id, secret } => {
                (Presented::client_secret(secret).filter(|_| plain::is_client_id(id)), Some(id))
            }
        };
        let Some(presented) = presented else {
            return Ok(Verdict::unknown(Code::Malformed));
        };
        let source = source(actor, question.address);
        let known = match self.find_known(&presented.tag(&self.secrets), source).await {
            Ok(known) => known,
            // A forged row has raised its alarm; to the caller it does not exist.
            Err(Error::Integrity { .. }) => None,
            Err(error) => return Err(error),
        };
        let known = known.filter(|known| {
            known.client_id() == client_id
                && known
                    .account()
                    .is_some_and(|account| actor.reaches(account.root(), Some(account.id)))
        });
        let Some(known) = known else {
            return Ok(Verdict::unknown(Code::NotFound));
        };
        let standing = self.standing_of(&known).await?;
        let code = known.judge(standing, self.clock.now(), question.address, question.permissions);
        Ok(Verdict::known(code, known))
    }

    /// What is known of a credential: from the cache, else from the store, which is asked only
    /// while `source` has not asked for too much that is not there.
    async fn find_known(&self, tag: &Tag, source: Option<Source>) -> Result<Option<Arc<Known>>> {
        let cache = &self.cluster.cache;
        if let Some(known) = cache.find(tag) {
            return Ok(Some(known));
        }
        if cache.is_unknown(tag, self.clock.monotonic()) {
            return self.still_unknown(source);
        }
        let slot = match cache.enter(tag).await {
            // Somebody else looked the same credential up in the meantime.
            cache::Entered::Known(known) => return Ok(Some(known)),
            cache::Entered::Vacant(slot) => slot,
        };
        if cache.is_unknown(tag, self.clock.monotonic()) {
            return self.still_unknown(source);
        }
        let now = self.clock.monotonic();
        let source = source.filter(|_| !self.misses.is_familiar(tag));
        source.map_or(Ok(()), |source| self.misses.take(source, now))?;
        let epochs = cache.epochs();
        let Some(found) = self.store.find_credential_by_tag(tag).await? else {
            cache.remember_unknown(*tag, self.clock.monotonic());
            return Ok(None);
        };
        if let Some(source) = source {
            self.misses.give_back(source, now);
        }
        let read = known::Read::open(found, tag, &self.secrets)?;
        Ok(Some(cache.fill(slot, read, epochs)))
    }

    /// A bearer pays for a wrong key each time, a question only for a look-up.
    fn still_unknown(&self, source: Option<Source>) -> Result<Option<Arc<Known>>> {
        match source {
            Some(source @ Source::Bearer(_)) => {
                self.misses.charge(source, self.clock.monotonic()).map(|()| None)
            }
            _ => Ok(None),
        }
    }

    /// How a credential's accounts stand, looked up again where a change has made that unknown.
    async fn standing_of(&self, known: &Known) -> Result<known::Standing> {
        let Some(account) = known.account() else {
            return Ok(known::Standing::GOOD);
        };
        if let Some(standing) = account.standing() {
            return Ok(standing);
        }
        let root = account.root();
        let mut standing = known::Standing::GOOD;
        for slot in std::iter::once(account).chain(account.parent()) {
            let epochs = self.cluster.cache.epochs();
            // The head first: a change between the two reads makes the head too old, never too new.
            let revision = self.store.find_revision(root).await?;
            let found = self.store.find_account(root, slot.id).await?;
            let account = found.map(|account| account.open(&self.secrets)).transpose();
            let status = match account {
                Ok(Some(account)) => self.cluster.cache.refresh(slot, &account, revision, epochs),
                // Gone or forged: nothing of it is believed.
                Ok(None) | Err(Error::Integrity { .. }) => crate::accounts::AccountStatus::Closed,
                Err(error) => return Err(error),
            };
            standing = standing.and(status);
        }
        Ok(standing)
    }
}

/// Who answers for a question about a credential that does not exist: the end client where its
/// address is named, so that one who guesses leaves the caller's other clients alone. The operator
/// answers to nobody.
fn source(actor: &Actor, address: Option<IpAddr>) -> Option<Source> {
    match (actor, address) {
        (Actor::Operator(_), _) | (Actor::Member(_), None) => None,
        (Actor::Key(_) | Actor::Member(_), Some(address)) => Some(Source::client(address)),
        (Actor::Key(key), None) => Some(Source::Caller(key.id)),
    }
}
