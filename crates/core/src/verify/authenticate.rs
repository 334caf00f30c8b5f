//! Who presents this bearer key? Management asks the store, so that a revoked key is refused on
//! every node at once; a verification's caller is looked up like any other credential.

use super::known::Read;
use super::{Code, Verifier};
use crate::Plane;
use crate::actor::{Actor, KeyActor, Scope};
use crate::credentials::Owner;
use crate::error::{Error, Result, Unauthenticated};
use crate::permissions::Right;
use crate::secrets::Presented;
use std::net::IpAddr;

const INVALID: Error = Error::NotAuthenticated(Unauthenticated::Invalid);

impl Plane {
    /// The holder of a bearer key, read from the store.
    ///
    /// # Errors
    /// [`Error::NotAuthenticated`] for a key that is unknown or does not verify, without saying
    /// which; [`Error::Unavailable`].
    pub async fn authenticate(&self, bearer: &str, address: Option<IpAddr>) -> Result<Actor> {
        let presented = Presented::key(bearer).ok_or(INVALID)?;
        let tag = presented.tag(&self.secrets);
        let found = self.store.find_credential_by_tag(&tag).await.map_err(refuse)?;
        let found = found.ok_or(INVALID)?;
        let read = Read::open(found, &tag, &self.secrets).map_err(refuse)?;
        let standing = read.standing();
        let owner = read.credential.owner;
        let known = read.to_known();
        if known.judge(standing, self.clock.now(), address, &[]) != Code::Valid {
            return Err(INVALID);
        }
        let (member, scope) = match owner {
            Owner::Account { account, root, member } => {
                (Some(member), Scope::Account { account, root })
            }
            Owner::Platform => (None, Scope::Plane),
            Owner::ServiceAccount { .. } => return Err(INVALID),
        };
        Ok(Actor::Key(KeyActor {
            id: known.id,
            name: read.credential.name.clone(),
            member,
            scope,
            grants: known.grants.clone(),
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
        let presented = Presented::key(bearer).ok_or(INVALID)?;
        let known = self.find_known(&presented.tag(&self.secrets)).await.map_err(refuse)?;
        let known = known.ok_or(INVALID)?;
        let standing = self.standing_of(&known).await.map_err(refuse)?;
        if known.judge(standing, self.clock.now(), address, &[]) != Code::Valid {
            return Err(INVALID);
        }
        let scope = match known.account() {
            Some(account) => Scope::Account { account: account.id, root: account.root() },
            None => Scope::Plane,
        };
        Ok(Verifier { scope, allowed: known.grants.has(Right::KeysVerify) })
    }
}

/// A forged row has raised its alarm; its bearer is a stranger.
fn refuse(error: Error) -> Error {
    match error {
        Error::Integrity { .. } => INVALID,
        error => error,
    }
}
