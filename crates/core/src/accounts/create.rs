//! Creating a sub-account with its first key.

use super::{
    Account, AccountLimits, AccountStatus, ConcurrentCalls, Entitlement, Entitlements,
    NewPlacement, Profile,
};
use crate::Plane;
use crate::actor::{Actor, Context, KeyActor};
use crate::audit::{Action, Target};
use crate::clock::Timestamp;
use crate::commit::Commit;
use crate::credentials::{Credential, NewCredential, Owner};
use crate::database::CreatedDatabase;
use crate::error::{Conflict, Denial, Error, Problem, Result};
use crate::ids::{AccountId, CredentialId, MemberId};
use crate::limits;
use crate::permissions::{PermissionSet, Right};
use crate::replay::{Keep, Once};
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
    /// Its own database, if it has one.
    pub database: Option<CreatedDatabase>,
}

impl Plane {
    /// Makes a sub-account under the caller's organization, with its first key.
    ///
    /// # Errors
    /// [`Denial::SubAccountsDoNotNest`] for a sub-account's credential, a missing permission or
    /// entitlement, [`Denial::GrantExceedsOwn`] and [`Denial::EndExceedsOwn`] where the key would
    /// have more than the caller or outlive it, [`Conflict::NotActive`],
    /// [`Error::ConcurrencyExceeded`]; for a database of its own [`Error::Database`],
    /// [`Error::DialsExceeded`].
    pub async fn create_account(
        &self,
        context: &Context,
        new: NewAccount,
        once: Once<'_, CreatedAccount>,
    ) -> Result<CreatedAccount> {
        let maker = self.account_maker(context).await?;
        let (draft, placement) = self.draft_account(context, &maker, new)?;
        let Draft { account, key, secret, mut commit } = draft;
        let created = CreatedAccount {
            account: account.record().clone(),
            root: maker.root,
            key: key.record().clone(),
            secret,
            database: None,
        };
        if let NewPlacement::Dedicated(wanted) = placement {
            self.require_calls(&created).await?;
            return self.create_dedicated(context, wanted, created, (key, commit), once).await;
        }
        once.keep(self, &mut commit, created.account.id, Keep::Secret, &created)?;
        self.store.insert_account(&account, &key, commit).await?;
        Ok(created)
    }

    /// Makes up to [`limits::BULK_ACCOUNTS_MAX`] sub-accounts in one transaction. What a rule
    /// refuses is left out and keeps its place among the answers; of the rest all are made or none.
    ///
    /// # Errors
    /// What refuses the caller, too many accounts, and what the store says.
    pub async fn create_accounts(
        &self,
        context: &Context,
        new: Vec<NewAccount>,
        once: Once<'_, Vec<Result<CreatedAccount>>>,
    ) -> Result<Vec<Result<CreatedAccount>>> {
        if new.len() > limits::BULK_ACCOUNTS_MAX {
            return Err(Error::invalid("accounts", Problem::TooMany(limits::BULK_ACCOUNTS_MAX)));
        }
        let maker = self.account_maker(context).await?;
        let mut rows = Vec::with_capacity(new.len());
        let mut answers = Vec::with_capacity(new.len());
        // As it stands now: who takes of it meanwhile makes the store refuse all of them.
        let mut given = self.store.find_given_calls(maker.root.id).await?;
        for new in new {
            // Each takes seconds, and together they are one transaction.
            if matches!(new.placement, NewPlacement::Dedicated(_)) {
                answers.push(Err(Error::invalid("database", Problem::NotInBulk)));
                continue;
            }
            let calls = new.limits.concurrent_calls;
            if let Some(Err(error)) = calls.map(|calls| maker.root.limits.admit(calls, given)) {
                answers.push(Err(error));
                continue;
            }
            answers.push(self.draft_account(context, &maker, new).map(|(draft, _)| {
                given += u64::from(calls.map_or(0, ConcurrentCalls::get));
                let Draft { account, key, secret, commit } = draft;
                let created = CreatedAccount {
                    account: account.record().clone(),
                    root: maker.root.clone(),
                    key: key.record().clone(),
                    secret,
                    database: None,
                };
                rows.push((account, key, commit));
                created
            }));
        }
        if let Some((account, _, commit)) = rows.first_mut() {
            // All of them are one transaction, and the reply to all of them belongs to it once.
            let first = account.record().id;
            once.keep(self, commit, first, Keep::Secret, &answers)?;
            self.store.insert_accounts(rows).await?;
        }
        Ok(answers)
    }

    /// Who may make accounts, and under which organization.
    async fn account_maker(&self, context: &Context) -> Result<Maker> {
        let root_id = context.actor.organization()?;
        if context.actor.is_sub_account() {
            return Err(Error::Forbidden(Denial::SubAccountsDoNotNest));
        }
        context.actor.require(Right::AccountsWrite)?;
        let root = match &context.actor {
            Actor::Key(KeyActor { organization: Some(root), .. }) => Account::clone(root),
            _ => self.organization(root_id).await?,
        };
        // Its keys do not authenticate any more; the operator's do.
        if root.status != AccountStatus::Active {
            return Err(Error::Conflict(Conflict::NotActive));
        }
        let member = match &context.actor {
            Actor::Key(key) => key.member.unwrap_or(root.created_by),
            Actor::Machine(machine) => machine.member,
            Actor::Member(member) => self.record_member(context, root.id, member).await?.id,
            Actor::Operator(_) => root.created_by,
        };
        Ok(Maker { root, member })
    }

    /// Refuses, before anything is made elsewhere for it, an account whose limit is more than there is
    /// to give. The store refuses it again.
    async fn require_calls(&self, created: &CreatedAccount) -> Result<()> {
        match created.account.limits.concurrent_calls {
            Some(calls) => {
                let given = self.store.find_given_calls(created.root.id).await?;
                created.root.limits.admit(calls, given)
            }
            None => Ok(()),
        }
    }

    /// The records of a sub-account, sealed and ready to be stored, and where they are to live.
    fn draft_account(
        &self,
        context: &Context,
        maker: &Maker,
        new: NewAccount,
    ) -> Result<(Draft, NewPlacement)> {
        let root = &maker.root;
        context.actor.require_grant(&new.key.permissions)?;
        context.actor.require_end(new.key.expires_at)?;
        context.actor.require_unlimited()?;
        if let Some(entitlement) = new.entitlement.filter(|e| !root.entitlements.has(*e)) {
            return Err(Error::Forbidden(Denial::NotEntitled(entitlement)));
        }
        let now = self.clock.now();
        if new.key.expires_at.is_some_and(|expiry| expiry <= now) {
            return Err(Error::invalid("key.expires_at", Problem::NotInFuture));
        }
        let account = Account {
            id: AccountId::generate(&*self.rng, now),
            parent: Some(root.id),
            name: new.name,
            profile: new.profile,
            metadata: new.metadata,
            status: AccountStatus::Active,
            entitlements: Entitlements::NONE,
            limits: new.limits,
            created_by: maker.member,
            created_at: now,
            updated_at: now,
            version: 1,
        };
        let (key, secret) = Credential::issue(
            CredentialId::generate(&*self.rng, now),
            NewCredential {
                owner: Owner::Account { account: account.id, root: root.id, member: maker.member },
                format: new.key.format,
                name: new.key.name,
                permissions: new.key.permissions,
                expires_at: new.key.expires_at,
            },
            now,
            self,
        );
        let target = Target::Account(account.id);
        let audit = self
            .audit_event(context, root.id, now, Action::AccountCreated, target)
            .with("key_id", key.id)
            .with("key_start", key.start.as_str());
        let draft = Draft {
            account: Sealed::new(account, &self.secrets),
            key: Sealed::new(key, &self.secrets),
            secret,
            commit: Commit::audited(self.seal(audit)),
        };
        Ok((draft, new.placement))
    }
}

struct Maker {
    root: Account,
    member: MemberId,
}

struct Draft {
    account: Sealed<Account>,
    key: Sealed<Credential>,
    secret: PlainSecret,
    commit: Commit,
}
