//! Revocation (RFC 7009): a client takes one of its tokens back before it ends.

use super::client::AuthenticatedClient;
use crate::Plane;
use crate::actor::Context;
use crate::audit::{Action, Target};
use crate::clock::Timestamp;
use crate::commit::{Change, Commit, Subject};
use crate::error::{Conflict, Error, Result};
use crate::ids::AccountId;
use crate::limits;
use crate::secrets::Tag;
use crate::verify::PresentedToken;

/// A token that was revoked, until it would have ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RevokedToken {
    /// The tag of its id.
    pub tag: Tag,
    /// The root account of its client.
    pub root: AccountId,
    /// When it would have ended.
    pub expires_at: Timestamp,
}

impl Plane {
    /// Revokes a token of this client. What is no token, or none of its own, stays as it is: the
    /// client is not told which.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn revoke_access_token(
        &self,
        context: &Context,
        client: &AuthenticatedClient,
        token: &str,
    ) -> Result<()> {
        let PresentedToken::Known(known) = self.find_token(token).await? else {
            return Ok(());
        };
        let Some(token) = known
            .access_token()
            .filter(|_| known.service_account() == Some(client.service_account()))
        else {
            return Ok(());
        };
        let now = self.clock.now();
        let expires_at = Timestamp::from_seconds(token.expires_at);
        let tag = self.token_tag(&token.id);
        let root = client.client.account.root();
        if expires_at <= now || self.store.find_revocation(root, &tag).await?.1 {
            return Ok(());
        }
        let target = Target::ServiceAccount(client.service_account());
        let audit = self
            .audit_event(context, root, now, Action::TokenRevoked, target)
            .with("token_id", &token.id);
        let change = Change::new(&*self.rng, root, [Subject::Credential(tag)]);
        let commit = Commit::changing(self.seal(audit), change.clone());
        let revoked = RevokedToken { tag, root, expires_at };
        match self.store.insert_revoked_token(&revoked, commit).await {
            // Another request was faster, and has published it or is about to; it holds here first.
            Err(Error::Conflict(Conflict::Taken)) => {
                let head = self.store.find_head(root).await?;
                self.confirm(&change, head);
                Ok(())
            }
            outcome => self.publish(&change, outcome).map(drop),
        }
    }

    /// Forgets revoked tokens that have ended and assertions that cannot be used any more, at most
    /// [`limits::TOKEN_SWEEP_MAX`] of each; answers how many.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn sweep_tokens(&self) -> Result<u64> {
        self.store.sweep_tokens(self.clock.now(), limits::TOKEN_SWEEP_MAX).await
    }
}
