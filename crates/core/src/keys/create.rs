//! Making a further key of an account.

use crate::Plane;
use crate::accounts::{Account, AccountStatus};
use crate::actor::{Actor, Context};
use crate::audit::{Action, Target};
use crate::clock::Timestamp;
use crate::commit::Commit;
use crate::credentials::{Credential, KeyLimits, NewCredential, Owner};
use crate::error::{Conflict, Error, Problem, Result};
use crate::ids::{AccountId, CredentialId, MemberId};
use crate::permissions::{PermissionSet, Right};
use crate::rates::Rates;
use crate::replay::{Keep, Once};
use crate::secrets::{KeyFormat, PlainSecret, Sealed};
use crate::text::{Metadata, Name};
use crate::uses::{Refill, Uses};
use ipnet::IpNet;

/// A key to make.
#[derive(Debug)]
pub struct NewKey {
    /// How it is spelled; like the account's first key where it is not said.
    pub format: Option<KeyFormat>,
    /// Its name.
    pub name: Option<Name>,
    /// What it may do.
    pub permissions: PermissionSet,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
    /// Where it may come from; empty means anywhere.
    pub allowed_ips: Vec<IpNet>,
    /// The caller's own object.
    pub metadata: Metadata,
    /// What it is limited to, beside its account.
    pub limits: NewKeyLimits,
}

/// Limits of a key as they are asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NewKeyLimits {
    /// Requests in windows of time.
    pub rates: Rates,
    /// Uses to give it, and after how long they come back.
    pub uses: Option<(i64, Option<Refill>)>,
}

impl NewKeyLimits {
    /// As they are given at `now`.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a number of uses that is out of range.
    pub(super) fn given(self, now: Timestamp) -> Result<KeyLimits> {
        let Self { rates, uses } = self;
        let uses = uses.map(|(limit, refill)| Uses::new(limit, refill, now)).transpose();
        let uses = uses.map_err(|problem| Error::invalid("limits.uses.limit", problem))?;
        Ok(KeyLimits { rates, uses })
    }
}

/// A key that was made, and its plaintext.
#[derive(Debug)]
pub struct CreatedKey {
    /// The key.
    pub key: Credential,
    /// The plaintext, here and nowhere else.
    pub secret: PlainSecret,
}

impl Plane {
    /// Makes a further key of an account.
    ///
    /// # Errors
    /// [`Error::NotFound`] for an account that does not exist or is somebody else's, a missing
    /// permission, a key that would have more than the caller or outlive it, [`Conflict::Closed`],
    /// [`Error::LimitReached`] where the account has as many keys as it may.
    pub async fn create_key(
        &self,
        context: &Context,
        account: AccountId,
        new: NewKey,
        once: Once<'_, CreatedKey>,
    ) -> Result<CreatedKey> {
        let account = self.account_in_reach(context, account).await?;
        context.actor.require(Right::KeysWrite)?;
        context.actor.require_grant(&new.permissions)?;
        context.actor.require_end(new.expires_at)?;
        context.actor.require_unlimited()?;
        if account.status == AccountStatus::Closed {
            return Err(Conflict::Closed.into());
        }
        let format = match new.format {
            Some(format) => format,
            None => self.first_format(&account).await?,
        };
        let member = self.maker_in(context, &account).await?;
        let now = self.clock.now();
        if new.expires_at.is_some_and(|end| end <= now) {
            return Err(Error::invalid("expires_at", Problem::NotInFuture));
        }
        let (key, secret) = Credential::issue(
            CredentialId::generate(&*self.rng, now),
            NewCredential {
                owner: Owner::Account { account: account.id, root: account.root(), member },
                format,
                name: new.name,
                permissions: new.permissions,
                expires_at: new.expires_at,
            },
            now,
            self,
        );
        let limits = new.limits.given(now)?;
        let key =
            Credential { allowed_ips: new.allowed_ips, metadata: new.metadata, limits, ..key };
        let audit = self
            .audit_event(context, account.root(), now, Action::KeyCreated, Target::Key(key.id))
            .with("account_id", account.id)
            .with("key_start", key.start.as_str());
        let mut commit = Commit::audited(self.seal(audit));
        let sealed = Sealed::new(key.clone(), &self.secrets);
        let created = CreatedKey { key, secret };
        once.keep(self, &mut commit, created.key.id, Keep::Secret, &created)?;
        self.store.insert_key(&sealed, self.policy.keys_max, commit).await?;
        Ok(created)
    }

    /// How the account's first key is spelled. Ids sort by time.
    async fn first_format(&self, account: &Account) -> Result<KeyFormat> {
        let keys = self.store.list_keys(account.root(), account.id, None, 1).await?;
        match keys.into_iter().next() {
            Some((_, key)) => Ok(key?.open(&self.secrets)?.format),
            None => Ok(KeyFormat::Native),
        }
    }

    /// The member to whom what is made now in an account is put down.
    pub(crate) async fn maker_in(&self, context: &Context, account: &Account) -> Result<MemberId> {
        match &context.actor {
            Actor::Key(key) => Ok(key.member.unwrap_or(account.created_by)),
            Actor::Machine(machine) => Ok(machine.member),
            Actor::Member(member) => {
                Ok(self.record_member(context, account.root(), member).await?.id)
            }
            Actor::Operator(_) => Ok(account.created_by),
        }
    }
}
