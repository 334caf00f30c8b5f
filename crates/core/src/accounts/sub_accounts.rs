//! Sub-accounts as the sub-accounts dialect sees them: numbered pages of those that are not closed,
//! and each together with the root account, whose defaults it shows.

use super::change::Which;
use super::{Account, AccountChanges, ConcurrentCalls};
use crate::Plane;
use crate::actor::Context;
use crate::cluster::Effective;
use crate::database::TenantDatabase;
use crate::error::{Error, Problem, Result};
use crate::ids::AccountId;
use crate::limits;
use crate::permissions::Right;
use crate::secrets::Start;
use crate::verify::believed;
use std::collections::HashMap;

/// A sub-account and the root account above it.
#[derive(Debug)]
pub struct SubAccount {
    /// The sub-account.
    pub account: Account,
    /// The account above it.
    pub root: Account,
    /// Its own database, if it has one.
    pub database: Option<TenantDatabase>,
}

/// A sub-account in a list.
#[derive(Debug)]
pub struct ListedSubAccount {
    /// The sub-account.
    pub account: Account,
    /// Its concurrent calls, set or by default.
    pub concurrent_calls: ConcurrentCalls,
    /// The first characters of its oldest key, where it has one.
    pub key_start: Option<Start>,
    /// Whether it has a database of its own.
    pub dedicated: bool,
}

/// Which page of the sub-accounts is asked for.
#[derive(Clone, Copy, Debug)]
pub struct SubAccountsAsked {
    number: u32,
    size: u32,
}

impl SubAccountsAsked {
    /// Page `number`, counted from 1, of pages of `size`; the first and the largest unless given.
    ///
    /// # Errors
    /// [`Error::Parameter`] for numbers outside their range.
    pub fn new(number: Option<u32>, size: Option<u32>) -> Result<Self> {
        let (number, size) = (number.unwrap_or(1), size.unwrap_or(limits::SUB_ACCOUNTS_PAGE_MAX));
        let within = |field, value: u32, max: u32| {
            let problem = Problem::OutOfRange(1, max.into());
            if (1..=max).contains(&value) { Ok(()) } else { Err(Error::parameter(field, problem)) }
        };
        within("page_number", number, limits::SUB_ACCOUNTS_PAGES_MAX)?;
        within("page_size", size, limits::SUB_ACCOUNTS_PAGE_MAX)?;
        Ok(Self { number, size })
    }

    /// The page's number, from 1.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.number
    }

    /// How many a page has.
    #[must_use]
    pub const fn size(self) -> u32 {
        self.size
    }

    /// How many are before the page: less than 2^32, as both numbers are capped.
    const fn skipped(self) -> u32 {
        (self.number - 1) * self.size
    }
}

/// A page of sub-accounts.
#[derive(Debug)]
pub struct SubAccountPage {
    /// The sub-accounts, oldest first.
    pub items: Vec<ListedSubAccount>,
    /// Whether another page follows.
    pub more: bool,
}

impl Plane {
    /// A sub-account that is not closed. A sub-account's own key may always read it.
    ///
    /// # Errors
    /// Not found, also for a root account; a missing permission.
    pub async fn find_sub_account(&self, context: &Context, id: AccountId) -> Result<SubAccount> {
        let account = self.find_account(context, id).await?;
        Which::OpenSubAccount.require(&account)?;
        let database = self.database_of(account.root(), account.id).await?;
        Ok(SubAccount { root: self.organization(account.root()).await?, account, database })
    }

    /// A page of the sub-accounts that are not closed, of the caller's account.
    ///
    /// # Errors
    /// A missing permission.
    pub async fn list_sub_accounts(
        &self,
        context: &Context,
        asked: SubAccountsAsked,
    ) -> Result<SubAccountPage> {
        let root = context.actor.organization()?;
        context.actor.require(Right::AccountsRead)?;
        self.page_of_sub_accounts(context, root, asked).await
    }

    pub(crate) async fn page_of_sub_accounts(
        &self,
        context: &Context,
        root: AccountId,
        asked: SubAccountsAsked,
    ) -> Result<SubAccountPage> {
        // Sub-accounts do not nest.
        if context.actor.is_sub_account() {
            return Ok(SubAccountPage { items: Vec::new(), more: false });
        }
        let root = self.organization(root).await?;
        let size = usize::try_from(asked.size).unwrap_or(usize::MAX);
        let mut rows =
            self.store.list_sub_accounts(root.id, asked.skipped(), asked.size + 1).await?;
        let more = rows.len() > size;
        rows.truncate(size);
        let mut accounts = Vec::with_capacity(rows.len());
        for (_, row) in rows {
            // One that was damaged is left out; the alarm was raised where it was read.
            accounts.extend(believed(row.and_then(|row| row.open(&self.secrets)))?);
        }
        let ids: Vec<AccountId> = accounts.iter().map(|account: &Account| account.id).collect();
        let mut starts = HashMap::with_capacity(ids.len());
        for (id, key) in self.store.list_first_keys(root.id, &ids).await? {
            let key = believed(key.and_then(|key| key.open(&self.secrets)))?;
            starts.extend(key.map(|key| (id, key.start)));
        }
        let databases = self.databases_of(root.id, &ids).await?;
        let items = accounts
            .into_iter()
            .map(|account| ListedSubAccount {
                dedicated: databases.contains_key(&account.id),
                concurrent_calls: account.limits.effective_concurrent_calls(&root.limits),
                key_start: starts.remove(&account.id),
                account,
            })
            .collect();
        Ok(SubAccountPage { items, more })
    }

    /// Changes the record of a sub-account that is not closed.
    ///
    /// # Errors
    /// As [`Self::update_account`], and not found for every other account.
    pub async fn update_sub_account(
        &self,
        context: &Context,
        id: AccountId,
        changes: &AccountChanges,
    ) -> Result<Account> {
        self.update(context, id, changes, Which::OpenSubAccount).await
    }

    /// Closes a sub-account for good. Closing it again changes nothing and answers the same.
    ///
    /// # Errors
    /// As [`Self::close_account`], and not found for a root account.
    pub async fn close_sub_account(&self, context: &Context, id: AccountId) -> Result<Effective> {
        let (_, effective) = self.close(context, id, Which::SubAccount).await?;
        Ok(effective)
    }
}
