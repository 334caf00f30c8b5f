//! Who presents this bearer key? Management asks the store, so that a revoked key is refused on
//! every node at once; a verification's caller is looked up like any other credential.

use super::clients::{Hold, KnownClient};
use super::foreign;
use super::known::{Known, Read, Standing};
use super::misses::Source;
use super::tokens::{PresentedToken, ReadToken};
use super::{Code, Verifier};
use crate::Plane;
use crate::actor::{Actor, KeyActor, Scope};
use crate::credentials::Owner;
use crate::error::{Error, Result, Unauthenticated};
use crate::ids::CredentialId;
use crate::jwt::looks_like_jwt;
use crate::oauth::machine;
use crate::permissions::Right;
use crate::secrets::plain::is_client_id;
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

    /// The holder of a bearer access token of a service account, with all that it rests on read from
    /// the store.
    ///
    /// # Errors
    /// As [`Self::authenticate`].
    pub async fn authenticate_token(&self, bearer: &str, address: Option<IpAddr>) -> Result<Actor> {
        let wrong = || self.misses.refuse(address.map(Source::bearer), self.clock.monotonic());
        let Some(read) = self.read_token(bearer).await.map_err(refuse)? else {
            return Err(wrong());
        };
        let ReadToken { known, token, client, standing } = read;
        let now = self.clock.now();
        if !self.is_for_us(&known) || known.judge(standing, now, address, &[]) != Code::Valid {
            return Err(wrong());
        }
        self.tally.note_use(known.id, now);
        // What it makes may live as long as what the token was got with.
        let end = match client.hold(&token.credential) {
            Hold::Until(end) => Some(end),
            Hold::Open | Hold::Gone => None,
        };
        Ok(Actor::Machine(machine(&client, known.grants().clone(), end)))
    }

    /// True for a token that is for Tenantry itself.
    fn is_for_us(&self, known: &Known) -> bool {
        known.access_token().is_some_and(|token| token.is_only_for(self.issuer()))
    }

    /// The id of a client's secret that is good.
    ///
    /// # Errors
    /// As [`Self::authenticate`].
    pub(crate) async fn authenticate_secret(
        &self,
        client_id: &str,
        secret: &str,
        address: Option<IpAddr>,
    ) -> Result<CredentialId> {
        let source = address.map(Source::bearer);
        let wrong = || self.misses.refuse(source, self.clock.monotonic());
        let presented = Presented::client_secret(secret).filter(|_| is_client_id(client_id));
        let Some(presented) = presented else {
            return Err(wrong());
        };
        let known = self.find_known(&presented.tag(&self.secrets), source).await;
        let known = known.map_err(refuse)?.ok_or(INVALID)?;
        let standing = self.standing_of(&known).await.map_err(refuse)?;
        let now = self.clock.now();
        let good = known.judge(standing, now, address, &[]) == Code::Valid;
        if !good || known.client_id() != Some(client_id) {
            return Err(wrong());
        }
        self.tally.note_use(known.id, now);
        Ok(known.id)
    }

    /// Whether the accounts of a client let it act.
    pub(crate) async fn is_account_good(&self, client: &KnownClient) -> Result<bool> {
        let standing = self.standing_of_account(&client.account).await.map_err(refuse)?;
        Ok(standing == Standing::GOOD)
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
            limited: !read.credential.limits.is_nothing(),
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
        if looks_like_jwt(bearer) {
            let found = self.find_token(bearer).await.map_err(refuse)?;
            return match found {
                PresentedToken::Known(known) if self.is_for_us(&known) => {
                    self.verifier(&known, address).await?.ok_or_else(wrong)
                }
                _ => Err(wrong()),
            };
        }
        let Some(tag) = self.tag_of(bearer, source).await? else {
            return Err(wrong());
        };
        let known = self.find_known(&tag, source).await;
        let known = known.map_err(refuse)?.ok_or(INVALID)?;
        self.verifier(&known, address).await?.ok_or_else(wrong)
    }

    async fn verifier(&self, known: &Known, address: Option<IpAddr>) -> Result<Option<Verifier>> {
        let standing = self.standing_of(known).await.map_err(refuse)?;
        if known.judge(standing, self.clock.now(), address, &[]) != Code::Valid {
            return Ok(None);
        }
        let scope = match known.account() {
            Some(account) => Scope::Account { account: account.id, root: account.root() },
            None => Scope::Plane,
        };
        let allowed = known.grants().has(Right::KeysVerify);
        let leases = known.grants().has(Right::LeasesWrite);
        Ok(Some(Verifier { scope, allowed, leases, asks: Some(known.id) }))
    }
}

/// A forged row has raised its alarm; its bearer is a stranger.
fn refuse(error: Error) -> Error {
    match error {
        Error::Integrity { .. } => INVALID,
        error => error,
    }
}
