//! Revoking a key, or its whole line: final, and true everywhere by a stated time.

use super::Seen;
use crate::Plane;
use crate::actor::Context;
use crate::audit::{Action, Row, Target};
use crate::cluster::Effective;
use crate::commit::{Change, Commit, Subject};
use crate::credentials::{Credential, CredentialStatus};
use crate::error::{Conflict, Error, Result};
use crate::ids::CredentialId;
use crate::limits;
use crate::permissions::Right;
use crate::secrets::Sealed;

impl Plane {
    /// Revokes a key of the caller's tree. Every key may revoke itself. Revoking it again changes
    /// nothing and answers the same. For a rotated key this ends its grace.
    ///
    /// # Errors
    /// [`Error::NotFound`] for a key that does not exist or is somebody else's, a missing
    /// permission.
    pub async fn revoke_key(&self, context: &Context, id: CredentialId) -> Result<Effective> {
        for _ in 0..limits::RETRIES_MAX {
            let seen = self.see_key(&context.actor, id).await?;
            if !seen.itself {
                context.actor.require(Right::KeysWrite)?;
            }
            if let Some(effective) = self.revoke_all(context, &seen, Vec::new()).await? {
                return Ok(effective);
            }
        }
        Err(Conflict::Changed.into())
    }

    /// Revokes a key of the caller's tree and every other of its line, before and after it, that
    /// may still verify.
    ///
    /// # Errors
    /// As [`Self::revoke_key`], but no key may do this without the permission: who holds an old
    /// key has no say in the new one.
    pub async fn revoke_key_line(&self, context: &Context, id: CredentialId) -> Result<Effective> {
        for _ in 0..limits::RETRIES_MAX {
            let seen = self.see_key(&context.actor, id).await?;
            context.actor.require(Right::KeysWrite)?;
            let mut others = self.living_line(&seen).await?;
            others.retain(|other| other.id != id);
            if let Some(effective) = self.revoke_all(context, &seen, others).await? {
                return Ok(effective);
            }
        }
        Err(Conflict::Changed.into())
    }

    /// The keys of a key's line that may still verify. A row that is not what was written has
    /// raised its alarm and verifies nothing.
    pub(super) async fn living_line(&self, seen: &Seen) -> Result<Vec<Credential>> {
        let (now, max) = (self.clock.now(), limits::LINEAGE_LIVE_MAX);
        let rows = self.store.list_lineage(seen.root, seen.key.lineage, now, max).await?;
        let mut keys = Vec::with_capacity(rows.len());
        for (_, row) in rows {
            match row.and_then(|row| row.open(&self.secrets)) {
                Ok(key) => keys.push(key),
                Err(Error::Integrity { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(keys)
    }

    /// Revokes a key and others of its line in one transaction; `None` where somebody else changed
    /// one of them in between.
    async fn revoke_all(
        &self,
        context: &Context,
        seen: &Seen,
        others: Vec<Credential>,
    ) -> Result<Option<Effective>> {
        let Seen { key, root, .. } = seen;
        let now = self.clock.now();
        let mut audit = self
            .audit_event(context, *root, now, Action::KeyRevoked, Target::Key(key.id))
            .with("key_start", key.start.as_str());
        for other in &others {
            audit = audit.with("also_revoked", other.id);
        }
        let ended: Vec<_> = std::iter::once(key)
            .chain(&others)
            .filter(|key| !matches!(key.status, CredentialStatus::Revoked { .. }))
            .map(|key| Sealed::new(revoked(key.clone(), now), &self.secrets))
            .collect();
        for ended in &ended {
            let ended = ended.record();
            audit = if ended.id == key.id {
                audit.with_version(ended.version)
            } else {
                audit.with_row(Row::Credential(ended.id), ended.version)
            };
        }
        let subjects = std::iter::once(key).chain(&others).map(|key| Subject::Credential(key.tag));
        let change = Change::new(&*self.rng, *root, subjects);
        if ended.is_empty() {
            // Whoever revoked it may not have applied that here yet; it must hold before this
            // reply says so.
            let head = self.store.find_head(*root).await?;
            return Ok(Some(self.confirm(&change, head)));
        }
        let commit = Commit::changing(self.seal(audit), change.clone());
        match self.store.update_credentials(&ended, commit).await {
            Err(Error::Conflict(Conflict::Changed)) => Ok(None),
            outcome => self.publish(&change, outcome).map(Some),
        }
    }
}

/// The next version of a key, revoked.
pub(super) fn revoked(mut key: Credential, now: crate::clock::Timestamp) -> Credential {
    key.status = CredentialStatus::Revoked { at: now };
    key.version += 1;
    key
}
