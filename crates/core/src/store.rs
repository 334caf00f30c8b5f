//! The port to the store. A method is one transaction and one sentence of documentation; it takes
//! finished records and makes no choices.
//!
//! The conformance suite in `crates/backends/tests/conformance/` is the specification: every
//! method has a function there and every backend runs it.

mod databases;
#[cfg(feature = "testing")]
mod interposed;
mod leases;
mod oauth;
mod realms;
mod usage;
mod uses;

pub use databases::DatabaseStore;
#[cfg(feature = "testing")]
pub use interposed::{Interpose, Interposed};
pub use leases::LeaseStore;
pub use oauth::{FoundClient, OAuthStore};
pub use realms::RealmStore;
pub use usage::UsageStore;
pub use uses::UsesStore;

use crate::accounts::Account;
use crate::audit::chain::{ChainHead, NewLinks, Unsealed};
use crate::audit::checkpoint::StoredCheckpoint;
use crate::audit::list::{AskedEvents, FoundEvents};
use crate::audit::trail::StoredLink;
use crate::clock::Timestamp;
use crate::cluster::{Nodes, Poll, Polled};
use crate::commit::{Commit, Head, Replay, Revision};
use crate::credentials::Credential;
use crate::error::Result;
use crate::ids::{AccountId, CredentialId, MemberId, ServiceAccountId};
use crate::keys::{ForeignHash, ForeignKind, ImportedRows};
use crate::leads::{Lead, NodeId, Task};
use crate::members::Member;
use crate::page::Listed;
use crate::secrets::{Sealed, Tag, Unverified};
use crate::service_accounts::ServiceAccount;
use async_trait::async_trait;
use std::time::Duration;

/// Everything that the plane asks of a store.
pub trait Store:
    AccountStore
    + AuditStore
    + AuditTrailStore
    + CredentialStore
    + DatabaseStore
    + ForeignKeyStore
    + HealthStore
    + LeadStore
    + LeaseStore
    + MemberStore
    + NodeStore
    + OAuthStore
    + RealmStore
    + ReplayStore
    + ServiceAccountStore
    + UsageStore
    + UsesStore
{
}

impl<T> Store for T where
    T: AccountStore
        + AuditStore
        + AuditTrailStore
        + CredentialStore
        + DatabaseStore
        + ForeignKeyStore
        + HealthStore
        + LeadStore
        + LeaseStore
        + MemberStore
        + NodeStore
        + OAuthStore
        + RealmStore
        + ReplayStore
        + ServiceAccountStore
        + UsageStore
        + UsesStore
{
}

/// What a committed change left in the change log: the place of its last row.
pub type Committed = Option<Revision>;

/// A new sub-account, its first key, and what is written beside them.
pub type NewRows = (Sealed<Account>, Sealed<Credential>, Commit);

/// An account, and the key that it had first.
pub type FirstKeyOf = (AccountId, Result<Unverified<Credential>>);

/// Accounts.
#[async_trait]
pub trait AccountStore: Send + Sync {
    /// Stores a new root account with its first member and master key.
    ///
    /// # Errors
    /// `Conflict(Taken)` where an id or the key's tag exists.
    async fn insert_organization(
        &self,
        account: &Sealed<Account>,
        member: &Member,
        key: &Sealed<Credential>,
        commit: Commit,
    ) -> Result<Committed>;

    /// Stores a new sub-account with its first key. A limit that is set on it counts into what its
    /// parent has given.
    ///
    /// # Errors
    /// `ConcurrencyExceeded` where the parent has a limit of its own and would give more than that;
    /// `Conflict(Taken)` where an id or the key's tag exists.
    async fn insert_account(
        &self,
        account: &Sealed<Account>,
        key: &Sealed<Credential>,
        commit: Commit,
    ) -> Result<Committed>;

    /// Stores new sub-accounts with their first keys, all of them or none.
    ///
    /// # Errors
    /// `ConcurrencyExceeded` as of [`Self::insert_account`]; `Conflict(Taken)` where an id or a key's tag exists.
    async fn insert_accounts(&self, accounts: Vec<NewRows>) -> Result<Committed>;

    /// Looks an account of `root`'s tree up by id; `root` itself is one of them.
    async fn find_account(
        &self,
        root: AccountId,
        id: AccountId,
    ) -> Result<Option<Unverified<Account>>>;

    /// Whether there is a root account, readable or not.
    async fn has_organizations(&self) -> Result<bool>;

    /// Lists at most `limit` root accounts by id, beginning after `after`. A row that cannot be
    /// read keeps its place.
    async fn list_organizations(
        &self,
        after: Option<AccountId>,
        limit: u32,
    ) -> Result<Vec<(AccountId, Result<Unverified<Account>>)>>;

    /// Lists at most `limit` accounts of `root`'s tree by id, beginning after `after`; `root` itself
    /// is one of them. A row that cannot be read keeps its place.
    async fn list_accounts(
        &self,
        root: AccountId,
        after: Option<AccountId>,
        limit: u32,
    ) -> Result<Listed<Account>>;

    /// Lists at most `limit` sub-accounts of `root` that are not closed by id, without the first
    /// `skip` of them. A row that cannot be read keeps its place.
    async fn list_sub_accounts(
        &self,
        root: AccountId,
        skip: u32,
        limit: u32,
    ) -> Result<Listed<Account>>;

    /// Replaces an account's record by its next version. What a sub-account was given follows its
    /// limit; one that is closed gives it back.
    ///
    /// # Errors
    /// `Conflict(Changed)` unless the stored version is the one before; `ConcurrencyExceeded` where a
    /// sub-account's limit grows and its parent would give more than its own; `Conflict(GivenAway)`
    /// where a root account's own limit is lowered, or set, below what it has given.
    async fn update_account(&self, account: &Sealed<Account>, commit: Commit) -> Result<Committed>;

    /// What limits on `root`'s sub-accounts that are not closed sum up to.
    async fn find_given_calls(&self, root: AccountId) -> Result<u64>;
}

/// API keys, platform keys and client secrets.
#[async_trait]
pub trait CredentialStore: Send + Sync {
    /// Stores a new credential.
    ///
    /// # Errors
    /// `Conflict(Taken)` where its id or tag exists.
    async fn insert_credential(
        &self,
        credential: &Sealed<Credential>,
        commit: Commit,
    ) -> Result<Committed>;

    /// Stores a new key of an account, unless `max` or more of its keys live when the new one is
    /// made: neither revoked nor superseded nor at their own end.
    ///
    /// # Errors
    /// `LimitReached`, before anything else; `Conflict(Taken)` where the id or tag exists.
    async fn insert_key(
        &self,
        key: &Sealed<Credential>,
        max: u32,
        commit: Commit,
    ) -> Result<Committed>;

    /// Looks a credential up by tag, with the rows that decide about it and the head of their
    /// shard of the change log, all of one instant; revoked and expired ones included.
    async fn find_credential_by_tag(&self, tag: &Tag) -> Result<Option<Found>>;

    /// Looks a credential of `root`'s tree up by id.
    async fn find_credential(
        &self,
        root: AccountId,
        id: CredentialId,
    ) -> Result<Option<Unverified<Credential>>>;

    /// Lists the key with the lowest id of each of these accounts of `root`'s tree that has one.
    async fn list_first_keys(
        &self,
        root: AccountId,
        accounts: &[AccountId],
    ) -> Result<Vec<FirstKeyOf>>;

    /// Replaces a credential's record by its next version.
    ///
    /// # Errors
    /// `Conflict(Changed)` unless the stored version is the one before.
    async fn update_credential(
        &self,
        credential: &Sealed<Credential>,
        commit: Commit,
    ) -> Result<Committed>;

    /// Lists at most `limit` keys of an account of `root`'s tree by id, beginning after `after`;
    /// the platform keys where both are [`AccountId::PLANE`].
    async fn list_keys(
        &self,
        root: AccountId,
        account: AccountId,
        after: Option<CredentialId>,
        limit: u32,
    ) -> Result<Listed<Credential>>;

    /// Lists the credentials of a line in `root`'s tree that may still verify at `now`: those that
    /// are not revoked and have no grace that is over. At most `limit`.
    async fn list_lineage(
        &self,
        root: AccountId,
        lineage: CredentialId,
        now: Timestamp,
        limit: u32,
    ) -> Result<Listed<Credential>>;

    /// Stores a credential that takes the place of another, and the next version of each that it
    /// `replaces`: all or none.
    ///
    /// # Errors
    /// `Conflict(Changed)` unless each stored version is the one before; `Conflict(Taken)` where
    /// the new id or tag exists.
    async fn rotate_credential(
        &self,
        new: &Sealed<Credential>,
        replaces: &[Sealed<Credential>],
        commit: Commit,
    ) -> Result<Committed>;

    /// Replaces the records of several credentials by their next versions: all or none.
    ///
    /// # Errors
    /// `Conflict(Changed)` unless each stored version is the one before.
    async fn update_credentials(
        &self,
        credentials: &[Sealed<Credential>],
        commit: Commit,
    ) -> Result<Committed>;

    /// Moves the last-used times of these credentials forward. Not a change: no event, no log row.
    async fn touch_credentials(&self, used: &[(CredentialId, Timestamp)]) -> Result<()>;

    /// The head of the shard that `root`'s changes are written to.
    async fn find_head(&self, root: AccountId) -> Result<Head>;
}

/// A credential and the rows that decide about it.
pub struct Found {
    /// The credential.
    pub credential: Unverified<Credential>,
    /// Its service account, for a client secret.
    pub service_account: Option<Unverified<ServiceAccount>>,
    /// Its account, unless it is a platform key.
    pub account: Option<Unverified<Account>>,
    /// That account's parent, for a sub-account.
    pub parent: Option<Unverified<Account>>,
    /// The head of the root account's shard when these rows were read, by the same statement.
    pub head: Head,
}

/// Members.
#[async_trait]
pub trait MemberStore: Send + Sync {
    /// Looks a member of `root` up by realm and subject.
    async fn find_member(
        &self,
        root: AccountId,
        realm: &str,
        subject: &str,
    ) -> Result<Option<Member>>;

    /// Looks a member of `root` up by id.
    async fn find_member_by_id(&self, root: AccountId, id: MemberId) -> Result<Option<Member>>;

    /// Stores a member, or new name and e-mail address of the member with this id.
    ///
    /// # Errors
    /// `Conflict(Taken)` where another member of the account has the realm and subject.
    async fn save_member(&self, member: &Member, commit: Commit) -> Result<Committed>;
}

/// Service accounts.
#[async_trait]
pub trait ServiceAccountStore: Send + Sync {
    /// Stores a new service account with its first secret, unless its account has `max` or
    /// more that are not deleted.
    ///
    /// # Errors
    /// `LimitReached`, before anything else; `Conflict(Taken)` where one of the account that is not
    /// deleted has the name, or where the client id, an id or the tag exists.
    async fn insert_service_account(
        &self,
        service_account: &Sealed<ServiceAccount>,
        secret: &Sealed<Credential>,
        max: u32,
        commit: Commit,
    ) -> Result<Committed>;

    /// Looks a service account of `root`'s tree up by id, deleted or not.
    async fn find_service_account(
        &self,
        root: AccountId,
        id: ServiceAccountId,
    ) -> Result<Option<Unverified<ServiceAccount>>>;

    /// Lists at most `limit` service accounts of an account of `root`'s tree that are not deleted by
    /// id, beginning after `after`, without the first `skip` of them.
    async fn list_service_accounts(
        &self,
        root: AccountId,
        account: AccountId,
        after: Option<ServiceAccountId>,
        skip: u32,
        limit: u32,
    ) -> Result<Listed<ServiceAccount>>;

    /// Replaces a service account's record by its next version.
    ///
    /// # Errors
    /// `Conflict(Changed)` unless the stored version is the one before; `Conflict(Taken)` where
    /// another one of the account that is not deleted has the name.
    async fn update_service_account(
        &self,
        service_account: &Sealed<ServiceAccount>,
        commit: Commit,
    ) -> Result<Committed>;

    /// Stores a further secret, the next version of its service account, and the next version of
    /// each secret that it `replaces`: all or none.
    ///
    /// # Errors
    /// `Conflict(Changed)` unless each stored version is the one before; `Conflict(Taken)` where
    /// the secret's id or tag exists.
    async fn insert_client_secret(
        &self,
        service_account: &Sealed<ServiceAccount>,
        secret: &Sealed<Credential>,
        replaces: &[Sealed<Credential>],
        commit: Commit,
    ) -> Result<Committed>;

    /// Lists the secrets of these service accounts of `root`'s tree that live at `now`, neither
    /// revoked nor at their end: of each at most `limit`, by id.
    async fn list_client_secrets(
        &self,
        root: AccountId,
        service_accounts: &[ServiceAccountId],
        now: Timestamp,
        limit: u32,
    ) -> Result<Listed<Credential>>;

    /// Lists the names of an account's service accounts that are not deleted, as far as they are
    /// `base`, or `base` and a suffix.
    async fn list_service_account_names(
        &self,
        account: AccountId,
        base: &str,
    ) -> Result<Vec<String>>;
}

/// The audit trail.
#[async_trait]
pub trait AuditStore: Send + Sync {
    /// Stores an event that no change of another record goes with.
    async fn insert_audit_event(&self, commit: Commit) -> Result<Committed>;
}

/// Keys that were taken over from other systems.
#[async_trait]
pub trait ForeignKeyStore: Send + Sync {
    /// Stores keys that were taken over, with the slow hashes of those that have one and the kinds
    /// of hashes that are not known yet, all of them or none.
    ///
    /// # Errors
    /// `Conflict(Taken)` where an id, a tag or a look-up exists.
    async fn insert_foreign_keys(
        &self,
        keys: Vec<ImportedRows>,
        kinds: Vec<ForeignKind>,
    ) -> Result<Committed>;

    /// Lists the kinds of hashes that were ever imported.
    async fn list_foreign_kinds(&self) -> Result<Vec<ForeignKind>>;

    /// Stores another sealed key of this kind and key id, where it is there.
    async fn update_foreign_kind(&self, kind: &ForeignKind) -> Result<()>;

    /// Looks a slow hash up by the tag of its key's beginning.
    async fn find_foreign_hash(&self, look_up: &Tag) -> Result<Option<Unverified<ForeignHash>>>;

    /// Replaces a credential's record by its next version and forgets its slow hash.
    ///
    /// # Errors
    /// `Conflict(Changed)` unless the stored version is the one before.
    async fn adopt_foreign_key(
        &self,
        credential: &Sealed<Credential>,
        look_up: &Tag,
        commit: Commit,
    ) -> Result<Committed>;
}

/// Replies that are kept for repeated requests. They are written with the change that they answer,
/// in its [`Commit`].
#[async_trait]
pub trait ReplayStore: Send + Sync {
    /// Looks up what is kept of a request, its time over or not.
    async fn find_replay(&self, scope: &str, key_hash: &[u8; 32]) -> Result<Option<Replay>>;

    /// Of at most `limit` rows each, erases the replies whose time is over at `now` and forgets the
    /// requests whose day is over. Answers how many rows there were.
    async fn sweep_replays(&self, now: Timestamp, limit: u32) -> Result<u64>;
}

/// What binds audit events to each other, and reading them.
#[async_trait]
pub trait AuditTrailStore: Send + Sync {
    /// Lists at most `limit` events that no link names, in the order in which they were committed,
    /// every event before the first of them being named by one. Rows that cannot be read are left
    /// out.
    async fn list_unsealed_events(&self, limit: u32) -> Result<Unsealed>;

    /// The heads of those of these chains that have one.
    async fn find_chain_heads(&self, roots: &[AccountId]) -> Result<Vec<ChainHead>>;

    /// Adds links, moves the heads of their chains and the mark, and notes that no checkpoint
    /// covers those chains.
    ///
    /// # Errors
    /// `Conflict(Changed)` unless mark and heads are as they are said to have been, and `lead`
    /// is the newest.
    async fn insert_audit_links(&self, lead: &Lead, new: NewLinks) -> Result<()>;

    /// Lists at most `limit` heads that no checkpoint covers.
    async fn list_uncovered_chains(&self, limit: u32) -> Result<Vec<ChainHead>>;

    /// The checkpoint with the highest number.
    async fn find_last_checkpoint(&self) -> Result<Option<StoredCheckpoint>>;

    /// Stores a checkpoint, notes that it covers `heads`, and how far the sink had come where that
    /// is known.
    ///
    /// # Errors
    /// `Conflict(Taken)` where the number is taken, `Conflict(Changed)` unless the heads are still
    /// these and `lead` is the newest.
    async fn insert_checkpoint(
        &self,
        lead: &Lead,
        checkpoint: &StoredCheckpoint,
        heads: &[ChainHead],
        sunk: Option<u64>,
    ) -> Result<()>;

    /// Lists at most `limit` checkpoints by number, beginning after `after`.
    async fn list_checkpoints(&self, after: u64, limit: u32) -> Result<Vec<StoredCheckpoint>>;

    /// How far the sink had come when that was last noted.
    async fn find_sunk(&self) -> Result<u64>;

    /// Lists events of `root` by id, as `asked` says.
    async fn list_audit_events(&self, root: AccountId, asked: &AskedEvents) -> Result<FoundEvents>;

    /// Lists at most `limit` links of `root`'s chain with their events, beginning after the number
    /// `after`.
    async fn list_audit_links(
        &self,
        root: AccountId,
        after: u64,
        limit: u32,
    ) -> Result<Vec<StoredLink>>;

    /// The number of the checkpoint that covers `root`'s chain as it is.
    async fn find_covering_checkpoint(&self, root: AccountId) -> Result<Option<u64>>;
}

/// Who does what one node does at a time.
#[async_trait]
pub trait LeadStore: Send + Sync {
    /// Who has the lead of a task, or had it last.
    async fn find_lead(&self, task: Task) -> Result<Option<Lead>>;

    /// Stores who has the lead.
    ///
    /// # Errors
    /// `Conflict(Changed)` unless the stored one is `before`.
    async fn save_lead(&self, lead: &Lead, before: Option<&Lead>) -> Result<()>;
}

/// The nodes of a cluster, and the change log as they read it.
#[async_trait]
pub trait NodeStore: Send + Sync {
    /// Reads what a node has not applied, and notes that the node lives and what it has applied.
    ///
    /// One transaction. It reads, all of one instant (one statement, where statements see
    /// different ones), each shard's head and, where the node has applied something, the shard's
    /// rows with numbers from its mark's on, by number, at most `poll.rows_max`: the mark's own row
    /// is the first of them, where it is still there. Everything that was acknowledged before the
    /// call began is among them. Then it writes the node's row, made where there is none: its name,
    /// when it was seen, and [`Polled::noted`]. When it was seen is read, by the clock of
    /// [`Self::list_nodes`], after the transaction began.
    ///
    /// An answer comes only once the transaction is as lasting as a change that is acknowledged,
    /// from the store that takes changes: a node on the wrong side of a failover must not be able
    /// to note itself. It comes, or fails, well within the bound of staleness.
    ///
    /// A row of a kind, or with a subject, that is not known is answered with none, not refused.
    async fn poll_changes(&self, poll: &Poll) -> Result<Polled>;

    /// Lists at most `limit` nodes by id, and says which server did, in one statement. Where several machines share the store, the time is the
    /// store's, here and in the rows of nodes, and `now` is not looked at.
    async fn list_nodes(&self, now: Timestamp, limit: u32) -> Result<Nodes>;

    /// Forgets a node; none where it is not there.
    async fn delete_node(&self, node: NodeId) -> Result<()>;

    /// Forgets at most `limit` nodes that were last seen more than `silent` ago, by the same time
    /// as [`Self::list_nodes`]; answers how many.
    async fn sweep_nodes(&self, now: Timestamp, silent: Duration, limit: u32) -> Result<u64>;

    /// Deletes, of each shard, at most `limit` of its oldest rows up to the first that was not
    /// written before `before`, never the last row; answers how many.
    async fn prune_change_log(&self, before: Timestamp, limit: u32) -> Result<u64>;
}

/// Whether the store answers.
#[async_trait]
pub trait HealthStore: Send + Sync {
    /// Reads something, to see that reading works.
    async fn check(&self) -> Result<()>;

    /// Whether changes are accepted, as far as the last of them, or the last probe, tell.
    ///
    /// # Errors
    /// `StorageFull` or `Unavailable`, where they are refused.
    async fn check_writes(&self) -> Result<()>;

    /// Where changes are refused, tries one that changes nothing; else does nothing.
    ///
    /// # Errors
    /// What changes are refused with.
    async fn probe_writes(&self) -> Result<()>;
}
