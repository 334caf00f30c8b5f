//! Creating a service account, as the service-accounts contract does: no body, a generated name,
//! default permissions.

use super::{ServiceAccount, ServiceAccountStatus};
use crate::Plane;
use crate::accounts::{Account, AccountStatus};
use crate::actor::{Actor, Context};
use crate::audit::{Action, Target};
use crate::clock::Timestamp;
use crate::commit::{Commit, shard_of};
use crate::credentials::{Credential, NewCredential, Owner};
use crate::error::{Conflict, Denial, Error, Result};
use crate::ids::{CredentialId, ServiceAccountId};
use crate::limits;
use crate::members::Member;
use crate::permissions::{PermissionSet, Right};
use crate::replay::{Keep, Once};
use crate::secrets::{KeyFormat, PlainSecret, Sealed, plain};
use crate::text::Name;

/// A service account that was made, and its client secret.
#[derive(Debug)]
pub struct CreatedServiceAccount {
    /// The service account.
    pub service_account: ServiceAccount,
    /// The member who made it.
    pub created_by: Member,
    /// The organization that it belongs to.
    pub tenant: Account,
    /// The plaintext, here and nowhere else.
    pub secret: PlainSecret,
}

impl Plane {
    /// Makes a service account of the organization that the caller's token was admitted to.
    ///
    /// # Errors
    /// A missing role, [`Error::LimitReached`] at the organization's maximum.
    pub async fn create_service_account(
        &self,
        context: &Context,
        once: Once<'_, CreatedServiceAccount>,
    ) -> Result<CreatedServiceAccount> {
        let Actor::Member(actor) = &context.actor else {
            return Err(Error::Forbidden(Denial::Role));
        };
        context.actor.require(Right::ServiceAccountsWrite)?;
        // A tenant that does not exist is refused like one that is not the token's.
        let mismatch = || Error::Forbidden(Denial::TenantMismatch);
        let tenant = match self.organization(actor.tenant).await {
            Err(Error::NotFound(_)) => return Err(mismatch()),
            outcome => outcome?,
        };
        if tenant.status != AccountStatus::Active {
            return Err(mismatch());
        }
        let member = self.record_member(context, tenant.id, actor).await?;
        let shard = usize::from(shard_of(tenant.id));
        let _one_at_a_time = self.service_account_names[shard].lock().await;
        for _ in 0..limits::RETRIES_MAX {
            let now = self.clock.now();
            let name = self.free_service_account_name(&tenant, now).await?;
            let service_account = ServiceAccount {
                id: ServiceAccountId::generate(&*self.rng, now),
                account: tenant.id,
                root: tenant.id,
                name,
                client_id: plain::generate_client_id(&*self.rng).into(),
                permissions: PermissionSet::service_account(),
                status: ServiceAccountStatus::Active,
                created_by: member.id,
                created_at: now,
                version: 1,
            };
            let (credential, secret) = Credential::issue(
                CredentialId::generate(&*self.rng, now),
                NewCredential {
                    owner: Owner::ServiceAccount {
                        service_account: service_account.id,
                        account: tenant.id,
                        root: tenant.id,
                    },
                    format: KeyFormat::ClientSecret,
                    name: None,
                    permissions: PermissionSet::default(),
                    expires_at: None,
                },
                now,
                self,
            );
            let target = Target::ServiceAccount(service_account.id);
            let audit = self
                .audit_event(context, tenant.id, now, Action::ServiceAccountCreated, target)
                .with("client_id", &service_account.client_id)
                .with("secret_id", credential.id);
            let service_account = Sealed::new(service_account, &self.secrets);
            let credential = Sealed::new(credential, &self.secrets);
            let mut commit = Commit::audited(self.seal(audit));
            let created = CreatedServiceAccount {
                service_account: service_account.record().clone(),
                created_by: member.clone(),
                tenant: tenant.clone(),
                secret,
            };
            let id = created.service_account.id;
            once.keep(self, &mut commit, id, Keep::Secret, &created)?;
            let max = self.policy.service_accounts_max;
            match self
                .store
                .insert_service_account(&service_account, &credential, max, commit)
                .await
            {
                // Somebody took the name or the client id in between: draw again.
                Err(Error::Conflict(Conflict::Taken)) => {}
                outcome => {
                    outcome?;
                    return Ok(created);
                }
            }
        }
        Err(Error::Conflict(Conflict::Taken))
    }

    /// `service-account-YYYYMMDDHHMMSS`, or the first of `-2`, `-3` … that is free.
    async fn free_service_account_name(&self, tenant: &Account, now: Timestamp) -> Result<Name> {
        let time = now.to_utc().ok_or_else(|| Error::internal("the clock is out of range"))?;
        let base = format!("service-account-{}", time.strftime("%Y%m%d%H%M%S"));
        let taken = self.store.list_service_account_names(tenant.id, &base).await?;
        let name = std::iter::once(base.clone())
            .chain((2..=u32::MAX).map(|number| format!("{base}-{number}")))
            .find(|name| !taken.contains(name))
            .ok_or_else(|| Error::internal("every suffix is taken"))?;
        Name::parse(&name).map_err(Error::internal)
    }
}
