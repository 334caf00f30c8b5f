//! Caps of an account: what was set, what follows from it, and what is in use.

use super::change::Done;
use super::{Account, AccountLimits, AccountStatus, ConcurrentCalls};
use crate::Plane;
use crate::actor::Context;
use crate::audit::Action;
use crate::clock::Timestamp;
use crate::error::{Conflict, Error, Problem, Result};
use crate::ids::AccountId;
use crate::permissions::Right;

/// The caps of an account, and what is in use of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitsInForce {
    /// The account.
    pub account: AccountId,
    /// What was set.
    pub set: AccountLimits,
    /// Concurrent calls that hold for it: its own limit, or its root account's default. None for a
    /// root account without a limit.
    pub concurrent_calls: Option<ConcurrentCalls>,
    /// Calls in progress: its own, and of a root account its tree's.
    pub in_use: u32,
    /// What a root account's sub-accounts that are not closed were given, by limits set on them.
    pub given: Option<u64>,
}

impl Plane {
    /// The caps of an account that the caller may read.
    ///
    /// # Errors
    /// As [`Self::find_account`].
    pub async fn find_limits(&self, context: &Context, id: AccountId) -> Result<LimitsInForce> {
        let account = self.find_account(context, id).await?;
        self.limits_in_force(&account).await
    }

    /// Sets all caps of an account: what is none follows its default.
    ///
    /// # Errors
    /// Not found, a missing permission, [`crate::error::Denial::OwnAccount`], [`Conflict::Closed`];
    /// [`Error::ConcurrencyExceeded`] for a sub-account beyond what its parent has to give,
    /// [`Conflict::GivenAway`] for a root account below what it has given.
    pub async fn set_limits(
        &self,
        context: &Context,
        id: AccountId,
        limits: AccountLimits,
    ) -> Result<LimitsInForce> {
        let root = context.actor.organization()?;
        let change = |account: &mut Account, now: Timestamp| {
            context.actor.require(Right::AccountsWrite)?;
            context.actor.require_above(account.id)?;
            if account.parent.is_some() && limits.sub_account_concurrent_calls.is_some() {
                let field = "limits.sub_account_concurrent_calls";
                return Err(Error::invalid(field, Problem::WrongType("null for a sub-account")));
            }
            if account.status == AccountStatus::Closed {
                return Err(Error::Conflict(Conflict::Closed));
            }
            let fields = differing(account.limits, limits);
            if fields.is_empty() {
                return Ok(None);
            }
            account.limits = limits;
            account.touch(now);
            Ok(Some(Done::to_fields(Action::AccountUpdated, fields)))
        };
        let (account, _) = self.change_account(context, (root, id), change).await?;
        self.limits_in_force(&account).await
    }

    async fn limits_in_force(&self, account: &Account) -> Result<LimitsInForce> {
        let root = account.root();
        let (concurrent_calls, given) = match account.parent {
            Some(parent) => {
                let parent = self.organization(parent).await?;
                (Some(account.limits.effective_concurrent_calls(&parent.limits)), None)
            }
            None => {
                (account.limits.concurrent_calls, Some(self.store.find_given_calls(root).await?))
            }
        };
        Ok(LimitsInForce {
            account: account.id,
            set: account.limits,
            concurrent_calls,
            in_use: self.calls_in_progress(root, account.id).await?,
            given,
        })
    }
}

/// Names of the caps that differ.
fn differing(before: AccountLimits, after: AccountLimits) -> Vec<String> {
    let AccountLimits { concurrent_calls, sub_account_concurrent_calls, rates } = after;
    let fields = [
        ("limits.concurrent_calls", before.concurrent_calls != concurrent_calls),
        (
            "limits.sub_account_concurrent_calls",
            before.sub_account_concurrent_calls != sub_account_concurrent_calls,
        ),
        ("limits.rates", before.rates != rates),
    ];
    fields.iter().filter(|(_, differs)| *differs).map(|(name, _)| (*name).to_owned()).collect()
}
