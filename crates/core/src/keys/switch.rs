//! Switching keys off and on again.

use super::Seen;
use crate::Plane;
use crate::actor::Context;
use crate::audit::{Action, Target};
use crate::cluster::Effective;
use crate::commit::{Change, Commit, Subject};
use crate::credentials::CredentialStatus;
use crate::error::{Conflict, Error, Result};
use crate::ids::CredentialId;
use crate::limits;
use crate::permissions::Right;
use crate::secrets::Sealed;

impl Plane {
    /// Switches a key off until it is switched on again. Its predecessor, if that is in its grace,
    /// goes on: a key is switched by itself.
    ///
    /// # Errors
    /// [`Error::NotFound`] for a key that does not exist or is somebody else's, a missing
    /// permission, [`Conflict::KeyRevoked`], [`Conflict::KeyExpired`].
    pub async fn disable_key(&self, context: &Context, id: CredentialId) -> Result<Effective> {
        self.switch_key(context, id, CredentialStatus::Disabled, Action::KeyDisabled).await
    }

    /// Switches a key on again, which gives what it may do anew.
    ///
    /// # Errors
    /// As [`Self::disable_key`], and a key that has more than the caller or outlives it.
    pub async fn enable_key(&self, context: &Context, id: CredentialId) -> Result<Effective> {
        self.switch_key(context, id, CredentialStatus::Active, Action::KeyEnabled).await
    }

    async fn switch_key(
        &self,
        context: &Context,
        id: CredentialId,
        wanted: CredentialStatus,
        action: Action,
    ) -> Result<Effective> {
        for _ in 0..limits::RETRIES_MAX {
            let Seen { mut key, root, .. } = self.see_key(&context.actor, id).await?;
            context.actor.require(Right::KeysWrite)?;
            if wanted == CredentialStatus::Active {
                context.actor.require_grant(&key.permissions)?;
                context.actor.require_end(key.expires_at)?;
                context.actor.require_unlimited()?;
            }
            let now = self.clock.now();
            key.require_living(now)?;
            let change = Change::new(&*self.rng, root, [Subject::Credential(key.tag)]);
            if key.status == wanted {
                // Whoever switched it may not have applied that here yet; it must hold before this
                // reply says so.
                let head = self.store.find_head(root).await?;
                return Ok(self.confirm(&change, head));
            }
            key.status = wanted;
            key.version += 1;
            let audit = self
                .audit_event(context, root, now, action, Target::Key(id))
                .with("key_start", key.start.as_str())
                .with_version(key.version);
            let commit = Commit::changing(self.seal(audit), change.clone());
            match self.store.update_credential(&Sealed::new(key, &self.secrets), commit).await {
                Err(Error::Conflict(Conflict::Changed)) => {}
                outcome => return self.publish(&change, outcome),
            }
        }
        Err(Conflict::Changed.into())
    }
}
