//! Listing accounts.

use super::Account;
use crate::Plane;
use crate::actor::Context;
use crate::error::{Error, Kind, Result};
use crate::ids::AccountId;
use crate::page::{List, Page, PageRequest};
use crate::permissions::Right;

impl Plane {
    /// The caller's own account and those below it, oldest first, closed ones among them.
    ///
    /// # Errors
    /// A missing permission, unless there can be no other account than the caller's own; a cursor of
    /// another list.
    pub async fn list_accounts(
        &self,
        context: &Context,
        request: &PageRequest<'_>,
    ) -> Result<Page<Account>> {
        let root = context.actor.organization()?;
        if context.actor.is_sub_account() {
            let own = context.actor.account().ok_or(Error::NotFound(Kind::Account))?;
            let list = List { name: "accounts", tenant: root, narrowed: &[own.as_bytes()] };
            let read = async |after: Option<[u8; 16]>, _: u32| {
                let found = self.store.find_account(root, own).await?;
                let found = found.filter(|_| after.is_none());
                Ok(found.map(|account| (*own.as_bytes(), Ok(account))).into_iter().collect())
            };
            return self.page(&list, request, read).await;
        }
        context.actor.require(Right::AccountsRead)?;
        let list = List { name: "accounts", tenant: root, narrowed: &[] };
        let read = async |after: Option<[u8; 16]>, limit: u32| {
            self.store.list_accounts(root, after.map(AccountId::from_bytes), limit).await
        };
        self.page(&list, request, read).await
    }
}
