//! Asking for usage: an account its own, a root account its tree's.

use super::sums::entries;
use super::{
    AskedPeriod, CallSums, Counted, Grain, Group, GroupBy, Period, Span, SumQuery, UsageEntry,
    Whose,
};
use crate::Plane;
use crate::accounts::{ListedSubAccount, SubAccountsAsked};
use crate::actor::Context;
use crate::error::{Error, Kind, Problem, Result};
use crate::ids::AccountId;
use crate::limits;
use crate::page::{List, Page, PageRequest};
use crate::permissions::Right;
use std::collections::HashMap;

/// Usage as it is asked for.
#[derive(Clone, Copy, Debug)]
pub struct AskedUsage {
    /// One account's alone; all that the caller reaches unless given.
    pub account: Option<AccountId>,
    /// Of when.
    pub period: AskedPeriod,
    /// In which groups.
    pub by: GroupBy,
}

/// A page of usage.
#[derive(Debug)]
pub struct UsagePage {
    /// The hours that it is of.
    pub span: Span,
    /// Its groups, in the order of ids or of time. One that took nothing is not among them.
    pub page: Page<UsageEntry>,
}

/// What an account's calls took in a period.
#[derive(Debug)]
pub struct CallUsage {
    /// When.
    pub period: Period,
    /// What they took.
    pub calls: CallSums,
}

/// A page of sub-accounts, each with what its calls took in a period.
#[derive(Debug)]
pub struct SubAccountsUsage {
    /// When.
    pub period: Period,
    /// The sub-accounts, oldest first.
    pub items: Vec<(ListedSubAccount, CallSums)>,
    /// Whether another page follows.
    pub more: bool,
}

impl Plane {
    /// What accounts of the caller's took.
    ///
    /// # Errors
    /// Not found, for an account that is not within the caller's reach; a missing permission; a period
    /// that is none; a cursor of another question.
    pub async fn usage(
        &self,
        context: &Context,
        asked: AskedUsage,
        request: &PageRequest<'_>,
    ) -> Result<UsagePage> {
        let root = context.actor.organization()?;
        let account = match asked.account {
            Some(id) => Some(self.account_in_reach(context, id).await?.id),
            None => context.actor.account().filter(|_| context.actor.is_sub_account()),
        };
        context.actor.require(Right::UsageRead)?;
        let AskedUsage { period, by, .. } = asked;
        let span = period.in_hours(self.clock.now())?;
        let grain = grain(span, by)?;
        let (from, to) = (span.from.micros().to_be_bytes(), span.to.micros().to_be_bytes());
        let of = account.unwrap_or(AccountId::PLANE);
        let narrowed: [&[u8]; 4] = [of.as_bytes(), &from, &to, by.as_str().as_bytes()];
        let list = List { name: "usage", tenant: root, narrowed: &narrowed };
        let query = SumQuery {
            root,
            whose: account.map_or(Whose::Tree, |account| Whose::Accounts([account].into())),
            span,
            grain,
            counted: if by == GroupBy::Key { Counted::Verifications } else { Counted::All },
            by,
            after: self.after(&list, request.cursor())?,
            limit: request.limit() + 1,
        };
        let mut items = entries(self.store.sum_usage(&query).await?);
        let shown = usize::try_from(request.limit()).unwrap_or(usize::MAX);
        let more = items.len() > shown;
        items.truncate(shown);
        let next =
            items.last().filter(|_| more).map(|entry| self.cursor(&list, entry.group.place()));
        Ok(UsagePage { span, page: Page { items, next } })
    }

    /// What a sub-account's calls took, closed or not.
    ///
    /// # Errors
    /// Not found, also for a root account; a missing permission; a period that is none.
    pub async fn sub_account_usage(
        &self,
        context: &Context,
        id: AccountId,
        asked: AskedPeriod,
    ) -> Result<CallUsage> {
        let period = asked.at(self.clock.now())?;
        let account = self.account_in_reach(context, id).await?;
        if account.parent.is_none() {
            return Err(Error::NotFound(Kind::Account));
        }
        context.actor.require(Right::UsageRead)?;
        let mut calls = self.calls_of(account.root(), [account.id].into(), period).await?;
        Ok(CallUsage { period, calls: calls.remove(&account.id).unwrap_or_default() })
    }

    /// What the calls of each sub-account of a page took.
    ///
    /// # Errors
    /// A missing permission; a period that is none.
    pub async fn sub_accounts_usage(
        &self,
        context: &Context,
        page: SubAccountsAsked,
        asked: AskedPeriod,
    ) -> Result<SubAccountsUsage> {
        let period = asked.at(self.clock.now())?;
        let root = context.actor.organization()?;
        context.actor.require(Right::UsageRead)?;
        let page = self.page_of_sub_accounts(context, root, page).await?;
        let ids: Box<[AccountId]> = page.items.iter().map(|item| item.account.id).collect();
        let mut calls =
            if ids.is_empty() { HashMap::new() } else { self.calls_of(root, ids, period).await? };
        let items = page.items.into_iter().map(|item| {
            let calls = calls.remove(&item.account.id).unwrap_or_default();
            (item, calls)
        });
        Ok(SubAccountsUsage { period, items: items.collect(), more: page.more })
    }

    /// What the calls of these accounts of `root`'s tree took, to the second.
    async fn calls_of(
        &self,
        root: AccountId,
        accounts: Box<[AccountId]>,
        period: Period,
    ) -> Result<HashMap<AccountId, CallSums>> {
        let limit = u32::try_from(accounts.len()).unwrap_or(u32::MAX);
        let query = SumQuery {
            root,
            whose: Whose::Accounts(accounts),
            span: period.span(),
            grain: Grain::Hours,
            counted: Counted::Calls,
            by: GroupBy::Account,
            after: None,
            limit,
        };
        let found = entries(self.store.sum_usage(&query).await?).into_iter();
        Ok(found
            .filter_map(|entry| match entry.group {
                Group::Account(id) => Some((id, entry.sums.calls)),
                Group::Key(..) | Group::Hour(_) | Group::Day(_) => None,
            })
            .collect())
    }
}

/// The rows that sums are made of: as few as will do.
fn grain(span: Span, by: GroupBy) -> Result<Grain> {
    if by != GroupBy::Hour {
        return Ok(if span.is_of_days() { Grain::Days } else { Grain::Hours });
    }
    if span.from.plus(limits::USAGE_PERIOD_MAX) < span.to {
        let days = limits::USAGE_PERIOD_MAX.as_secs() / super::DAY.as_secs();
        return Err(Error::parameter("to", Problem::TooLate(days)));
    }
    Ok(Grain::Hours)
}
