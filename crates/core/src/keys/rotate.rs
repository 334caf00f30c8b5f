//! Rotating a key: a new secret of the same line takes its place, and the old one goes on for a
//! grace at most.

use super::Seen;
use super::revoke::revoked;
use crate::Plane;
use crate::actor::Context;
use crate::audit::{Action, Row, Target};
use crate::cluster::Effective;
use crate::commit::{Change, Commit, Subject};
use crate::credentials::{Credential, NewCredential, Superseded};
use crate::error::{Conflict, Error, Problem, Result};
use crate::ids::CredentialId;
use crate::limits;
use crate::permissions::Right;
use crate::replay::{Keep, Once};
use crate::secrets::{KeyFormat, PlainSecret, Sealed};
use std::time::Duration;

/// For how long a rotated key or client secret goes on beside its successor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grace(pub(crate) Duration);

impl Grace {
    /// None: the old secret ends at once.
    pub const NONE: Self = Self(Duration::ZERO);

    /// A grace of whole seconds, 0 to [`limits::ROTATION_GRACE_MAX`].
    ///
    /// # Errors
    /// [`Problem::OutOfRange`].
    pub fn from_seconds(seconds: i64) -> Result<Self, Problem> {
        let max = limits::ROTATION_GRACE_MAX;
        let grace = u64::try_from(seconds).ok().map(Duration::from_secs);
        grace
            .filter(|grace| *grace <= max)
            .map(Self)
            .ok_or(Problem::OutOfRange(0, max.as_secs().cast_signed()))
    }
}

/// A key that was rotated.
#[derive(Debug)]
pub struct RotatedKey {
    /// The key that took its place.
    pub key: Credential,
    /// The plaintext of that one, here and nowhere else.
    pub secret: PlainSecret,
    /// The key that was rotated.
    pub superseded: Credential,
    /// By when what it ends has ended everywhere; not known before the commit, and so not where
    /// the reply is kept for a repetition.
    pub effective: Option<Effective>,
}

impl Plane {
    /// Gives a key a successor with a secret of its own, and all else as it was: owner, name,
    /// format, permissions, end, networks, metadata and line. Of a line two live at most: a key
    /// that was still in its grace from the rotation before is revoked, and so is the rotated one
    /// where there is no grace.
    ///
    /// # Errors
    /// [`Error::NotFound`] for a key that does not exist or is somebody else's, a missing
    /// permission, a key that has more than the caller or outlives it, since its secret is shown
    /// to them; [`Conflict::KeyRevoked`], [`Conflict::KeyExpired`], [`Conflict::KeySuperseded`].
    pub async fn rotate_key(
        &self,
        context: &Context,
        id: CredentialId,
        grace: Grace,
        once: Once<'_, RotatedKey>,
    ) -> Result<RotatedKey> {
        for _ in 0..limits::RETRIES_MAX {
            let seen = self.see_key(&context.actor, id).await?;
            context.actor.require(Right::KeysWrite)?;
            context.actor.require_grant(&seen.key.permissions)?;
            context.actor.require_end(seen.key.expires_at)?;
            // What a limited key gets of its own line is limited with it.
            if context.actor.lineage() != Some(seen.key.lineage) {
                context.actor.require_unlimited()?;
            }
            if let Some(rotated) = self.rotate_once(context, seen, grace, once).await? {
                return Ok(rotated);
            }
        }
        Err(Conflict::Changed.into())
    }

    /// `None` where somebody else changed the key, or one of its line, in between.
    async fn rotate_once(
        &self,
        context: &Context,
        seen: Seen,
        Grace(grace): Grace,
        once: Once<'_, RotatedKey>,
    ) -> Result<Option<RotatedKey>> {
        let line = self.living_line(&seen).await?;
        let Seen { key: old, root, .. } = seen;
        let now = self.clock.now();
        old.require_living(now)?;
        if old.superseded.is_some() {
            return Err(Conflict::KeySuperseded.into());
        }
        let (key, secret) = Credential::issue(
            CredentialId::generate(&*self.rng, now),
            NewCredential {
                owner: old.owner,
                format: match old.format {
                    // What another system draws, nobody draws here.
                    KeyFormat::Imported => KeyFormat::Native,
                    format => format,
                },
                name: old.name.clone(),
                permissions: old.permissions.clone(),
                expires_at: old.expires_at,
            },
            now,
            self,
        );
        let key = Credential {
            allowed_ips: old.allowed_ips.clone(),
            metadata: old.metadata.clone(),
            lineage: old.lineage,
            limits: old.limits,
            ..key
        };
        let until = now.plus(grace);
        let until = old.expires_at.map_or(until, |end| end.min(until));
        let superseded = Some(Superseded { by: key.id, until });
        let superseded = if grace.is_zero() {
            // A time that has come can go away again with a clock that is set back.
            Credential { superseded, ..revoked(old, now) }
        } else {
            Credential { superseded, version: old.version + 1, ..old }
        };
        let earlier: Vec<_> = line.into_iter().filter(|other| other.id != superseded.id).collect();
        let mut audit = self
            .audit_event(context, root, now, Action::KeyRotated, Target::Key(superseded.id))
            .with("key_start", superseded.start.as_str())
            .with("successor_id", key.id)
            .with("successor_start", key.start.as_str());
        audit = audit.with_version(superseded.version).with_row(Row::Credential(key.id), 1);
        let earlier: Vec<_> = earlier.into_iter().map(|other| revoked(other, now)).collect();
        for other in &earlier {
            audit = audit
                .with("also_revoked", other.id)
                .with_row(Row::Credential(other.id), other.version);
        }
        let stale = std::iter::once(&superseded).chain(&earlier);
        let stale = stale.map(|key| Subject::Credential(key.tag));
        let change = Change::new(&*self.rng, root, stale);
        let replaces: Vec<_> = std::iter::once(superseded.clone())
            .chain(earlier)
            .map(|key| Sealed::new(key, &self.secrets))
            .collect();
        let new = Sealed::new(key.clone(), &self.secrets);
        let mut commit = Commit::changing(self.seal(audit), change.clone());
        let rotated = RotatedKey { key, secret, superseded, effective: None };
        once.keep(self, &mut commit, rotated.key.id, Keep::Secret, &rotated)?;
        match self.store.rotate_credential(&new, &replaces, commit).await {
            Err(Error::Conflict(Conflict::Changed)) => Ok(None),
            outcome => {
                let effective = self.publish(&change, outcome)?;
                // A reply that is kept was written before its commit had a place in the log.
                let effective = (!once.is_kept()).then_some(effective);
                Ok(Some(RotatedKey { effective, ..rotated }))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grace_is_thirty_days_at_most() {
        assert_eq!(Grace::from_seconds(0), Ok(Grace(Duration::ZERO)));
        assert_eq!(Grace::from_seconds(2_592_000), Ok(Grace(limits::ROTATION_GRACE_MAX)));
        for seconds in [-1, 2_592_001, i64::MIN, i64::MAX] {
            let refused = Err(Problem::OutOfRange(0, 2_592_000));
            assert_eq!(Grace::from_seconds(seconds), refused, "{seconds}");
        }
    }
}
