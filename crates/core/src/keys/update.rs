//! Changing what a key may do and what is said of it.

use super::{NewKeyLimits, Seen};
use crate::Plane;
use crate::actor::Context;
use crate::audit::{Action, Target};
use crate::clock::Timestamp;
use crate::commit::{Change, Commit, Subject};
use crate::credentials::Credential;
use crate::error::{Conflict, Error, Problem, Result};
use crate::ids::CredentialId;
use crate::limits;
use crate::permissions::{PermissionSet, Right};
use crate::rates::Rates;
use crate::secrets::Sealed;
use crate::text::{Metadata, Name};
use crate::uses::Refill;
use ipnet::IpNet;
use std::time::Duration;

/// What is to become of a key; what is not named stays.
#[derive(Debug, Default)]
pub struct KeyChanges {
    /// Its name, or none.
    pub name: Option<Option<Name>>,
    /// What it may do.
    pub permissions: Option<PermissionSet>,
    /// When it ends, or that it does not.
    pub expires_at: Option<Option<Timestamp>>,
    /// Where it may come from; empty means anywhere.
    pub allowed_ips: Option<Vec<IpNet>>,
    /// The caller's own object.
    pub metadata: Option<Metadata>,
    /// Its rates.
    pub rates: Option<Rates>,
    /// Uses to give it anew, or none to count.
    pub uses: Option<Option<(i64, Option<Refill>)>>,
}

impl KeyChanges {
    fn apply(&self, before: &Credential, now: Timestamp) -> Result<Credential> {
        let mut key = before.clone();
        if let Some(name) = &self.name {
            key.name.clone_from(name);
        }
        if let Some(permissions) = &self.permissions {
            key.permissions.clone_from(permissions);
        }
        if let Some(expires_at) = self.expires_at {
            key.expires_at = expires_at;
        }
        if let Some(allowed_ips) = &self.allowed_ips {
            key.allowed_ips.clone_from(allowed_ips);
        }
        if let Some(metadata) = &self.metadata {
            key.metadata.clone_from(metadata);
        }
        if let Some(rates) = self.rates {
            key.limits.rates = rates;
        }
        if let Some(uses) = self.uses {
            // A grant is later than the one before it, whatever the clock says.
            let earlier = before.limits.uses.map(|uses| uses.granted_at());
            let now = earlier.map_or(now, |at| now.max(at.plus(Duration::from_micros(1))));
            key.limits.uses = NewKeyLimits { uses, ..NewKeyLimits::default() }.given(now)?.uses;
        }
        Ok(key)
    }
}

impl Plane {
    /// Changes a key of the caller's tree.
    ///
    /// Where the key gets more than it had, whatever it then has must be the caller's to give: a
    /// weak caller does not prolong a strong key, nor free it of its networks.
    ///
    /// # Errors
    /// [`Error::NotFound`] for a key that does not exist or is somebody else's, a missing
    /// permission, a key that would have more than the caller or outlive it, an end that is past,
    /// [`Conflict::KeyRevoked`], [`Conflict::KeyExpired`].
    pub async fn update_key(
        &self,
        context: &Context,
        id: CredentialId,
        changes: &KeyChanges,
    ) -> Result<Credential> {
        for _ in 0..limits::RETRIES_MAX {
            let Seen { key: before, root, .. } = self.see_key(&context.actor, id).await?;
            context.actor.require(Right::KeysWrite)?;
            let now = self.clock.now();
            let mut key = changes.apply(&before, now)?;
            if gives_more(&before, &key) {
                context.actor.require_grant(&key.permissions)?;
                context.actor.require_end(key.expires_at)?;
                context.actor.require_unlimited()?;
            }
            before.require_living(now)?;
            if changes.expires_at.flatten().is_some_and(|end| end <= now) {
                return Err(Error::invalid("expires_at", Problem::NotInFuture));
            }
            if key == before {
                return Ok(key);
            }
            key.version += 1;
            let change = Change::new(&*self.rng, root, [Subject::Credential(key.tag)]);
            let audit = self
                .audit_event(context, root, now, Action::KeyUpdated, Target::Key(id))
                .with("key_start", key.start.as_str())
                .with("changed", changed(&before, &key))
                .with_version(key.version);
            let commit = Commit::changing(self.seal(audit), change.clone());
            let sealed = Sealed::new(key.clone(), &self.secrets);
            match self.store.update_credential(&sealed, commit).await {
                Err(Error::Conflict(Conflict::Changed)) => {}
                outcome => {
                    self.publish(&change, outcome)?;
                    return Ok(key);
                }
            }
        }
        Err(Conflict::Changed.into())
    }
}

/// The names of what differs, for the trail, which holds no values.
fn changed(before: &Credential, after: &Credential) -> String {
    let differing = [
        ("name", before.name != after.name),
        ("permissions", before.permissions != after.permissions),
        ("expires_at", before.expires_at != after.expires_at),
        ("allowed_ips", before.allowed_ips != after.allowed_ips),
        ("metadata", before.metadata != after.metadata),
        ("limits", before.limits != after.limits),
    ];
    let names: Vec<&str> = differing.iter().filter(|(_, it)| *it).map(|(name, _)| *name).collect();
    names.join(",")
}

/// True where some request or some instant is let in after the change that was not before.
fn gives_more(before: &Credential, after: &Credential) -> bool {
    let end = |key: &Credential| key.expires_at.map_or(i64::MAX, Timestamp::micros);
    !before.permissions.covers(&after.permissions)
        || end(after) > end(before)
        || opens(&before.allowed_ips, &after.allowed_ips)
        || after.limits.give_more_than(&before.limits)
}

/// True where the list after lets an address in that the list before does not, or may.
fn opens(before: &[IpNet], after: &[IpNet]) -> bool {
    let held = |net: &IpNet| before.iter().any(|wide| wide.contains(net));
    !before.is_empty() && (after.is_empty() || !after.iter().all(held))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_list_that_lets_more_in_opens() {
        let list = |texts: &[&str]| -> Vec<IpNet> {
            texts.iter().map(|text| text.parse().expect("a network")).collect()
        };
        let wide = &["10.0.0.0/8", "2001:db8::/32"][..];
        for (before, after, opened) in [
            (&[][..], wide, false),
            (&[], &[], false),
            (wide, wide, false),
            (wide, &["10.1.0.0/16"], false),
            (wide, &["10.1.0.0/16", "2001:db8:1::/48"], false),
            (wide, &[], true),
            (wide, &["0.0.0.0/0"], true),
            (wide, &["10.0.0.0/8", "192.0.2.1/32"], true),
            (wide, &["::/0"], true),
        ] {
            assert_eq!(opens(&list(before), &list(after)), opened, "{before:?} {after:?}");
        }
    }
}
