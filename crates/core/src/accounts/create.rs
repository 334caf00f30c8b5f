//! Creating a sub-account with its first key.

use super::{
    Account, AccountLimits, AccountStatus, Entitlement, Entitlements, NewPlacement, Profile,
};
use crate::Plane;
use crate::actor::{Actor, Context};
use crate::audit::{Action, Target};
use crate::clock::Timestamp;
use crate::commit::Commit;
use crate::credentials::{Credential, NewCredential, Owner};
use crate::error::{Conflict, Denial, Error, Problem, Result};
use crate::ids::{AccountId, CredentialId};
use crate::permissions::{PermissionSet, Right};
use crate::secrets::{KeyFormat, PlainSecret, Sealed};
use crate::text::{Metadata, Name};

/// A sub-account to make.
#[derive(Debug)]
pub struct NewAccount {
    /// Its name.
    pub name: Name,
    /// Its profile.
    pub profile: Profile,
    /// The caller's own object.
    pub metadata: Metadata,
    /// Caps to set.
    pub limits: AccountLimits,
    /// Where its records live.
    pub placement: NewPlacement,
    /// Its first key.
    pub key: FirstKey,
    /// The entitlement that the surface's contract asks for.
    pub entitlement: Option<Entitlement>,
}

/// The key that a sub-account is born with.
#[derive(Debug)]
pub struct FirstKey {
    /// How it is spelled: each dialect has its own.
    pub format: KeyFormat,
    /// Its name.
    pub name: Option<Name>,
    /// What it may do; `*:*` unless given.
    pub permissions: PermissionSet,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
}

impl FirstKey {
    /// The usual first key, spelled as `format`.
    #[must_use]
    pub fn usual(format: KeyFormat) -> Self {
        Self { format, name: None, permissions: PermissionSet::sub_account(), expires_at: None }
    }
}

/// A sub-account that was made, its first key, and that key's plaintext.
#[derive(Debug)]
pub struct CreatedAccount {
    /// The account.
    pub account: Account,
    /// The account above it.
    pub root: Account,
    /// The key.
    pub key: Credential,
    /// The plaintext, here and nowhere else.
    pub secret: PlainSecret,
}

impl Plane {
    /// Makes a sub-account under the caller's organization, with its first key.
    ///
    /// # Errors
    /// [`Denial::SubAccountsDoNotNest`] for a sub-account's credential, a missing permission or
    /// entitlement, [`Denial::GrantExceedsOwn`] where the key would have more than the caller,
    /// [`Error::NotImplemented`] for a database of its own.
    pub async fn create_account(
        &self,
        context: &Context,
        new: NewAccount,
    ) -> Result<CreatedAccount> {
        let root_id = context.actor.organization()?;
        if context.actor.is_sub_account() {
            return Err(Error::Forbidden(Denial::SubAccountsDoNotNest));
        }
        context.actor.require(Right::AccountsWrite)?;
        context.actor.require_grant(&new.key.permissions)?;
        let root = self.organization(root_id).await?;
        if let Some(entitlement) = new.entitlement.filter(|e| !root.entitlements.has(*e)) {
            return Err(Error::Forbidden(Denial::NotEntitled(entitlement)));
        }
        if matches!(new.placement, NewPlacement::Dedicated(_)) {
            return Err(Error::NotImplemented("a database of the sub-account's own"));
        }

        // Its keys do not authenticate any more; the operator's do.
        if root.status != AccountStatus::Active {
            return Err(Error::Conflict(Conflict::NotActive));
        }

        let now = self.clock.now();
        if new.key.expires_at.is_some_and(|expiry| expiry <= now) {
            return Err(Error::invalid("key.expires_at", Problem::NotInFuture));
        }
        let member = match &context.actor {
            Actor::Key(key) => key.member.unwrap_or(root.created_by),
            Actor::Member(member) => self.record_member(context, root.id, member).await?.id,
            Actor::Operator(_) => root.created_by,
        };
        let account = Account {
            id: AccountId::generate(&*self.rng, now),
            parent: Some(root.id),
            name: new.name,
            profile: new.profile,
            metadata: new.metadata,
            status: AccountStatus::Active,
            entitlements: Entitlements::NONE,
            limits: new.limits,
            created_by: member,
            created_at: now,
            updated_at: now,
            version: 1,
        };
        let (key, secret) = Credential::issue(
            CredentialId::generate(&*self.rng, now),
            NewCredential {
                owner: Owner::Account { account: account.id, root: root.id, member },
                format: new.key.format,
                name: new.key.name,
                permissions: new.key.permissions,
                expires_at: new.key.expires_at,
            },
            now,
            self,
        );
        let audit = self
            .audit_event(context, root.id, now, Action::AccountCreated, Target::Account(account.id))
            .with("key_id", key.id)
            .with("key_start", key.start.as_str());
        let account = Sealed::new(account, &self.secrets);
        let key = Sealed::new(key, &self.secrets);
        self.store.insert_account(&account, &key, Commit::audited(self.seal(audit))).await?;
        Ok(CreatedAccount { account: account.into_record(), root, key: key.into_record(), secret })
    }
}
