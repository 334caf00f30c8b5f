//! A store that panics at a call that the test chooses.

use async_trait::async_trait;
use std::sync::atomic::{AtomicUsize, Ordering};
use tenantry_backends::sqlite::SqliteStore;
use tenantry_core::accounts::Account;
use tenantry_core::clock::Timestamp;
use tenantry_core::commit::{Commit, Revision};
use tenantry_core::credentials::Credential;
use tenantry_core::error::Result;
use tenantry_core::ids::{AccountId, CredentialId};
use tenantry_core::members::Member;
use tenantry_core::secrets::{Sealed, Tag, Unverified};
use tenantry_core::service_accounts::ServiceAccount;
use tenantry_core::store::{
    AccountStore, AuditStore, Committed, CredentialStore, Found, HealthStore, MemberStore, NewRows,
    ServiceAccountStore,
};

/// Not armed.
const NEVER: usize = usize::MAX;

/// A real store behind one that panics.
pub(super) struct PanickingStore {
    inner: SqliteStore,
    message: &'static str,
    calls_left: AtomicUsize,
}

impl PanickingStore {
    pub(super) fn new(inner: SqliteStore, message: &'static str) -> Self {
        Self { inner, message, calls_left: AtomicUsize::new(NEVER) }
    }

    /// Panics at the call after that many.
    pub(super) fn panic_after(&self, calls: usize) {
        self.calls_left.store(calls, Ordering::SeqCst);
    }

    /// Takes that back. True where there was no panic.
    pub(super) fn disarm(&self) -> bool {
        self.calls_left.swap(NEVER, Ordering::SeqCst) != NEVER
    }

    fn called(&self) -> &SqliteStore {
        match self.calls_left.load(Ordering::SeqCst) {
            NEVER => {}
            0 => {
                self.calls_left.store(NEVER, Ordering::SeqCst);
                panic!("{}", self.message);
            }
            left => self.calls_left.store(left - 1, Ordering::SeqCst),
        }
        &self.inner
    }
}

#[async_trait]
impl AccountStore for PanickingStore {
    async fn insert_organization(
        &self,
        account: &Sealed<Account>,
        member: &Member,
        key: &Sealed<Credential>,
        commit: Commit,
    ) -> Result<Committed> {
        self.called().insert_organization(account, member, key, commit).await
    }

    async fn insert_account(
        &self,
        account: &Sealed<Account>,
        key: &Sealed<Credential>,
        commit: Commit,
    ) -> Result<Committed> {
        self.called().insert_account(account, key, commit).await
    }

    async fn insert_accounts(&self, accounts: Vec<NewRows>) -> Result<Committed> {
        self.called().insert_accounts(accounts).await
    }

    async fn find_account(
        &self,
        root: AccountId,
        id: AccountId,
    ) -> Result<Option<Unverified<Account>>> {
        self.called().find_account(root, id).await
    }

    async fn has_organizations(&self) -> Result<bool> {
        self.called().has_organizations().await
    }

    async fn list_organizations(
        &self,
        after: Option<AccountId>,
        limit: u32,
    ) -> Result<Vec<(AccountId, Result<Unverified<Account>>)>> {
        self.called().list_organizations(after, limit).await
    }

    async fn update_account(&self, account: &Sealed<Account>, commit: Commit) -> Result<Committed> {
        self.called().update_account(account, commit).await
    }
}

#[async_trait]
impl CredentialStore for PanickingStore {
    async fn insert_credential(
        &self,
        credential: &Sealed<Credential>,
        commit: Commit,
    ) -> Result<Committed> {
        self.called().insert_credential(credential, commit).await
    }

    async fn find_credential_by_tag(&self, tag: &Tag) -> Result<Option<Found>> {
        self.called().find_credential_by_tag(tag).await
    }

    async fn find_credential(
        &self,
        root: AccountId,
        id: CredentialId,
    ) -> Result<Option<Unverified<Credential>>> {
        self.called().find_credential(root, id).await
    }

    async fn update_credential(
        &self,
        credential: &Sealed<Credential>,
        commit: Commit,
    ) -> Result<Committed> {
        self.called().update_credential(credential, commit).await
    }

    async fn touch_credentials(&self, used: &[(CredentialId, Timestamp)]) -> Result<()> {
        self.called().touch_credentials(used).await
    }

    async fn find_revision(&self, root: AccountId) -> Result<Revision> {
        self.called().find_revision(root).await
    }
}

#[async_trait]
impl MemberStore for PanickingStore {
    async fn find_member(
        &self,
        root: AccountId,
        realm: &str,
        subject: &str,
    ) -> Result<Option<Member>> {
        self.called().find_member(root, realm, subject).await
    }

    async fn save_member(&self, member: &Member, commit: Commit) -> Result<Committed> {
        self.called().save_member(member, commit).await
    }
}

#[async_trait]
impl ServiceAccountStore for PanickingStore {
    async fn insert_service_account(
        &self,
        service_account: &Sealed<ServiceAccount>,
        secret: &Sealed<Credential>,
        max: u32,
        commit: Commit,
    ) -> Result<Committed> {
        self.called().insert_service_account(service_account, secret, max, commit).await
    }

    async fn list_service_account_names(
        &self,
        account: AccountId,
        base: &str,
    ) -> Result<Vec<String>> {
        self.called().list_service_account_names(account, base).await
    }
}

#[async_trait]
impl AuditStore for PanickingStore {
    async fn insert_audit_event(&self, commit: Commit) -> Result<Committed> {
        self.called().insert_audit_event(commit).await
    }
}

#[async_trait]
impl HealthStore for PanickingStore {
    async fn check(&self) -> Result<()> {
        self.called().check().await
    }
}
