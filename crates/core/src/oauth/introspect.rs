//! Introspection (RFC 7662): what a token or key is, for a server that was shown it.

use super::client::AuthenticatedClient;
use super::scope;
use crate::Plane;
use crate::actor::Scope;
use crate::error::{Denial, Error, Result};
use crate::ids::ServiceAccountId;
use crate::permissions::{Grants, Right};
use crate::verify::{Asked, Code, Kind, Known, Question, Verifier};

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub struct Introspector {
    verifier: Verifier,
    /// A client that may not ask about others is told of its own tokens alone.
    own: Option<ServiceAccountId>,
}

impl Introspector {
    /// The holder of a key or token, who needs the permission to verify.
    ///
    /// # Errors
    /// [`Denial::Permission`].
    pub fn bearer(verifier: Verifier) -> Result<Self> {
        if verifier.may_verify() {
            Ok(Self { verifier, own: None })
        } else {
            Err(Error::Forbidden(Denial::Permission(Right::KeysVerify)))
        }
    }

    /// A client: of its own tokens, and of its tree's with the permission to verify.
    #[must_use]
    pub fn client(client: &AuthenticatedClient) -> Self {
        let account = &client.client.account;
        let may_verify = Grants::new(client.client.permissions.clone()).has(Right::KeysVerify);
        let scope = Scope::Account { account: account.id, root: account.root() };
        let own = (!may_verify).then_some(client.client.id);
        Self { verifier: Verifier::of_client(scope, client.client.id), own }
    }
}

/// What is told of an active token or key.
#[derive(Clone, Debug)]
pub struct Introspected {
    /// What is known of it.
    pub known: Known,
    /// What it may do, permissions with blanks between; none where that is nothing.
    pub scope: Option<String>,
}

impl Plane {
    /// What a token or key is, where it is good and the caller's to know.
    ///
    /// # Errors
    /// As [`Plane::verify`].
    pub async fn introspect(
        &self,
        introspector: Introspector,
        token: &str,
    ) -> Result<Option<Introspected>> {
        let question = Question::of(Asked::Key(token));
        let verdict = self.recognize(introspector.verifier, &question).await?;
        let known = verdict.known.filter(|_| verdict.code == Code::Valid);
        let known = known.filter(|known| match introspector.own {
            None => true,
            Some(own) => known.kind() == Kind::AccessToken && known.service_account() == Some(own),
        });
        Ok(known.map(|known| {
            let scope = scope::print(known.grants().set());
            Introspected { known, scope: (!scope.is_empty()).then_some(scope) }
        }))
    }
}
