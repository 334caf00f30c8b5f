//! Revoking a key: final, and true everywhere by a stated time.

use crate::Plane;
use crate::actor::{Actor, Context, KeyActor, Scope};
use crate::audit::{Action, Target};
use crate::cluster::Effective;
use crate::commit::{Change, Commit, Subject};
use crate::credentials::{CredentialStatus, Owner};
use crate::error::{Conflict, Error, Kind, Result};
use crate::ids::{AccountId, CredentialId};
use crate::limits;
use crate::permissions::Right;
use crate::secrets::Sealed;

impl Plane {
    /// Revokes a key of the caller's tree. Every key may revoke itself. Revoking it again changes
    /// nothing and answers the same.
    ///
    /// # Errors
    /// [`Error::NotFound`] for a key that does not exist or is somebody else's, a missing
    /// permission.
    pub async fn revoke_key(&self, context: &Context, id: CredentialId) -> Result<Effective> {
        let not_found = || Error::NotFound(Kind::Key);
        for _ in 0..limits::RETRIES_MAX {
            let itself = matches!(&context.actor, Actor::Key(own) if own.id == id);
            // An operator who names no organization means a platform key.
            let root = match &context.actor {
                Actor::Operator(operator) => operator.organization.unwrap_or(AccountId::PLANE),
                Actor::Key(KeyActor { scope: Scope::Plane, .. }) if itself => AccountId::PLANE,
                actor => actor.organization()?,
            };
            let found = self.store.find_credential(root, id).await?.ok_or_else(not_found)?;
            let mut key = found.open(&self.secrets)?;
            let is_key = match key.owner {
                Owner::Account { .. } => true,
                Owner::Platform => itself || matches!(context.actor, Actor::Operator(_)),
                // A client secret is an object of its service account, not a key.
                Owner::ServiceAccount { .. } => false,
            };
            let visible = key.owner.root() == AccountId::PLANE
                || context.actor.reaches(key.owner.root(), key.owner.account());
            if !is_key || !visible {
                return Err(not_found());
            }
            if !itself {
                context.actor.require(Right::KeysWrite)?;
            }
            let change = Change::new(&*self.rng, root, [Subject::Credential(key.tag)]);
            if matches!(key.status, CredentialStatus::Revoked { .. }) {
                // Whoever revoked it may not have applied that here yet; it must hold before this
                // reply says so.
                let revision = self.store.find_revision(root).await?;
                return self.publish(&change, Ok(Some(revision)));
            }

            let now = self.clock.now();
            key.status = CredentialStatus::Revoked { at: now };
            key.version += 1;
            let audit = self
                .audit_event(context, root, now, Action::KeyRevoked, Target::Key(id))
                .with("key_start", key.start.as_str());
            let commit = Commit::changing(self.seal(audit), change.clone());
            match self.store.update_credential(&Sealed::new(key, &self.secrets), commit).await {
                Err(Error::Conflict(Conflict::Changed)) => {}
                outcome => return self.publish(&change, outcome),
            }
        }
        Err(Error::Conflict(Conflict::Changed))
    }
}
