//! Organizations: the root accounts, which only the operator makes and changes.

use super::change::Done;
use super::{Account, AccountLimits, AccountStatus, Entitlement, Entitlements, Profile};
use crate::Plane;
use crate::actor::Context;
use crate::audit::{Action, Target};
use crate::cluster::Effective;
use crate::commit::Commit;
use crate::credentials::{Credential, NewCredential, Owner};
use crate::error::{Conflict, Error, Result};
use crate::ids::{AccountId, CredentialId, MemberId};
use crate::limits;
use crate::members::Member;
use crate::permissions::PermissionSet;
use crate::realms;
use crate::replay::{Keep, Once};
use crate::secrets::{KeyFormat, PlainSecret, Sealed};
use crate::text::{Line, Metadata, Name};

/// An organization to make, with its first member.
#[derive(Debug)]
pub struct NewOrganization {
    /// Its name.
    pub name: Name,
    /// The member's name.
    pub member_name: Name,
    /// The member's e-mail address.
    pub member_email: Line,
}

/// An organization that was made, its first member, and its master key's plaintext.
#[derive(Debug)]
pub struct CreatedOrganization {
    /// The root account.
    pub account: Account,
    /// Its first member.
    pub member: Member,
    /// The master key.
    pub key: Credential,
    /// The plaintext, here and nowhere else.
    pub secret: PlainSecret,
}

/// A page of organizations.
#[derive(Debug)]
pub struct OrganizationPage {
    /// The organizations.
    pub accounts: Vec<Account>,
    /// Where the next page begins after; none where this is the last.
    pub next: Option<AccountId>,
}

impl Plane {
    /// Makes the plane's first organization.
    ///
    /// # Errors
    /// [`Conflict::AlreadyInitialized`] where there is one, [`crate::error::Denial::OperatorOnly`].
    pub async fn initialize(
        &self,
        context: &Context,
        new: NewOrganization,
        once: Once<'_, CreatedOrganization>,
    ) -> Result<CreatedOrganization> {
        context.actor.require_operator()?;
        let _one_at_a_time = self.initializing.lock().await;
        if self.store.has_organizations().await? {
            return Err(Error::Conflict(Conflict::AlreadyInitialized));
        }
        self.create_organization(context, new, once).await
    }

    /// Makes a further organization.
    ///
    /// # Errors
    /// [`crate::error::Denial::OperatorOnly`].
    pub async fn create_organization(
        &self,
        context: &Context,
        new: NewOrganization,
        once: Once<'_, CreatedOrganization>,
    ) -> Result<CreatedOrganization> {
        context.actor.require_operator()?;
        let now = self.clock.now();
        let id = AccountId::generate(&*self.rng, now);
        let member_id = MemberId::generate(&*self.rng, now);
        let member = Member {
            id: member_id,
            account: id,
            realm: realms::LOCAL.into(),
            subject: member_id.to_uuid().into(),
            name: Some(new.member_name),
            email: Some(new.member_email),
        };
        let account = Account {
            id,
            parent: None,
            name: new.name,
            profile: Profile::default(),
            metadata: Metadata::empty(),
            status: AccountStatus::Active,
            entitlements: Entitlements::default(),
            limits: AccountLimits::default(),
            created_by: member.id,
            created_at: now,
            updated_at: now,
            version: 1,
        };
        let (key, secret) = Credential::issue(
            CredentialId::generate(&*self.rng, now),
            NewCredential {
                owner: Owner::Account { account: id, root: id, member: member.id },
                format: KeyFormat::Native,
                name: Name::parse("master").ok(),
                permissions: PermissionSet::master(),
                expires_at: None,
            },
            now,
            self,
        );
        let audit = self
            .audit_event(context, id, now, Action::OrganizationCreated, Target::Account(id))
            .with("key_id", key.id)
            .with("member_id", member.id);
        let account = Sealed::new(account, &self.secrets);
        let key = Sealed::new(key, &self.secrets);
        let mut commit = Commit::audited(self.seal(audit));
        let created = CreatedOrganization {
            account: account.record().clone(),
            member,
            key: key.record().clone(),
            secret,
        };
        once.keep(self, &mut commit, id, Keep::Secret, &created)?;
        self.store.insert_organization(&account, &created.member, &key, commit).await?;
        Ok(created)
    }

    /// Whether the plane has its first organization.
    ///
    /// # Errors
    /// What the store says.
    pub async fn is_initialized(&self) -> Result<bool> {
        self.store.has_organizations().await
    }

    /// Organizations by id, at most a page of them, beginning after `after`. One whose row was
    /// damaged is left out; the alarm was raised where it was read.
    ///
    /// # Errors
    /// [`crate::error::Denial::OperatorOnly`].
    pub async fn list_organizations(
        &self,
        context: &Context,
        after: Option<AccountId>,
    ) -> Result<OrganizationPage> {
        context.actor.require_operator()?;
        let limit = limits::LIST_PAGE_MAX;
        let found = self.store.list_organizations(after, limit).await?;
        let full = found.len() >= limit as usize;
        let next = found.last().filter(|_| full).map(|(id, _)| *id);
        let mut accounts = Vec::with_capacity(found.len());
        for (_, account) in found {
            match account.and_then(|account| account.open(&self.secrets)) {
                Ok(account) => accounts.push(account),
                Err(Error::Integrity { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(OrganizationPage { accounts, next })
    }

    /// Gives an organization an entitlement or takes it away.
    ///
    /// # Errors
    /// [`crate::error::Denial::OperatorOnly`], not found.
    pub async fn entitle_organization(
        &self,
        context: &Context,
        id: AccountId,
        entitlement: Entitlement,
        given: bool,
    ) -> Result<(Account, Effective)> {
        let action = if given { Action::EntitlementGiven } else { Action::EntitlementTaken };
        context.actor.require_operator()?;
        // In a tree of its own id there is no other account than a root account.
        self.change_account(context, (id, id), |account, now| {
            account.entitlements.set(entitlement, given);
            account.touch(now);
            Ok(Some(Done::plainly(action)))
        })
        .await
    }
}
