//! Changing what is written about an account.

use super::change::{Done, Which};
use super::{Account, AccountStatus, ConcurrentCalls, Profile};
use crate::Plane;
use crate::actor::Context;
use crate::audit::Action;
use crate::clock::Timestamp;
use crate::database::OwnRecord;
use crate::error::{Conflict, Error, Result};
use crate::ids::AccountId;
use crate::permissions::Right;
use crate::text::{Line, Metadata, Name};

/// What is to become of an account's record. What is not named stays.
#[derive(Debug, Default)]
pub struct AccountChanges {
    /// Its name.
    pub name: Option<Name>,
    /// Attributes of its profile by their index in [`Profile::FIELDS`]; none takes one out.
    pub profile: Vec<(usize, Option<Line>)>,
    /// The caller's own object, as a whole.
    pub metadata: Option<Metadata>,
    /// Its concurrent calls; for whoever is above it.
    pub concurrent_calls: Option<ConcurrentCalls>,
}

impl AccountChanges {
    /// Makes the changes and names the fields that differ now.
    fn make(&self, account: &mut Account) -> Vec<String> {
        let mut own = OwnRecord::of(account);
        let fields = self.make_own(&mut own);
        account.profile = own.profile;
        account.metadata = own.metadata;
        self.make_shared(account, &fields)
    }

    /// Makes those that the plane's store has of every account, and names them beside those of its
    /// `own` record.
    fn make_shared(&self, account: &mut Account, own: &[String]) -> Vec<String> {
        let mut fields = Vec::new();
        if let Some(name) = self.name.as_ref().filter(|name| **name != account.name) {
            account.name = name.clone();
            fields.push("name".to_owned());
        }
        fields.extend_from_slice(own);
        if self.concurrent_calls.is_some()
            && self.concurrent_calls != account.limits.concurrent_calls
        {
            account.limits.concurrent_calls = self.concurrent_calls;
            fields.push("limits.concurrent_calls".to_owned());
        }
        fields
    }

    /// Makes those that an account with a database of its own has there.
    fn make_own(&self, own: &mut OwnRecord) -> Vec<String> {
        let mut fields = Vec::new();
        if let Some(name) = &self.name {
            own.name = name.clone();
        }
        for (index, value) in &self.profile {
            let before = own.profile.clone();
            own.profile.set(*index, value.clone());
            if own.profile != before {
                fields.push(format!("profile.{}", Profile::FIELDS[*index]));
            }
        }
        if let Some(metadata) = self.metadata.as_ref().filter(|new| **new != own.metadata) {
            own.metadata = metadata.clone();
            fields.push("metadata".to_owned());
        }
        fields
    }

    /// Whether they are of what an account with a database of its own has there.
    fn are_own(&self) -> bool {
        self.name.is_some() || !self.profile.is_empty() || self.metadata.is_some()
    }
}

impl Plane {
    /// Changes the record of an account that the caller may change: their own or one below it.
    ///
    /// # Errors
    /// Not found, a missing permission, [`Conflict::Closed`];
    /// [`crate::error::Denial::OwnAccount`] and [`Error::ConcurrencyExceeded`] for its limit; where it
    /// has a database of its own, [`Conflict::Provisioning`] and [`Error::TenantDatabaseUnavailable`].
    pub async fn update_account(
        &self,
        context: &Context,
        id: AccountId,
        changes: &AccountChanges,
    ) -> Result<Account> {
        self.update(context, id, changes, Which::Any).await
    }

    /// As [`Self::update_account`], of an account that the caller can mean.
    pub(super) async fn update(
        &self,
        context: &Context,
        id: AccountId,
        changes: &AccountChanges,
        which: Which,
    ) -> Result<Account> {
        let root = context.actor.organization()?;
        let admit = |account: &Account| {
            which.require(account)?;
            context.actor.require(Right::AccountsWrite)?;
            if changes.concurrent_calls.is_some() {
                context.actor.require_above(account.id)?;
            }
            match account.status {
                AccountStatus::Closed => Err(Error::Conflict(Conflict::Closed)),
                _ => Ok(()),
            }
        };
        // There first: what the plane's store says of it follows.
        let own = if changes.are_own() {
            admit(&self.account_of_tree(context, root, id).await?)?;
            self.change_own_record((root, id), |own| changes.make_own(own)).await?
        } else {
            None
        };
        let change = |account: &mut Account, now: Timestamp| {
            admit(account)?;
            let fields = match &own {
                Some((_, own)) => changes.make_shared(account, own),
                None => changes.make(account),
            };
            if fields.is_empty() {
                return Ok(None);
            }
            account.touch(now);
            Ok(Some(Done::to_fields(Action::AccountUpdated, fields)))
        };
        let (account, _) = self.change_account(context, (root, id), change).await?;
        match own {
            Some((own, _)) => Ok(own.with(account)),
            None => Ok(account),
        }
    }
}
