//! Rotating a service account's secret: a new one takes the place of those that live, of which the
//! newest goes on for a grace at most.

use super::change::require_to_give;
use super::secrets::{SecretEnd, revoked};
use super::{ServiceAccount, ServiceAccountDetails};
use crate::Plane;
use crate::actor::Context;
use crate::audit::{Action, Row, Target};
use crate::commit::{Change, Commit, Subject};
use crate::credentials::{Credential, Superseded};
use crate::error::{Conflict, Error, Result};
use crate::ids::ServiceAccountId;
use crate::keys::Grace;
use crate::limits;
use crate::permissions::Right;
use crate::replay::{Keep, Once};
use crate::secrets::{PlainSecret, Sealed};

/// A service account whose secret was rotated.
#[derive(Debug)]
pub struct RotatedSecret {
    /// The service account, with the new secret last.
    pub details: ServiceAccountDetails,
    /// The plaintext of the new secret, here and nowhere else.
    pub secret: PlainSecret,
}

impl Plane {
    /// Gives a service account a new secret in the place of those that live. The newest of those
    /// goes on for the grace, never past its own end; any other ends at once, so that two live at
    /// most. The new one has the newest one's end.
    ///
    /// # Errors
    /// [`Error::NotFound`] for a service account that does not exist, is deleted or somebody
    /// else's; a missing permission; one that has more than the caller, to whom the secret is
    /// shown, or a secret that outlives it; [`Conflict::Closed`].
    pub async fn rotate_client_secret(
        &self,
        context: &Context,
        id: ServiceAccountId,
        grace: Grace,
        once: Once<'_, RotatedSecret>,
    ) -> Result<RotatedSecret> {
        for _ in 0..limits::RETRIES_MAX {
            let (service_account, organization) =
                self.service_account_in_reach(context, id).await?;
            context.actor.require(Right::ServiceAccountsWrite)?;
            self.owner_in_reach(context, service_account.account).await?.require_open()?;
            // Read after the service account: a secret that comes in between changes its version.
            let details = self.describe_service_account(service_account, &organization).await?;
            let end = newest(&details.secrets).and_then(|newest| newest.expires_at);
            require_to_give(&context.actor, &details.service_account.permissions, [end])?;
            if let Some(rotated) = self.replace_secrets(context, details, grace, once).await? {
                return Ok(rotated);
            }
        }
        Err(Error::Conflict(Conflict::Changed))
    }

    /// `None` where somebody else changed the service account or one of its secrets in between.
    async fn replace_secrets(
        &self,
        context: &Context,
        details: ServiceAccountDetails,
        Grace(grace): Grace,
        once: Once<'_, RotatedSecret>,
    ) -> Result<Option<RotatedSecret>> {
        let now = self.clock.now();
        let id = details.service_account.id;
        let newest = newest(&details.secrets).cloned();
        let mut earlier = details.secrets;
        earlier.retain(|secret| Some(secret.id) != newest.as_ref().map(|newest| newest.id));
        let end = newest.as_ref().and_then(|newest| newest.expires_at);
        let Ok(end) = SecretEnd::new("expires_at", end, now) else {
            // It ended after it was read.
            return Ok(None);
        };
        let (mut credential, secret) = self.issue_secret(&details.service_account, end, now);
        let mut audit = self.audit_event(
            context,
            details.organization.id,
            now,
            Action::SecretRotated,
            Target::ServiceAccount(id),
        );
        audit = audit
            .with("secret_id", credential.id.to_secret())
            .with_version(details.service_account.version + 1)
            .with_row(Row::Credential(credential.id), credential.version);
        if let Some(newest) = &newest {
            credential.lineage = newest.lineage;
            audit = audit
                .with("superseded_id", newest.id.to_secret())
                .with_row(Row::Credential(newest.id), newest.version + 1);
        }
        for other in &earlier {
            audit = audit
                .with("also_revoked", other.id.to_secret())
                .with_row(Row::Credential(other.id), other.version + 1);
        }
        let stale = earlier.iter().chain(&newest).map(|old| Subject::Credential(old.tag));
        let client = self.client_subject(&details.service_account.client_id);
        let change = Change::new(&*self.rng, details.organization.id, stale.chain([client]));

        let superseded = newest.map(|newest| {
            if grace.is_zero() {
                // A time that has come can go away again with a clock that is set back.
                revoked(newest, now)
            } else {
                let until = now.plus(grace);
                // One that is in its grace already, its successor being revoked, gets no more.
                let until = newest.ends_at().map_or(until, |end| end.min(until));
                let superseded = Some(Superseded { by: credential.id, until });
                Credential { superseded, version: newest.version + 1, ..newest }
            }
        });
        let replaces: Vec<_> = earlier
            .into_iter()
            .map(|other| revoked(other, now))
            .chain(superseded.clone())
            .map(|old| Sealed::new(old, &self.secrets))
            .collect();
        let service_account = ServiceAccount {
            version: details.service_account.version + 1,
            ..details.service_account
        };
        let sealed_account = Sealed::new(service_account.clone(), &self.secrets);
        let sealed_secret = Sealed::new(credential.clone(), &self.secrets);
        let mut commit = Commit::changing(self.seal(audit), change.clone());
        let secrets = superseded.filter(|_| !grace.is_zero()).into_iter().chain([credential]);
        let details =
            ServiceAccountDetails { service_account, secrets: secrets.collect(), ..details };
        let rotated = RotatedSecret { details, secret };
        once.keep(
            self,
            &mut commit,
            sealed_secret.record().id.to_secret(),
            Keep::Secret,
            &rotated,
        )?;
        let outcome = self
            .store
            .insert_client_secret(&sealed_account, &sealed_secret, &replaces, commit)
            .await;
        match outcome {
            Err(Error::Conflict(Conflict::Changed)) => Ok(None),
            outcome => self.publish(&change, outcome).map(|_| Some(rotated)),
        }
    }
}

/// The secret that is in use: one that has a successor is not, whatever its id says, which within
/// a millisecond is chance.
fn newest(secrets: &[Credential]) -> Option<&Credential> {
    secrets.iter().max_by_key(|secret| (secret.superseded.is_none(), secret.created_at, secret.id))
}
