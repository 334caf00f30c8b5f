//! Reading accounts.

use super::Account;
use crate::Plane;
use crate::actor::Context;
use crate::error::{Error, Kind, Result};
use crate::ids::AccountId;
use crate::permissions::Right;

impl Plane {
    /// An account of the caller's tree. A caller may always read its own.
    ///
    /// # Errors
    /// [`Error::NotFound`] for one that does not exist or belongs to somebody else, a missing
    /// permission for another account of the tree.
    pub async fn find_account(&self, context: &Context, id: AccountId) -> Result<Account> {
        let account = self.account_in_reach(context, id).await?;
        if context.actor.account() != Some(account.id) {
            context.actor.require(Right::AccountsRead)?;
        }
        Ok(account)
    }

    /// The same, with the profile and the metadata of an account that has them in a database of its own.
    ///
    /// # Errors
    /// As [`Self::find_account`]; [`Error::TenantDatabaseUnavailable`].
    pub async fn find_whole_account(&self, context: &Context, id: AccountId) -> Result<Account> {
        let account = self.find_account(context, id).await?;
        self.with_own_record(account).await
    }

    /// An account that the caller may know of; whether they may read it is still to be asked.
    pub(crate) async fn account_in_reach(
        &self,
        context: &Context,
        id: AccountId,
    ) -> Result<Account> {
        self.account_of_tree(context, context.actor.organization()?, id).await
    }

    /// The same, of the tree of `root`.
    pub(super) async fn account_of_tree(
        &self,
        context: &Context,
        root: AccountId,
        id: AccountId,
    ) -> Result<Account> {
        let not_found = || Error::NotFound(Kind::Account);
        let account = self.store.find_account(root, id).await?.ok_or_else(not_found)?;
        let account = account.open(&self.secrets)?;
        if context.actor.reaches(account.root(), Some(account.id)) {
            Ok(account)
        } else {
            Err(not_found())
        }
    }

    /// A root account, for the rules themselves.
    pub(crate) async fn organization(&self, id: AccountId) -> Result<Account> {
        let not_found = || Error::NotFound(Kind::Account);
        let found = self.store.find_account(id, id).await?.ok_or_else(not_found)?;
        let account = found.open(&self.secrets)?;
        // A sub-account is no organization, by whatever id it is asked for.
        if account.parent.is_none() { Ok(account) } else { Err(not_found()) }
    }
}
