//! Reading keys. None of it has a secret: that was shown once.

use crate::Plane;
use crate::actor::{Actor, Context};
use crate::credentials::Credential;
use crate::error::Result;
use crate::ids::{AccountId, CredentialId};
use crate::page::{List, Page, PageRequest};
use crate::permissions::Right;

impl Plane {
    /// A key of the caller's tree. Every key may read its own record.
    ///
    /// # Errors
    /// [`crate::Error::NotFound`] for a key that does not exist or is somebody else's, a missing
    /// permission.
    pub async fn find_key(&self, context: &Context, id: CredentialId) -> Result<Credential> {
        let seen = self.see_key(&context.actor, id).await?;
        if !seen.itself {
            context.actor.require(Right::KeysRead)?;
        }
        Ok(seen.key)
    }

    /// One page of an account's keys, revoked and ended ones included, oldest first.
    ///
    /// # Errors
    /// [`crate::Error::NotFound`] for an account that does not exist or is somebody else's, a
    /// missing permission, a cursor of another list.
    pub async fn list_keys(
        &self,
        context: &Context,
        account: AccountId,
        page: &PageRequest<'_>,
    ) -> Result<Page<Credential>> {
        let account = self.account_in_reach(context, account).await?;
        context.actor.require(Right::KeysRead)?;
        self.page_of_keys(&context.actor, (account.root(), account.id), page).await
    }

    /// One page of the platform keys, oldest first.
    ///
    /// # Errors
    /// [`crate::error::Denial::OperatorOnly`], a cursor of another list.
    pub async fn list_platform_keys(
        &self,
        context: &Context,
        page: &PageRequest<'_>,
    ) -> Result<Page<Credential>> {
        context.actor.require_operator()?;
        self.page_of_keys(&context.actor, (AccountId::PLANE, AccountId::PLANE), page).await
    }

    async fn page_of_keys(
        &self,
        actor: &Actor,
        (root, account): (AccountId, AccountId),
        page: &PageRequest<'_>,
    ) -> Result<Page<Credential>> {
        let tenant = actor.account().unwrap_or(root);
        let list = List { name: "keys", tenant, narrowed: &[account.as_bytes()] };
        self.page(&list, page, async |after, limit| {
            let after = after.map(CredentialId::from_bytes);
            self.store.list_keys(root, account, after, limit).await
        })
        .await
    }
}
