//! A store with a test between it and its caller, so that a test makes its faults in one place and
//! a new store method is one line below.

use crate::accounts::Account;
use crate::audit::chain::{ChainHead, NewLinks, Unsealed};
use crate::audit::checkpoint::StoredCheckpoint;
use crate::audit::list::{AskedEvents, FoundEvents};
use crate::audit::trail::StoredLink;
use crate::clock::Timestamp;
use crate::cluster::{Nodes, Poll, Polled};
use crate::commit::{Commit, Head, Replay};
use crate::credentials::Credential;
use crate::database::TenantDatabase;
use crate::error::Result;
use crate::ids::{AccountId, CredentialId, LeaseId, MemberId, RealmId, ServiceAccountId};
use crate::keys::{ForeignHash, ForeignKind, ImportedRows};
use crate::leads::{Lead, NodeId, Task};
use crate::leases::{Acquired, CallRecord, HolderRows, InUse, Lease, LeaseTtl, NewLease, Released};
use crate::members::Member;
use crate::oauth::{ClientSettings, RevokedToken, SigningKey};
use crate::page::Listed;
use crate::realms::OwnRealm;
use crate::secrets::{Sealed, Tag, Unverified};
use crate::service_accounts::ServiceAccount;
use crate::store::{
    AccountStore, AuditStore, AuditTrailStore, Committed, CredentialStore, DatabaseStore,
    FirstKeyOf, ForeignKeyStore, Found, FoundClient, HealthStore, LeadStore, LeaseStore,
    MemberStore, NewRows, NodeStore, OAuthStore, RealmStore, ReplayStore, ServiceAccountStore,
    UsageStore, UsesStore,
};
use crate::usage::{SumQuery, UnrolledCall, UsageBatch, UsageEnds, UsageRow, UsageSum};
use crate::uses::{Draw, Drawn, Unspent};
use async_trait::async_trait;
use std::sync::Arc;
use std::time::Duration;

/// What a test does at each call of a store; nothing, unless it says otherwise.
pub trait Interpose: Send + Sync {
    /// Before any call.
    fn before(&self) {}

    /// What the caller of a reading method is answered.
    ///
    /// # Errors
    /// The test's own, or the store's.
    fn read<T>(&self, outcome: Result<T>) -> Result<T> {
        outcome
    }

    /// What the caller of a changing method is answered; the change has been made or refused.
    ///
    /// # Errors
    /// The test's own, or the store's.
    fn change<T>(&self, outcome: Result<T>) -> Result<T> {
        outcome
    }
}

/// A store, and what stands before it.
pub struct Interposed<S: ?Sized, I> {
    /// The store, which others may use too.
    pub store: Arc<S>,
    /// The test's part.
    pub between: I,
}

/// Each method as `read` or `change`, its name, parameters and what `Result` it has.
macro_rules! interpose {
    ($($store:ident {
        $($kind:ident $name:ident($($given:ident: $type:ty),* $(,)?) -> $answer:ty;)*
    })*) => {$(
        #[async_trait]
        impl<S: $store + ?Sized, I: Interpose> $store for Interposed<S, I> {
            $(async fn $name(&self, $($given: $type),*) -> Result<$answer> {
                self.between.before();
                self.between.$kind(self.store.$name($($given),*).await)
            })*
        }
    )*};
}

interpose! {
    AccountStore {
        change insert_organization(
            account: &Sealed<Account>,
            member: &Member,
            key: &Sealed<Credential>,
            commit: Commit,
        ) -> Committed;
        change insert_account(
            account: &Sealed<Account>,
            key: &Sealed<Credential>,
            commit: Commit,
        ) -> Committed;
        change insert_accounts(accounts: Vec<NewRows>) -> Committed;
        read find_account(root: AccountId, id: AccountId) -> Option<Unverified<Account>>;
        read has_organizations() -> bool;
        read list_organizations(
            after: Option<AccountId>,
            limit: u32,
        ) -> Vec<(AccountId, Result<Unverified<Account>>)>;
        read list_accounts(
            root: AccountId,
            after: Option<AccountId>,
            limit: u32,
        ) -> Listed<Account>;
        read list_sub_accounts(root: AccountId, skip: u32, limit: u32) -> Listed<Account>;
        change update_account(account: &Sealed<Account>, commit: Commit) -> Committed;
        read find_given_calls(root: AccountId) -> u64;
    }
    DatabaseStore {
        change insert_database(database: &Sealed<TenantDatabase>) -> ();
        change insert_database_account(
            database: &Sealed<TenantDatabase>,
            account: &Sealed<Account>,
            key: &Sealed<Credential>,
            commit: Commit,
        ) -> Committed;
        change update_database(
            database: &Sealed<TenantDatabase>,
            commit: Option<Commit>,
        ) -> ();
        change update_database_account(
            database: &Sealed<TenantDatabase>,
            account: &Sealed<Account>,
            commit: Commit,
        ) -> Committed;
        change delete_database(
            root: AccountId,
            account: AccountId,
            version: u64,
            commit: Commit,
        ) -> ();
        read find_database(
            root: AccountId,
            account: AccountId,
        ) -> Option<Unverified<TenantDatabase>>;
        read find_any_database(account: AccountId) -> Option<Unverified<TenantDatabase>>;
        read list_databases_of(
            root: AccountId,
            accounts: &[AccountId],
        ) -> Listed<TenantDatabase>;
        read list_databases(
            root: Option<AccountId>,
            after: Option<AccountId>,
            limit: u32,
        ) -> Listed<TenantDatabase>;
        read list_due_databases(now: Timestamp, limit: u32) -> Listed<TenantDatabase>;
        read count_managed_databases() -> Vec<(Box<str>, u64)>;
    }
    AuditStore {
        change insert_audit_event(commit: Commit) -> Committed;
    }
    AuditTrailStore {
        read list_unsealed_events(limit: u32) -> Unsealed;
        read find_chain_heads(roots: &[AccountId]) -> Vec<ChainHead>;
        change insert_audit_links(lead: &Lead, new: NewLinks) -> ();
        read list_uncovered_chains(limit: u32) -> Vec<ChainHead>;
        read find_last_checkpoint() -> Option<StoredCheckpoint>;
        change insert_checkpoint(
            lead: &Lead,
            checkpoint: &StoredCheckpoint,
            heads: &[ChainHead],
            sunk: Option<u64>,
        ) -> ();
        read list_checkpoints(after: u64, limit: u32) -> Vec<StoredCheckpoint>;
        read find_sunk() -> u64;
        read list_audit_events(root: AccountId, asked: &AskedEvents) -> FoundEvents;
        read list_audit_links(root: AccountId, after: u64, limit: u32) -> Vec<StoredLink>;
        read find_covering_checkpoint(root: AccountId) -> Option<u64>;
    }
    CredentialStore {
        change insert_credential(credential: &Sealed<Credential>, commit: Commit) -> Committed;
        change insert_key(key: &Sealed<Credential>, max: u32, commit: Commit) -> Committed;
        read find_credential_by_tag(tag: &Tag) -> Option<Found>;
        read find_credential(
            root: AccountId,
            id: CredentialId,
        ) -> Option<Unverified<Credential>>;
        read list_first_keys(root: AccountId, accounts: &[AccountId]) -> Vec<FirstKeyOf>;
        change update_credential(credential: &Sealed<Credential>, commit: Commit) -> Committed;
        read list_keys(
            root: AccountId,
            account: AccountId,
            after: Option<CredentialId>,
            limit: u32,
        ) -> Listed<Credential>;
        read list_lineage(
            root: AccountId,
            lineage: CredentialId,
            now: Timestamp,
            limit: u32,
        ) -> Listed<Credential>;
        change rotate_credential(
            new: &Sealed<Credential>,
            replaces: &[Sealed<Credential>],
            commit: Commit,
        ) -> Committed;
        change update_credentials(credentials: &[Sealed<Credential>], commit: Commit) -> Committed;
        read touch_credentials(used: &[(CredentialId, Timestamp)]) -> ();
        read find_head(root: AccountId) -> Head;
    }
    ForeignKeyStore {
        change insert_foreign_keys(keys: Vec<ImportedRows>, kinds: Vec<ForeignKind>) -> Committed;
        read list_foreign_kinds() -> Vec<ForeignKind>;
        change update_foreign_kind(kind: &ForeignKind) -> ();
        read find_foreign_hash(look_up: &Tag) -> Option<Unverified<ForeignHash>>;
        change adopt_foreign_key(
            credential: &Sealed<Credential>,
            look_up: &Tag,
            commit: Commit,
        ) -> Committed;
    }
    HealthStore {
        read check() -> ();
        read check_writes() -> ();
        read probe_writes() -> ();
    }
    LeadStore {
        read find_lead(task: Task) -> Option<Lead>;
        change save_lead(lead: &Lead, before: Option<&Lead>) -> ();
    }
    LeaseStore {
        read find_holder(root: Option<AccountId>, id: AccountId) -> Option<HolderRows>;
        change acquire_lease(new: &NewLease) -> Acquired;
        read find_lease(root: Option<AccountId>, id: LeaseId) -> Option<Lease>;
        change renew_lease(root: AccountId, id: LeaseId, ttl: LeaseTtl) -> Option<Lease>;
        change release_lease(
            root: AccountId,
            id: LeaseId,
            record: Option<&CallRecord>,
        ) -> Released;
        read count_leases(root: AccountId, account: AccountId) -> InUse;
        change cancel_lease(root: AccountId, id: LeaseId) -> ();
        read sweep_leases(below: LeaseId, kept: Duration, limit: u32) -> u64;
    }
    MemberStore {
        read find_member(root: AccountId, realm: &str, subject: &str) -> Option<Member>;
        read find_member_by_id(root: AccountId, id: MemberId) -> Option<Member>;
        change save_member(member: &Member, commit: Commit) -> Committed;
    }
    NodeStore {
        read poll_changes(poll: &Poll) -> Polled;
        read list_nodes(now: Timestamp, limit: u32) -> Nodes;
        read delete_node(node: NodeId) -> ();
        read sweep_nodes(now: Timestamp, silent: Duration, limit: u32) -> u64;
        read prune_change_log(before: Timestamp, limit: u32) -> u64;
    }
    RealmStore {
        change insert_realm(realm: &Sealed<OwnRealm>, max: u32, commit: Commit) -> Committed;
        read find_realm_by_issuer(issuer: &str) -> Option<Unverified<OwnRealm>>;
        read list_realms(root: AccountId, limit: u32) -> Listed<OwnRealm>;
        change delete_realm(root: AccountId, id: RealmId, commit: Commit) -> Committed;
    }
    OAuthStore {
        change insert_signing_key(key: &Sealed<SigningKey>, commit: Commit) -> Committed;
        read list_signing_keys(limit: u32) -> Vec<(u64, Result<Unverified<SigningKey>>)>;
        change update_signing_key(key: &Sealed<SigningKey>) -> ();
        change delete_signing_keys(number: u64) -> ();
        read find_client(client_id: &str) -> Option<FoundClient>;
        read find_client_settings(
            root: AccountId,
            id: ServiceAccountId,
        ) -> Option<Unverified<ClientSettings>>;
        change save_client_settings(
            settings: &Sealed<ClientSettings>,
            commit: Commit,
        ) -> Committed;
        change insert_revoked_token(token: &RevokedToken, commit: Commit) -> Committed;
        read find_revocation(root: AccountId, tag: &Tag) -> (Head, bool);
        change insert_used_assertion(assertion: &Tag, until: Timestamp, now: Timestamp) -> ();
        change sweep_tokens(now: Timestamp, limit: u32) -> u64;
    }
    ReplayStore {
        read find_replay(scope: &str, key_hash: &[u8; 32]) -> Option<Replay>;
        read sweep_replays(now: Timestamp, limit: u32) -> u64;
    }
    ServiceAccountStore {
        change insert_service_account(
            service_account: &Sealed<ServiceAccount>,
            secret: &Sealed<Credential>,
            max: u32,
            commit: Commit,
        ) -> Committed;
        read find_service_account(
            root: AccountId,
            id: ServiceAccountId,
        ) -> Option<Unverified<ServiceAccount>>;
        read list_service_accounts(
            root: AccountId,
            account: AccountId,
            after: Option<ServiceAccountId>,
            skip: u32,
            limit: u32,
        ) -> Listed<ServiceAccount>;
        change update_service_account(
            service_account: &Sealed<ServiceAccount>,
            commit: Commit,
        ) -> Committed;
        change insert_client_secret(
            service_account: &Sealed<ServiceAccount>,
            secret: &Sealed<Credential>,
            replaces: &[Sealed<Credential>],
            commit: Commit,
        ) -> Committed;
        read list_client_secrets(
            root: AccountId,
            service_accounts: &[ServiceAccountId],
            now: Timestamp,
            limit: u32,
        ) -> Listed<Credential>;
        read list_service_account_names(account: AccountId, base: &str) -> Vec<String>;
    }
    UsageStore {
        change add_usage(batch: &UsageBatch) -> ();
        read list_unrolled_calls(limit: u32) -> Vec<Result<UnrolledCall>>;
        change roll_calls(calls: &[LeaseId], rows: &[UsageRow]) -> ();
        read sum_usage(query: &SumQuery) -> Vec<UsageSum>;
        read sweep_usage(ends: &UsageEnds, limit: u32) -> u64;
    }
    UsesStore {
        change draw_uses(draw: &Draw) -> Option<Drawn>;
        change return_uses(unspent: &[Unspent]) -> ();
    }
}
