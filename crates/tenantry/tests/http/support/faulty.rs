//! A store that can lose a reply: the change is committed, and the caller hears of a failure.

use async_trait::async_trait;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tenantry_backends::sqlite::SqliteStore;
use tenantry_core::accounts::Account;
use tenantry_core::clock::Timestamp;
use tenantry_core::commit::{Commit, Revision};
use tenantry_core::credentials::Credential;
use tenantry_core::error::{Error, Result};
use tenantry_core::ids::{AccountId, CredentialId};
use tenantry_core::members::Member;
use tenantry_core::secrets::{Sealed, Tag, Unverified};
use tenantry_core::service_accounts::ServiceAccount;
use tenantry_core::store::{
    AccountStore, AuditStore, Committed, CredentialStore, Found, HealthStore, MemberStore, NewRows,
    ServiceAccountStore,
};

/// The real store, and whether it loses the next reply to a change.
pub(crate) struct Faulty {
    store: Arc<SqliteStore>,
    lose_next: AtomicBool,
}

impl Faulty {
    pub(crate) fn new(store: Arc<SqliteStore>) -> Self {
        Self { store, lose_next: AtomicBool::new(false) }
    }

    /// The next change is committed, and its caller is told that the store is unavailable.
    pub(crate) fn lose_next_reply(&self) {
        self.lose_next.store(true, Ordering::SeqCst);
    }

    fn reply(&self, outcome: Result<Committed>) -> Result<Committed> {
        if self.lose_next.swap(false, Ordering::SeqCst) {
            outcome?;
            return Err(Error::unavailable("the reply was lost"));
        }
        outcome
    }
}

#[async_trait]
impl AccountStore for Faulty {
    async fn insert_organization(
        &self,
        account: &Sealed<Account>,
        member: &Member,
        key: &Sealed<Credential>,
        commit: Commit,
    ) -> Result<Committed> {
        self.reply(self.store.insert_organization(account, member, key, commit).await)
    }

    async fn insert_account(
        &self,
        account: &Sealed<Account>,
        key: &Sealed<Credential>,
        commit: Commit,
    ) -> Result<Committed> {
        self.reply(self.store.insert_account(account, key, commit).await)
    }

    async fn insert_accounts(&self, accounts: Vec<NewRows>) -> Result<Committed> {
        self.reply(self.store.insert_accounts(accounts).await)
    }

    async fn find_account(
        &self,
        root: AccountId,
        id: AccountId,
    ) -> Result<Option<Unverified<Account>>> {
        self.store.find_account(root, id).await
    }

    async fn has_organizations(&self) -> Result<bool> {
        self.store.has_organizations().await
    }

    async fn list_organizations(
        &self,
        after: Option<AccountId>,
        limit: u32,
    ) -> Result<Vec<(AccountId, Result<Unverified<Account>>)>> {
        self.store.list_organizations(after, limit).await
    }

    async fn update_account(&self, account: &Sealed<Account>, commit: Commit) -> Result<Committed> {
        self.reply(self.store.update_account(account, commit).await)
    }
}

#[async_trait]
impl CredentialStore for Faulty {
    async fn insert_credential(
        &self,
        credential: &Sealed<Credential>,
        commit: Commit,
    ) -> Result<Committed> {
        self.reply(self.store.insert_credential(credential, commit).await)
    }

    async fn find_credential_by_tag(&self, tag: &Tag) -> Result<Option<Found>> {
        self.store.find_credential_by_tag(tag).await
    }

    async fn find_credential(
        &self,
        root: AccountId,
        id: CredentialId,
    ) -> Result<Option<Unverified<Credential>>> {
        self.store.find_credential(root, id).await
    }

    async fn update_credential(
        &self,
        credential: &Sealed<Credential>,
        commit: Commit,
    ) -> Result<Committed> {
        self.reply(self.store.update_credential(credential, commit).await)
    }

    async fn touch_credentials(&self, used: &[(CredentialId, Timestamp)]) -> Result<()> {
        self.store.touch_credentials(used).await
    }

    async fn find_revision(&self, root: AccountId) -> Result<Revision> {
        self.store.find_revision(root).await
    }
}

#[async_trait]
impl MemberStore for Faulty {
    async fn find_member(
        &self,
        root: AccountId,
        realm: &str,
        subject: &str,
    ) -> Result<Option<Member>> {
        self.store.find_member(root, realm, subject).await
    }

    async fn save_member(&self, member: &Member, commit: Commit) -> Result<Committed> {
        self.reply(self.store.save_member(member, commit).await)
    }
}

#[async_trait]
impl ServiceAccountStore for Faulty {
    async fn insert_service_account(
        &self,
        service_account: &Sealed<ServiceAccount>,
        secret: &Sealed<Credential>,
        max: u32,
        commit: Commit,
    ) -> Result<Committed> {
        self.reply(self.store.insert_service_account(service_account, secret, max, commit).await)
    }

    async fn list_service_account_names(
        &self,
        account: AccountId,
        base: &str,
    ) -> Result<Vec<String>> {
        self.store.list_service_account_names(account, base).await
    }
}

#[async_trait]
impl AuditStore for Faulty {
    async fn insert_audit_event(&self, commit: Commit) -> Result<Committed> {
        self.reply(self.store.insert_audit_event(commit).await)
    }
}

#[async_trait]
impl HealthStore for Faulty {
    async fn check(&self) -> Result<()> {
        self.store.check().await
    }
}
