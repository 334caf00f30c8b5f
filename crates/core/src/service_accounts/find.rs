//! Reading service accounts. None of it has a secret: that was shown once.

use super::{ServiceAccount, ServiceAccountDetails, ServiceAccountStatus};
use crate::Plane;
use crate::accounts::{Account, AccountStatus};
use crate::actor::{Actor, Context};
use crate::credentials::{Credential, Owner};
use crate::error::{Conflict, Denial, Error, Kind, Problem, Result};
use crate::ids::{AccountId, MemberId, ServiceAccountId};
use crate::limits;
use crate::members::Member;
use crate::page::{List, Page, PageRequest};
use crate::permissions::Right;
use crate::secrets::Unverified;
use crate::verify::believed;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

/// An account that may have service accounts, and the organization above it or itself.
pub(super) struct ServiceAccountOwner {
    pub(super) account: Account,
    pub(super) organization: Account,
}

impl ServiceAccountOwner {
    /// Refuses to make anything new in an account that is closed.
    pub(super) fn require_open(&self) -> Result<()> {
        let closed = |account: &Account| account.status == AccountStatus::Closed;
        if closed(&self.account) || closed(&self.organization) {
            return Err(Error::Conflict(Conflict::Closed));
        }
        Ok(())
    }
}

/// Which page of a list with numbered pages is asked for.
#[derive(Clone, Copy, Debug)]
pub struct NumberedPage {
    number: u32,
    size: u32,
}

impl NumberedPage {
    /// Page `number`, counted from 1, of pages of `size`; the first, and
    /// [`limits::SERVICE_ACCOUNTS_PAGE_DEFAULT`], unless given.
    ///
    /// # Errors
    /// [`Error::Parameter`] for numbers outside their range.
    pub fn new(number: Option<u32>, size: Option<u32>) -> Result<Self> {
        let number = number.unwrap_or(1);
        let size = size.unwrap_or(limits::SERVICE_ACCOUNTS_PAGE_DEFAULT);
        for (field, value, max) in [
            ("page", number, limits::SERVICE_ACCOUNTS_PAGES_MAX),
            ("page_size", size, limits::LIST_PAGE_MAX),
        ] {
            if !(1..=max).contains(&value) {
                return Err(Error::parameter(field, Problem::OutOfRange(1, max.into())));
            }
        }
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

/// A numbered page of service accounts.
#[derive(Debug)]
pub struct ServiceAccountPage {
    /// The service accounts, oldest first.
    pub items: Vec<ServiceAccountDetails>,
    /// Whether another page follows.
    pub more: bool,
}

impl Plane {
    /// A service account of the caller's tree that is not deleted.
    ///
    /// # Errors
    /// [`Error::NotFound`] for one that does not exist, is deleted or somebody else's; a missing
    /// permission.
    pub async fn find_service_account(
        &self,
        context: &Context,
        id: ServiceAccountId,
    ) -> Result<ServiceAccountDetails> {
        let (service_account, organization) = self.service_account_in_reach(context, id).await?;
        context.actor.require(Right::ServiceAccountsRead)?;
        let described =
            self.describe_service_accounts(vec![service_account], &organization).await?;
        described.into_iter().next().ok_or(Error::NotFound(Kind::ServiceAccount))
    }

    /// One page of an account's service accounts that are not deleted, oldest first.
    ///
    /// # Errors
    /// [`Error::NotFound`] for an account that does not exist or is somebody else's, a missing
    /// permission, a cursor of another list.
    pub async fn list_service_accounts(
        &self,
        context: &Context,
        account: AccountId,
        page: &PageRequest<'_>,
    ) -> Result<Page<ServiceAccountDetails>> {
        let owner = self.owner_in_reach(context, account).await?;
        context.actor.require(Right::ServiceAccountsRead)?;
        let (root, account) = (owner.organization.id, owner.account.id);
        let tenant = context.actor.account().unwrap_or(root);
        let list = List { name: "service accounts", tenant, narrowed: &[account.as_bytes()] };
        let page = self
            .page(&list, page, async |after, limit| {
                let after = after.map(ServiceAccountId::from_bytes);
                self.store.list_service_accounts(root, account, after, 0, limit).await
            })
            .await?;
        let items = self.describe_service_accounts(page.items, &owner.organization).await?;
        Ok(Page { items, next: page.next })
    }

    /// One numbered page of them.
    ///
    /// # Errors
    /// As [`Self::list_service_accounts`].
    pub async fn list_numbered_service_accounts(
        &self,
        context: &Context,
        account: AccountId,
        page: NumberedPage,
    ) -> Result<ServiceAccountPage> {
        let owner = self.owner_in_reach(context, account).await?;
        context.actor.require(Right::ServiceAccountsRead)?;
        let (root, account) = (owner.organization.id, owner.account.id);
        // One more than is shown tells whether there is a next page.
        let (skipped, limit) = (page.skipped(), page.size + 1);
        let mut rows =
            self.store.list_service_accounts(root, account, None, skipped, limit).await?;
        let shown = usize::try_from(page.size).unwrap_or(usize::MAX);
        let more = rows.len() > shown;
        rows.truncate(shown);
        let mut service_accounts = Vec::with_capacity(rows.len());
        for (_, row) in rows {
            service_accounts.extend(believed(row.and_then(|row| row.open(&self.secrets)))?);
        }
        let items = self.describe_service_accounts(service_accounts, &owner.organization).await?;
        Ok(ServiceAccountPage { items, more })
    }

    /// An account in which the caller may act, if they have the right to.
    pub(super) async fn owner_in_reach(
        &self,
        context: &Context,
        id: AccountId,
    ) -> Result<ServiceAccountOwner> {
        let not_found = || Error::NotFound(Kind::Account);
        let organization = self.acting_organization(&context.actor).await?;
        if !context.actor.reaches(organization.id, Some(id)) {
            return Err(not_found());
        }
        let account = self.account_below(&organization, id).await?;
        Ok(ServiceAccountOwner { account, organization })
    }

    /// An account of an organization's tree, itself included.
    pub(super) async fn account_below(
        &self,
        organization: &Account,
        id: AccountId,
    ) -> Result<Account> {
        if organization.id == id {
            return Ok(organization.clone());
        }
        let found = self.store.find_account(organization.id, id).await?;
        found.ok_or(Error::NotFound(Kind::Account))?.open(&self.secrets)
    }

    /// A service account that the caller may know of, and its organization.
    pub(crate) async fn service_account_in_reach(
        &self,
        context: &Context,
        id: ServiceAccountId,
    ) -> Result<(ServiceAccount, Account)> {
        let not_found = || Error::NotFound(Kind::ServiceAccount);
        let organization = self.acting_organization(&context.actor).await?;
        let found = self.store.find_service_account(organization.id, id).await?;
        let found = found.ok_or_else(not_found)?.open(&self.secrets)?;
        let deleted = found.status == ServiceAccountStatus::Deleted;
        if deleted || !context.actor.reaches(found.root, Some(found.account)) {
            return Err(not_found());
        }
        Ok((found, organization))
    }

    /// The organization in which the actor acts. Whose key was let in has an active one; of a
    /// member's it is not known before.
    pub(crate) async fn acting_organization(&self, actor: &Actor) -> Result<Account> {
        let found = self.organization(actor.organization()?).await;
        if !matches!(actor, Actor::Member(_)) {
            return found;
        }
        // A tenant that does not exist is refused like one that is not the token's.
        match found {
            Ok(organization) if organization.status == AccountStatus::Active => Ok(organization),
            Ok(_) | Err(Error::NotFound(_)) => Err(Error::Forbidden(Denial::TenantMismatch)),
            Err(error) => Err(error),
        }
    }

    /// The secrets of a service account that verify now, by id, for who changes something. One that
    /// was damaged is an error: it may be in a cache as it was, and nobody could say that a change
    /// holds for it.
    pub(super) async fn live_secrets(
        &self,
        service_account: &ServiceAccount,
    ) -> Result<Vec<Credential>> {
        self.list_secrets(service_account.root, &[service_account.id]).await?.into_iter().collect()
    }

    async fn list_secrets(
        &self,
        root: AccountId,
        ids: &[ServiceAccountId],
    ) -> Result<Vec<Result<Credential>>> {
        let now = self.clock.now();
        let rows = self.store.list_client_secrets(root, ids, now, limits::SECRETS_SEEN_MAX).await?;
        let open =
            |row: Result<Unverified<Credential>>| row.and_then(|row| row.open(&self.secrets));
        Ok(rows.into_iter().map(|(_, row)| open(row)).collect())
    }

    /// A service account with what is shown beside it, for who changes something.
    pub(super) async fn describe_service_account(
        &self,
        service_account: ServiceAccount,
        organization: &Account,
    ) -> Result<ServiceAccountDetails> {
        let secrets = self.live_secrets(&service_account).await?;
        let created_by =
            self.store.find_member_by_id(organization.id, service_account.created_by).await?;
        let organization = organization.clone();
        Ok(ServiceAccountDetails { service_account, secrets, created_by, organization })
    }

    /// Service accounts with what is shown beside them. A secret that was damaged is left out: it
    /// does not verify.
    async fn describe_service_accounts(
        &self,
        service_accounts: Vec<ServiceAccount>,
        organization: &Account,
    ) -> Result<Vec<ServiceAccountDetails>> {
        let ids: Vec<_> = service_accounts.iter().map(|each| each.id).collect();
        let mut secrets: HashMap<_, Vec<Credential>> = HashMap::with_capacity(ids.len());
        for secret in self.list_secrets(organization.id, &ids).await? {
            let Some(secret) = believed(secret)? else { continue };
            if let Owner::ServiceAccount { service_account, .. } = secret.owner {
                secrets.entry(service_account).or_default().push(secret);
            }
        }
        let mut members: HashMap<MemberId, Option<Member>> = HashMap::new();
        let mut items = Vec::with_capacity(service_accounts.len());
        for service_account in service_accounts {
            let created_by = match members.entry(service_account.created_by) {
                Entry::Occupied(known) => known.get().clone(),
                Entry::Vacant(new) => {
                    let found = self.store.find_member_by_id(organization.id, *new.key()).await?;
                    new.insert(found).clone()
                }
            };
            items.push(ServiceAccountDetails {
                secrets: secrets.remove(&service_account.id).unwrap_or_default(),
                created_by,
                organization: organization.clone(),
                service_account,
            });
        }
        Ok(items)
    }
}
