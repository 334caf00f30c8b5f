//! Reading accounts.

use super::Account;
use crate::Plane;
use crate::actor::{Actor, Context};
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
        let account = self.reachable_account(&context.actor, id).await?;
        if context.actor.account() != Some(account.id) {
            context.actor.require(Right::AccountsRead)?;
        }
        Ok(account)
    }

    /// An account that is the actor's to see; what may be done there is another question.
    pub(crate) async fn reachable_account(&self, actor: &Actor, id: AccountId) -> Result<Account> {
        let not_found = || Error::NotFound(Kind::Account);
        let root = actor.organization()?;
        let account = self.store.find_account(root, id).await?.ok_or_else(not_found)?;
        let account = account.open(&self.secrets)?;
        if actor.reaches(account.root(), Some(account.id)) { Ok(account) } else { Err(not_found()) }
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
