//! Who presents this bearer key? Management asks the store, so that a revoked key is refused on
//! every node at once; a verification's caller is looked up like any other credential.

use super::foreign;
use super::known::Read;
use super::misses::Source;
use super::{Code, Verifier};
use crate::Plane;
use crate::actor::{Actor, KeyActor, Scope};
use crate::credentials::Owner;
use crate::error::{Error, Result, Unauthenticated};
use crate::permissions::Right;
use crate::secrets::{Presented, Tag};
use std::net::IpAddr;
use std::sync::Arc;

const INVALID: Error = Error::NotAuthenticated(Unauthenticated::Invalid);

impl Plane {
    /// The holder of a bearer key, read from the store.
    ///
    /// # Errors
    /// [`Error::NotAuthenticated`] for a key that is unknown or does not verify, without saying
    /// which; [`Error::RateLimited`] where the address has presented too many of them;
    /// [`Error::Unavailable`].
    pub async fn authenticate(&self, bearer: &str, address: Option<IpAddr>) -> Result<Actor> {
        let source = address.map(Source::bearer);
        let now = self.clock.monotonic();
        let Some(tag) = self.tag_of(bearer, source).await? else {
            return Err(self.misses.refuse(source, now));
        };
        let paying = source.filter(|_| !self.misses.is_familiar(&tag));
        paying.map_or(Ok(()), |source| self.misses.take(source, now))?;
        match self.holder(&tag, address).await {
            Ok(actor) => {
                if let Some(source) = paying {
                    self.misses.give_back(source, now);
                }
                self.misses.remember(tag);
                Ok(actor)
            }
            Err(error @ Error::NotAuthenticated(_)) => {
                self.misses.forget(&tag);
                Err(if paying.is_some() { error } else { self.misses.refuse(source, now) })
            }
            Err(error) => {
                // The store has not said that the key opens nothing.
                if let Some(source) = paying {
                    self.misses.give_back(source, now);
                }
                Err(error)
            }
        }
    }

    /// The tag of a bearer key, Tenantry's own or another system's; none for what opens nothing.
    async fn tag_of(&self, bearer: &str, source: Option<Source>) -> Result<Option<Tag>> {
        if let Some(presented) = Presented::key(bearer) {
            return Ok(Some(presented.tag(&self.secrets)));
        }
        match self.find_foreign(bearer, source).await.map_err(refuse)? {
            foreign::Presented::Known(tag) => Ok(Some(tag)),
            foreign::Presented::Malformed | foreign::Presented::Unknown => Ok(None),
        }
    }

    async fn holder(&self, tag: &Tag, address: Option<IpAddr>) -> Result<Actor> {
        let found = self.store.find_credential_by_tag(tag).await.map_err(refuse)?;
        let found = found.ok_or(INVALID)?;
        let read = Read::open(found, tag, &self.secrets).map_err(refuse)?;
        let standing = read.standing();
        let owner = read.credential.owner;
        let known = read.to_known();
        let now = self.clock.now();
        if known.judge(standing, now, address, &[]) != Code::Valid {
            return Err(INVALID);
        }
        let (member, scope) = match owner {
            Owner::Account { account, root, member } => {
                (Some(member), Scope::Account { account, root })
            }
            Owner::Platform => (None, Scope::Plane),
            Owner::ServiceAccount { .. } => return Err(INVALID),
        };
        self.tally.note_use(known.id, now);
        Ok(Actor::Key(KeyActor {
            id: known.id,
            lineage: read.credential.lineage,
            expires_at: read.credential.expires_at,
            name: read.credential.name,
            member,
            scope,
            grants: known.grants().clone(),
            organization: read.account.filter(|account| account.parent.is_none()).map(Arc::new),
        }))
    }

    /// The holder of a bearer key that asks for a verification, from the cache where it is there.
    ///
    /// # Errors
    /// As [`Self::authenticate`].
    pub async fn authenticate_verifier(
        &self,
        bearer: &str,
        address: Option<IpAddr>,
    ) -> Result<Verifier> {
        let source = address.map(Source::bearer);
        let wrong = || self.misses.refuse(source, self.clock.monotonic());
        let Some(tag) = self.tag_of(bearer, source).await? else {
            return Err(wrong());
        };
        let known = self.find_known(&tag, source).await;
        let known = known.map_err(refuse)?.ok_or(INVALID)?;
        let standing = self.standing_of(&known).await.map_err(refuse)?;
        if known.judge(standing, self.clock.now(), address, &[]) != Code::Valid {
            return Err(wrong());
        }
        let scope = match known.account() {
            Some(account) => Scope::Account { account: account.id, root: account.root() },
            None => Scope::Plane,
        };
        let allowed = known.grants().has(Right::KeysVerify);
        Ok(Verifier { scope, allowed, key: Some(known.id) })
    }
}

/// A forged row has raised its alarm; its bearer is a stranger.
fn refuse(error: Error) -> Error {
    match error {
        Error::Integrity { .. } => INVALID,
        error => error,
    }
}
