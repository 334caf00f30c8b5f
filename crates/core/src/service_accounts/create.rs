//! Creating a service account: with a name and permissions of the caller's choice, or, as the
//! service-accounts contract does, with a generated name and default permissions.

use super::secrets::SecretEnd;
use super::{ServiceAccount, ServiceAccountDetails, ServiceAccountStatus};
use crate::Plane;
use crate::accounts::Account;
use crate::actor::Context;
use crate::audit::{Action, Target};
use crate::clock::Timestamp;
use crate::commit::{Commit, shard_of};
use crate::error::{Conflict, Error, Result};
use crate::ids::{AccountId, ServiceAccountId};
use crate::limits;
use crate::permissions::{PermissionSet, Right};
use crate::replay::{Keep, Once};
use crate::secrets::{PlainSecret, Sealed, plain};
use crate::text::Name;

/// A service account to make.
#[derive(Debug)]
pub struct NewServiceAccount {
    /// Its name; `service-account-YYYYMMDDHHMMSS` unless given.
    pub name: Option<Name>,
    /// What it may do.
    pub permissions: PermissionSet,
    /// When its first secret ends.
    pub secret_expires_at: Option<Timestamp>,
}

impl Default for NewServiceAccount {
    fn default() -> Self {
        let permissions = PermissionSet::service_account();
        Self { name: None, permissions, secret_expires_at: None }
    }
}

/// A service account that was made, and its client secret.
#[derive(Debug)]
pub struct CreatedServiceAccount {
    /// The service account, with its one secret.
    pub details: ServiceAccountDetails,
    /// The plaintext, here and nowhere else.
    pub secret: PlainSecret,
}

impl Plane {
    /// Makes a service account of an account, with its first secret.
    ///
    /// # Errors
    /// [`Error::NotFound`] for an account that does not exist or is somebody else's, a missing
    /// permission, one that would have more than the caller or a secret that outlives it,
    /// [`Conflict::Closed`], [`Conflict::Taken`] for a name that another one has,
    /// [`Error::LimitReached`] at the account's maximum.
    pub async fn create_service_account(
        &self,
        context: &Context,
        account: AccountId,
        new: NewServiceAccount,
        once: Once<'_, CreatedServiceAccount>,
    ) -> Result<CreatedServiceAccount> {
        let owner = self.owner_in_reach(context, account).await?;
        context.actor.require(Right::ServiceAccountsWrite)?;
        context.actor.require_grant(&new.permissions)?;
        owner.require_open()?;
        context.actor.require_end(new.secret_expires_at)?;
        context.actor.require_unlimited()?;
        let maker = self.maker_in(context, &owner.account).await?;
        let created_by = self.store.find_member_by_id(owner.organization.id, maker).await?;
        // Whoever chose a name does not wait for those that draw one.
        let shard = usize::from(shard_of(owner.account.id));
        let _one_at_a_time = match new.name {
            None => Some(self.service_account_names[shard].lock().await),
            Some(_) => None,
        };
        for _ in 0..limits::RETRIES_MAX {
            let now = self.clock.now();
            let name = match &new.name {
                Some(name) => name.clone(),
                None => self.free_service_account_name(&owner.account, now).await?,
            };
            let service_account = ServiceAccount {
                id: ServiceAccountId::generate(&*self.rng, now),
                account: owner.account.id,
                root: owner.organization.id,
                name,
                client_id: plain::generate_client_id(&*self.rng).into(),
                permissions: new.permissions.clone(),
                status: ServiceAccountStatus::Active,
                created_by: maker,
                created_at: now,
                version: 1,
            };
            let end = SecretEnd::new("secret_expires_at", new.secret_expires_at, now)?;
            let (credential, secret) = self.issue_secret(&service_account, end, now);
            let target = Target::ServiceAccount(service_account.id);
            let audit = self
                .audit_event(
                    context,
                    owner.organization.id,
                    now,
                    Action::ServiceAccountCreated,
                    target,
                )
                .with("client_id", &service_account.client_id)
                .with("secret_id", credential.id.to_secret());
            let sealed = Sealed::new(service_account.clone(), &self.secrets);
            let sealed_secret = Sealed::new(credential.clone(), &self.secrets);
            let mut commit = Commit::audited(self.seal(audit));
            let created = CreatedServiceAccount {
                details: ServiceAccountDetails {
                    service_account,
                    secrets: vec![credential],
                    created_by: created_by.clone(),
                    organization: owner.organization.clone(),
                },
                secret,
            };
            let id = created.details.service_account.id;
            once.keep(self, &mut commit, id, Keep::Secret, &created)?;
            let max = self.policy.service_accounts_max;
            match self.store.insert_service_account(&sealed, &sealed_secret, max, commit).await {
                // Somebody took the name or the client id in between: draw again, unless it is
                // the name that was asked for.
                Err(Error::Conflict(Conflict::Taken)) => {
                    if let Some(name) = &new.name
                        && self.is_taken(&owner.account, name).await?
                    {
                        return Err(Error::Conflict(Conflict::Taken));
                    }
                }
                outcome => return outcome.map(|_| created),
            }
        }
        Err(Error::Conflict(Conflict::Taken))
    }

    async fn is_taken(&self, account: &Account, name: &Name) -> Result<bool> {
        let names = self.store.list_service_account_names(account.id, name.as_str()).await?;
        Ok(names.iter().any(|taken| taken == name.as_str()))
    }

    /// `service-account-YYYYMMDDHHMMSS`, or the first of `-2`, `-3` … that is free.
    async fn free_service_account_name(&self, account: &Account, now: Timestamp) -> Result<Name> {
        let time = now.to_utc().ok_or_else(|| Error::internal("the clock is out of range"))?;
        let base = format!("service-account-{}", time.strftime("%Y%m%d%H%M%S"));
        let taken = self.store.list_service_account_names(account.id, &base).await?;
        let name = std::iter::once(base.clone())
            .chain((2..=u32::MAX).map(|number| format!("{base}-{number}")))
            .find(|name| !taken.contains(name))
            .ok_or_else(|| Error::internal("every suffix is taken"))?;
        Name::parse(&name).map_err(Error::internal)
    }
}
