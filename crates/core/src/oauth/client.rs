//! Who asks for a token: a client that proves itself with a secret or a key (RFC 6749 §2.3).

use super::ClientCredential;
use crate::Plane;
use crate::actor::{Actor, MachineActor};
use crate::clock::Timestamp;
use crate::error::{Error, Result, Unauthenticated};
use crate::ids::ServiceAccountId;
use crate::permissions::Grants;
use crate::verify::{Hold, KnownClient};
use std::net::IpAddr;
use std::sync::Arc;

/// What a client presents.
#[derive(Clone, Copy)]
pub enum ClientAuthentication<'a> {
    /// Its id and one of its secrets: `client_secret_basic`, `client_secret_post`.
    Secret {
        /// The client id.
        id: &'a str,
        /// The secret.
        secret: &'a str,
    },
    /// A JWT that it has signed: `private_key_jwt`.
    Assertion {
        /// The JWT.
        jwt: &'a str,
        /// The client id, where it is named beside it.
        id: Option<&'a str>,
    },
}

impl std::fmt::Debug for ClientAuthentication<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ClientAuthentication")
    }
}

/// A client that has proved who it is.
#[derive(Clone, Debug)]
pub struct AuthenticatedClient {
    pub(super) client: Arc<KnownClient>,
    pub(super) credential: ClientCredential,
}

impl AuthenticatedClient {
    /// Its service account.
    #[must_use]
    pub fn service_account(&self) -> ServiceAccountId {
        self.client.id
    }

    /// The client as whoever does something.
    #[must_use]
    pub fn to_actor(&self) -> Actor {
        let grants = Arc::new(Grants::new(self.client.permissions.clone()));
        Actor::Machine(machine(&self.client, grants, self.end()))
    }

    /// When what it has proved itself with ends.
    pub(super) fn end(&self) -> Option<Timestamp> {
        match self.client.hold(&self.credential) {
            Hold::Until(end) => Some(end),
            Hold::Open | Hold::Gone => None,
        }
    }
}

/// A client as whoever does something, with these grants.
pub(crate) fn machine(
    client: &KnownClient,
    grants: Arc<Grants>,
    expires_at: Option<Timestamp>,
) -> MachineActor {
    MachineActor {
        id: client.id,
        client_id: client.client_id.clone(),
        name: client.name.clone(),
        member: client.created_by,
        account: client.account.id,
        root: client.account.root(),
        grants,
        expires_at,
    }
}

pub(super) const INVALID: Error = Error::NotAuthenticated(Unauthenticated::Invalid);

impl Plane {
    /// The client that presents this from `address`.
    ///
    /// # Errors
    /// [`Error::NotAuthenticated`] for whatever does not verify, without saying why;
    /// [`Error::RateLimited`] where the address has presented too much of that;
    /// [`Error::Unavailable`].
    pub async fn authenticate_client(
        &self,
        presented: ClientAuthentication<'_>,
        address: Option<IpAddr>,
    ) -> Result<AuthenticatedClient> {
        match presented {
            ClientAuthentication::Secret { id, secret } => {
                let credential = self.authenticate_secret(id, secret, address).await?;
                let credential = ClientCredential::Secret(credential);
                let client = self.find_client_with(id, &credential).await?;
                let client = client.filter(|client| client.hold(&credential) != Hold::Gone);
                client.map(|client| AuthenticatedClient { client, credential }).ok_or(INVALID)
            }
            ClientAuthentication::Assertion { jwt, id } => {
                self.authenticate_assertion(jwt, id, address).await
            }
        }
    }
}
