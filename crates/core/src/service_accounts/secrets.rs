//! Further secrets of a service account, and revoking one.

use super::ServiceAccount;
use super::change::require_to_give;
use crate::Plane;
use crate::actor::Context;
use crate::audit::{Action, Row, Target};
use crate::clock::Timestamp;
use crate::cluster::Effective;
use crate::commit::{Change, Commit, Subject};
use crate::credentials::{Credential, CredentialStatus, NewCredential, Owner};
use crate::error::{Conflict, Error, Kind, Problem, Result};
use crate::ids::{CredentialId, ServiceAccountId};
use crate::limits;
use crate::permissions::{PermissionSet, Right};
use crate::replay::{Keep, Once};
use crate::secrets::{KeyFormat, PlainSecret, Sealed};

/// A client secret that was made, and its plaintext.
#[derive(Debug)]
pub struct CreatedSecret {
    /// The secret's record.
    pub credential: Credential,
    /// The plaintext, here and nowhere else.
    pub secret: PlainSecret,
}

/// When a new secret ends, if it does: in the future.
#[derive(Clone, Copy)]
pub(super) struct SecretEnd(Option<Timestamp>);

impl SecretEnd {
    pub(super) fn new(field: &'static str, end: Option<Timestamp>, now: Timestamp) -> Result<Self> {
        if end.is_some_and(|end| end <= now) {
            return Err(Error::invalid(field, Problem::NotInFuture));
        }
        Ok(Self(end))
    }
}

impl Plane {
    /// Makes a further secret of a service account, of which [`limits::CLIENT_SECRETS_MAX`] live
    /// at most. Whoever gets a secret gets what its service account may do.
    ///
    /// # Errors
    /// [`Error::NotFound`] for a service account that does not exist, is deleted or somebody
    /// else's; a missing permission; one that has more than the caller, or a secret that outlives
    /// it; [`Conflict::Closed`], [`Error::LimitReached`].
    pub async fn create_client_secret(
        &self,
        context: &Context,
        id: ServiceAccountId,
        expires_at: Option<Timestamp>,
        once: Once<'_, CreatedSecret>,
    ) -> Result<CreatedSecret> {
        for _ in 0..limits::RETRIES_MAX {
            let (mut service_account, organization) =
                self.service_account_in_reach(context, id).await?;
            context.actor.require(Right::ServiceAccountsWrite)?;
            require_to_give(&context.actor, &service_account.permissions, [expires_at])?;
            self.owner_in_reach(context, service_account.account).await?.require_open()?;
            // Read after the service account: a secret that comes in between changes its version.
            let live = self.live_secrets(&service_account).await?;
            if live.len() >= limits::CLIENT_SECRETS_MAX {
                let max = u32::try_from(limits::CLIENT_SECRETS_MAX).unwrap_or(u32::MAX);
                return Err(Error::LimitReached { limit: "client_secrets", max });
            }
            let now = self.clock.now();
            let end = SecretEnd::new("expires_at", expires_at, now)?;
            service_account.version += 1;
            let (credential, secret) = self.issue_secret(&service_account, end, now);
            let target = Target::ServiceAccount(id);
            let audit = self
                .audit_event(context, organization.id, now, Action::SecretCreated, target)
                .with("secret_id", credential.id.to_secret())
                .with_version(service_account.version)
                .with_row(Row::Credential(credential.id), credential.version);
            let mut commit = Commit::audited(self.seal(audit));
            let service_account = Sealed::new(service_account, &self.secrets);
            let sealed = Sealed::new(credential.clone(), &self.secrets);
            let created = CreatedSecret { credential, secret };
            let shown = created.credential.id.to_secret();
            once.keep(self, &mut commit, shown, Keep::Secret, &created)?;
            let outcome =
                self.store.insert_client_secret(&service_account, &sealed, &[], commit).await;
            match outcome {
                Err(Error::Conflict(Conflict::Changed)) => {}
                outcome => return outcome.map(|_| created),
            }
        }
        Err(Error::Conflict(Conflict::Changed))
    }

    /// Revokes one secret of a service account. Revoking it again changes nothing and answers the
    /// same.
    ///
    /// # Errors
    /// [`Error::NotFound`] for a service account that does not exist, is deleted or somebody
    /// else's, and for a secret that is not its own; a missing permission.
    pub async fn revoke_client_secret(
        &self,
        context: &Context,
        id: ServiceAccountId,
        secret: CredentialId,
    ) -> Result<Effective> {
        let not_found = || Error::NotFound(Kind::ClientSecret);
        for _ in 0..limits::RETRIES_MAX {
            let (service_account, organization) =
                self.service_account_in_reach(context, id).await?;
            context.actor.require(Right::ServiceAccountsWrite)?;
            let root = organization.id;
            let found = self.store.find_credential(root, secret).await?.ok_or_else(not_found)?;
            let credential = found.open(&self.secrets)?;
            match credential.owner {
                Owner::ServiceAccount { service_account, .. } if service_account == id => {}
                _ => return Err(not_found()),
            }
            // Tokens that were got with it end with it.
            let client = self.client_subject(&service_account.client_id);
            let subjects = [Subject::Credential(credential.tag), client];
            let change = Change::new(&*self.rng, root, subjects);
            if matches!(credential.status, CredentialStatus::Revoked { .. }) {
                // Whoever revoked it may not have applied that here yet; it must hold before this
                // reply says so.
                let head = self.store.find_head(root).await?;
                return Ok(self.confirm(&change, head));
            }
            let now = self.clock.now();
            let target = Target::ServiceAccount(id);
            let revoked = revoked(credential, now);
            let audit = self
                .audit_event(context, root, now, Action::SecretRevoked, target)
                .with("secret_id", secret.to_secret())
                .with_row(Row::Credential(secret), revoked.version);
            let commit = Commit::changing(self.seal(audit), change.clone());
            let revoked = Sealed::new(revoked, &self.secrets);
            match self.store.update_credential(&revoked, commit).await {
                Err(Error::Conflict(Conflict::Changed)) => {}
                outcome => return self.publish(&change, outcome),
            }
        }
        Err(Error::Conflict(Conflict::Changed))
    }

    /// Draws a secret of a service account and builds its record.
    pub(super) fn issue_secret(
        &self,
        service_account: &ServiceAccount,
        SecretEnd(expires_at): SecretEnd,
        now: Timestamp,
    ) -> (Credential, PlainSecret) {
        let new = NewCredential {
            owner: Owner::ServiceAccount {
                service_account: service_account.id,
                account: service_account.account,
                root: service_account.root,
            },
            format: KeyFormat::ClientSecret,
            name: None,
            permissions: PermissionSet::default(),
            expires_at,
        };
        Credential::issue(CredentialId::generate(&*self.rng, now), new, now, self)
    }
}

/// The next version of a secret, revoked.
pub(super) fn revoked(credential: Credential, now: Timestamp) -> Credential {
    Credential {
        status: CredentialStatus::Revoked { at: now },
        version: credential.version + 1,
        ..credential
    }
}
