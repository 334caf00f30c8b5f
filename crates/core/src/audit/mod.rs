//! Audit events: who did what to which thing, when, from where. Written with the change itself,
//! in the same transaction, and sealed one by one.
//!
//! What an event may hold is listed here by name: ids, words and the first characters of a key,
//! never a secret's value. Of what a caller wrote there is the request's id, which is
//! one sane word, and the subject that their realm gives them.
//!
//! - [`chain`], [`checkpoint`]: what binds events to each other, and to a place outside the store
//! - [`sealer`]: how they come to be bound, a moment later
//! - [`trail`], [`copies`], [`versions`]: what is compared to find out whether somebody changed them
//! - [`list`], [`verify`]: what tenants ask

pub mod chain;
pub mod checkpoint;
pub mod copies;
pub mod list;
pub mod sealer;
mod stored;
pub mod trail;
mod verify;
mod versions;

pub use sealer::{CheckpointSink, Sealer};
pub use stored::StoredAuditEvent;
pub use verify::VerifiedChain;
pub use versions::{Row, VersionSums};

use crate::Plane;
use crate::actor::{Actor, Context};
use crate::clock::Timestamp;
use crate::ids::{AccountId, CredentialId, EventId, MemberId, RealmId, ServiceAccountId};
use crate::secrets::{MacWriter, Protected, SealKey, Sealed};
use std::net::IpAddr;

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEvent {
    /// Its id.
    pub id: EventId,
    /// The root account whose chain it belongs to; [`AccountId::PLANE`] for the operator's own.
    pub root: AccountId,
    /// When it happened.
    pub at: Timestamp,
    /// Who did it: the actor's kind and id.
    pub actor: (&'static str, String),
    /// What was done.
    pub action: Action,
    /// To which thing: its kind and id.
    pub target: (&'static str, String),
    /// Further facts, by name.
    pub facts: Vec<(&'static str, String)>,
    /// The request that did it.
    pub request_id: Box<str>,
    /// Where the request came from.
    pub address: Option<IpAddr>,
}

impl AuditEvent {
    /// Adds a fact.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl std::fmt::Display) -> Self {
        self.facts.push((name, value.to_string()));
        self
    }
}

impl Protected for AuditEvent {
    const TABLE: &'static str = "audit_events";
    const KEY: SealKey = SealKey::Audit;

    fn printed_id(&self) -> String {
        self.id.to_string()
    }

    fn write_to(&self, mac: &mut MacWriter) {
        let Self { id, root, at, actor, action, target, facts, request_id, address } = self;
        let address = address.map(|address| address.to_string());
        write_columns(
            mac,
            (id, root, *at),
            [actor.0, &actor.1, action.as_str(), target.0, &target.1],
            facts.iter().map(|(name, value)| (*name, value.as_str())),
            (request_id, address.as_deref()),
        );
    }
}

/// What an event's seal covers, for the event that is sealed and for the row that is read alike.
fn write_columns<'a>(
    mac: &mut MacWriter,
    (id, root, at): (&EventId, &AccountId, Timestamp),
    words: [&str; 5],
    facts: impl ExactSizeIterator<Item = (&'a str, &'a str)>,
    (request_id, address): (&str, Option<&str>),
) {
    mac.bytes(id.as_bytes());
    mac.bytes(root.as_bytes());
    mac.number(at.micros());
    for word in words {
        mac.text(word);
    }
    mac.number(i64::try_from(facts.len()).unwrap_or(i64::MAX));
    for (name, value) in facts {
        mac.text(name);
        mac.text(value);
    }
    mac.text(request_id);
    mac.optional(address, MacWriter::text);
}

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// An organization, its first member and master key were made.
    OrganizationCreated,
    /// A sub-account and its first key were made.
    AccountCreated,
    /// An account was suspended.
    AccountSuspended,
    /// A suspended account goes on.
    AccountResumed,
    /// An account was closed for good.
    AccountClosed,
    /// Something else of an account's record was changed.
    AccountUpdated,
    /// An organization got an entitlement.
    EntitlementGiven,
    /// An organization lost an entitlement.
    EntitlementTaken,
    /// A member was seen for the first time.
    MemberRecorded,
    /// A member's name or e-mail address changed.
    MemberUpdated,
    /// A platform key was made.
    PlatformKeyCreated,
    /// A further key of an account was made.
    KeyCreated,
    /// What a key may do, or what is said of it, changed.
    KeyUpdated,
    /// A key was switched off.
    KeyDisabled,
    /// A key was switched on again.
    KeyEnabled,
    /// A key got a successor.
    KeyRotated,
    /// A key, or all of its line, was revoked.
    KeyRevoked,
    /// A key of another system was taken over by its hash.
    KeyImported,
    /// A key was taken over with a slow hash and was used for the first time: it has a fast one.
    KeyRehashed,
    /// A service account and its first secret were made.
    ServiceAccountCreated,
    /// A service account's name or permissions changed.
    ServiceAccountUpdated,
    /// A service account was switched off.
    ServiceAccountDisabled,
    /// A service account was switched on again.
    ServiceAccountEnabled,
    /// A service account was deleted, and its secrets with it.
    ServiceAccountDeleted,
    /// A further secret of a service account was made.
    SecretCreated,
    /// A secret of a service account was revoked.
    SecretRevoked,
    /// A service account got a new secret in the place of those that lived.
    SecretRotated,
    /// An admin token of the local realm was issued.
    TokenIssued,
    /// The next signing key was made.
    SigningKeyCreated,
    /// The keys that a client may prove itself with were replaced.
    ClientKeysChanged,
    /// An access token was revoked.
    TokenRevoked,
    /// All access tokens that a service account had were revoked.
    TokensRevoked,
    /// A realm of an organization's own was made.
    RealmCreated,
    /// A realm of an organization's own was deleted.
    RealmDeleted,
    /// A database of a sub-account's own was made after its account.
    DatabaseMade,
    /// A database of a sub-account's own was not made; nothing is left of it.
    DatabaseFailed,
    /// Somebody was told the credentials of a tenant database.
    DatabaseConnected,
    /// A tenant database got another login.
    DatabaseRotated,
    /// A tenant database got a newer schema of the product.
    DatabaseMigrated,
    /// The store was put back from a backup: what happened after it did not happen here.
    StoreRestored,
}

impl Action {
    /// The word in rows and replies.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OrganizationCreated => "organization.created",
            Self::AccountCreated => "account.created",
            Self::AccountSuspended => "account.suspended",
            Self::AccountResumed => "account.resumed",
            Self::AccountClosed => "account.closed",
            Self::AccountUpdated => "account.updated",
            Self::EntitlementGiven => "entitlement.given",
            Self::EntitlementTaken => "entitlement.taken",
            Self::MemberRecorded => "member.recorded",
            Self::MemberUpdated => "member.updated",
            Self::PlatformKeyCreated => "platform_key.created",
            Self::KeyCreated => "key.created",
            Self::KeyUpdated => "key.updated",
            Self::KeyDisabled => "key.disabled",
            Self::KeyEnabled => "key.enabled",
            Self::KeyRotated => "key.rotated",
            Self::KeyRevoked => "key.revoked",
            Self::KeyImported => "key.imported",
            Self::KeyRehashed => "key.rehashed",
            Self::ServiceAccountCreated => "service_account.created",
            Self::ServiceAccountUpdated => "service_account.updated",
            Self::ServiceAccountDisabled => "service_account.disabled",
            Self::ServiceAccountEnabled => "service_account.enabled",
            Self::ServiceAccountDeleted => "service_account.deleted",
            Self::SecretCreated => "secret.created",
            Self::SecretRevoked => "secret.revoked",
            Self::SecretRotated => "secret.rotated",
            Self::TokenIssued => "token.issued",
            Self::SigningKeyCreated => "signing_key.created",
            Self::ClientKeysChanged => "client_keys.changed",
            Self::TokenRevoked => "token.revoked",
            Self::TokensRevoked => "tokens.revoked",
            Self::RealmCreated => "realm.created",
            Self::RealmDeleted => "realm.deleted",
            Self::DatabaseMade => "database.made",
            Self::DatabaseFailed => "database.failed",
            Self::DatabaseConnected => "database.connected",
            Self::DatabaseRotated => "database.rotated",
            Self::DatabaseMigrated => "database.migrated",
            Self::StoreRestored => "store.restored",
        }
    }
}

/// The thing that something was done to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// An account.
    Account(AccountId),
    /// A key.
    Key(CredentialId),
    /// A member.
    Member(MemberId),
    /// A service account.
    ServiceAccount(ServiceAccountId),
    /// A signing key, by its number.
    SigningKey(u64),
    /// A realm.
    Realm(RealmId),
}

impl Target {
    pub(crate) fn describe(self) -> (&'static str, String) {
        match self {
            Self::Account(id) => ("account", id.to_string()),
            Self::Key(id) => ("key", id.to_string()),
            Self::Member(id) => ("member", id.to_string()),
            Self::ServiceAccount(id) => ("service_account", id.to_string()),
            Self::SigningKey(number) => ("signing_key", number.to_string()),
            Self::Realm(id) => ("realm", id.to_string()),
        }
    }
}

fn describe(actor: &Actor) -> (&'static str, String) {
    match actor {
        Actor::Key(key) => ("key", key.id.to_string()),
        Actor::Machine(machine) => ("service_account", machine.id.to_string()),
        // Realm and subject, since the same person may be a member of several organizations.
        Actor::Member(member) => ("member", format!("{}/{}", member.realm, member.subject)),
        Actor::Operator(_) => ("operator", "local".to_owned()),
    }
}

impl Plane {
    /// The event of a change under `root`, to be sealed into the change's own commit.
    pub(crate) fn audit_event(
        &self,
        context: &Context,
        root: AccountId,
        at: Timestamp,
        action: Action,
        target: Target,
    ) -> AuditEvent {
        let event = AuditEvent {
            id: EventId::generate(&*self.rng, at),
            root,
            at,
            actor: describe(&context.actor),
            action,
            target: target.describe(),
            facts: Vec::new(),
            request_id: context.request_id.clone(),
            address: context.address,
        };
        match &context.actor {
            // Acting for another tenant than the token's own is what an auditor asks for first.
            Actor::Member(member) if member.own_tenant != Some(member.tenant) => {
                event.with("acting_for", member.tenant)
            }
            _ => event,
        }
    }

    pub(crate) fn seal(&self, event: AuditEvent) -> Sealed<AuditEvent> {
        Sealed::new(event, &self.secrets)
    }
}
