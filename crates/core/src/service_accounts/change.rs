//! Changing service accounts: name, permissions, off and on, and deleting them.
//!
//! What a cached answer says of a secret is also its service account's, so every change is logged
//! for each secret that verifies.

use super::{ServiceAccount, ServiceAccountDetails, ServiceAccountStatus};
use crate::Plane;
use crate::actor::{Actor, Context};
use crate::audit::{Action, Target};
use crate::clock::Timestamp;
use crate::cluster::Effective;
use crate::commit::{Change, Commit, Subject};
use crate::credentials::Credential;
use crate::error::{Conflict, Error, Result};
use crate::ids::ServiceAccountId;
use crate::limits;
use crate::permissions::{PermissionSet, Right};
use crate::secrets::Sealed;
use crate::text::Name;

/// What is to become of a service account; what is not named stays.
#[derive(Clone, Debug, Default)]
pub struct ServiceAccountChanges {
    /// Its name.
    pub name: Option<Name>,
    /// What it may do.
    pub permissions: Option<PermissionSet>,
    /// Whether its secrets verify.
    pub switch: Option<Switch>,
}

/// Off or on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Switch {
    /// Its secrets verify.
    On,
    /// They do not, until it is switched on again.
    Off,
}

impl Switch {
    const fn status(self) -> ServiceAccountStatus {
        match self {
            Self::On => ServiceAccountStatus::Active,
            Self::Off => ServiceAccountStatus::Disabled,
        }
    }
}

/// A change to make.
#[derive(Clone, Copy)]
enum Wanted<'a> {
    Changes(&'a ServiceAccountChanges),
    Deletion,
}

impl Wanted<'_> {
    fn apply(self, before: &ServiceAccount) -> ServiceAccount {
        let mut after = before.clone();
        match self {
            Self::Changes(changes) => {
                if let Some(name) = &changes.name {
                    after.name.clone_from(name);
                }
                if let Some(permissions) = &changes.permissions {
                    after.permissions.clone_from(permissions);
                }
                if let Some(switch) = changes.switch {
                    after.status = switch.status();
                }
            }
            Self::Deletion => after.status = ServiceAccountStatus::Deleted,
        }
        after
    }
}

impl Plane {
    /// Changes a service account of the caller's tree.
    ///
    /// # Errors
    /// [`Error::NotFound`] for one that does not exist, is deleted or somebody else's; a missing
    /// permission; one that gets more than it had and then has more than the caller, or has a secret
    /// that outlives it; [`Conflict::Taken`] for a name that another one has.
    pub async fn update_service_account(
        &self,
        context: &Context,
        id: ServiceAccountId,
        changes: &ServiceAccountChanges,
    ) -> Result<ServiceAccountDetails> {
        let (details, _) =
            self.change_service_account(context, id, Wanted::Changes(changes)).await?;
        Ok(details)
    }

    /// Switches a service account off until it is switched on again, or on. Doing so again changes
    /// nothing and answers the same.
    ///
    /// # Errors
    /// As [`Self::update_service_account`].
    pub async fn switch_service_account(
        &self,
        context: &Context,
        id: ServiceAccountId,
        switch: Switch,
    ) -> Result<(ServiceAccountDetails, Effective)> {
        let changes =
            ServiceAccountChanges { switch: Some(switch), ..ServiceAccountChanges::default() };
        self.change_service_account(context, id, Wanted::Changes(&changes)).await
    }

    /// Deletes a service account for good. From then on it is not there; its name is free again.
    ///
    /// # Errors
    /// [`Error::NotFound`] for one that does not exist, is deleted or somebody else's; a missing
    /// permission.
    pub async fn delete_service_account(
        &self,
        context: &Context,
        id: ServiceAccountId,
    ) -> Result<(ServiceAccountDetails, Effective)> {
        self.change_service_account(context, id, Wanted::Deletion).await
    }

    async fn change_service_account(
        &self,
        context: &Context,
        id: ServiceAccountId,
        wanted: Wanted<'_>,
    ) -> Result<(ServiceAccountDetails, Effective)> {
        for _ in 0..limits::RETRIES_MAX {
            let (before, organization) = self.service_account_in_reach(context, id).await?;
            context.actor.require(Right::ServiceAccountsWrite)?;
            let mut after = wanted.apply(&before);
            // Read after the service account: a secret that comes in between changes its version.
            let details = self.describe_service_account(before, &organization).await?;
            let before = &details.service_account;
            if gives_more(before, &after) {
                let ends = details.secrets.iter().map(|secret| secret.expires_at);
                require_to_give(&context.actor, &after.permissions, ends)?;
            }
            let change = change_of(self, before, &details.secrets);
            if after == *before {
                // Whoever made it so may not have applied that here yet; it must hold before this
                // reply says so.
                let head = self.store.find_head(organization.id).await?;
                let effective = self.confirm(&change, head);
                return Ok((details, effective));
            }
            after.version += 1;
            let now = self.clock.now();
            let action = action(before, &after);
            let mut audit = self
                .audit_event(context, organization.id, now, action, Target::ServiceAccount(id))
                .with("client_id", &before.client_id)
                .with_version(after.version);
            if after.status != ServiceAccountStatus::Deleted {
                audit = audit.with("changed", changed(before, &after));
            }
            let commit = Commit::changing(self.seal(audit), change.clone());
            let sealed = Sealed::new(after.clone(), &self.secrets);
            match self.store.update_service_account(&sealed, commit).await {
                Err(Error::Conflict(Conflict::Changed)) => {}
                outcome => {
                    let effective = self.publish(&change, outcome)?;
                    let details = ServiceAccountDetails { service_account: after, ..details };
                    return Ok((details, effective));
                }
            }
        }
        Err(Error::Conflict(Conflict::Changed))
    }
}

/// Log rows for each secret that verifies, and for the client that tokens are issued to.
fn change_of(plane: &Plane, service_account: &ServiceAccount, secrets: &[Credential]) -> Change {
    let subjects = secrets.iter().map(|secret| Subject::Credential(secret.tag));
    let subjects = subjects.chain([plane.client_subject(&service_account.client_id)]);
    Change::new(&*plane.rng, service_account.root, subjects)
}

/// Refuses an actor who would give a service account, or whoever holds one of these secrets of it,
/// more than they have or for longer.
pub(super) fn require_to_give(
    actor: &Actor,
    permissions: &PermissionSet,
    ends: impl IntoIterator<Item = Option<Timestamp>>,
) -> Result<()> {
    actor.require_grant(permissions)?;
    actor.require_unlimited()?;
    ends.into_iter().try_for_each(|end| actor.require_end(end))
}

/// True where some request is let in after the change that was not before.
fn gives_more(before: &ServiceAccount, after: &ServiceAccount) -> bool {
    let on =
        |service_account: &ServiceAccount| service_account.status == ServiceAccountStatus::Active;
    !before.permissions.covers(&after.permissions) || (on(after) && !on(before))
}

/// What the trail calls a change; off and on are what is looked for there.
fn action(before: &ServiceAccount, after: &ServiceAccount) -> Action {
    match after.status {
        status if status == before.status => Action::ServiceAccountUpdated,
        ServiceAccountStatus::Active => Action::ServiceAccountEnabled,
        ServiceAccountStatus::Disabled => Action::ServiceAccountDisabled,
        ServiceAccountStatus::Deleted => Action::ServiceAccountDeleted,
    }
}

/// The names of what differs, for the trail, which holds no values.
fn changed(before: &ServiceAccount, after: &ServiceAccount) -> String {
    let differing = [
        ("name", before.name != after.name),
        ("permissions", before.permissions != after.permissions),
        ("status", before.status != after.status),
    ];
    let names: Vec<&str> = differing.iter().filter(|(_, it)| *it).map(|(name, _)| *name).collect();
    names.join(",")
}
