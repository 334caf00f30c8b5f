//! What every changing store method writes beside the change itself, in the same transaction.

use crate::audit::AuditEvent;
use crate::clock::Timestamp;
use crate::ids::AccountId;
use crate::rng::{self, Rng};
use crate::secrets::{Sealed, Tag};

/// Shards of the change log.
pub const CHANGE_SHARDS: u8 = 16;

/// The companions of a change.
#[derive(Clone)]
pub struct Commit {
    /// Who did it. Without this row the change does not happen.
    pub audit: Sealed<AuditEvent>,
    /// What cached answers it makes stale; creates make none stale.
    pub change: Option<Change>,
    /// The reply to keep for a retried request.
    pub replay: Option<Replay>,
}

impl Commit {
    /// A change that no cached answer depends on.
    #[must_use]
    pub fn audited(audit: Sealed<AuditEvent>) -> Self {
        Self { audit, change: None, replay: None }
    }

    /// A change of something that cached answers hold.
    #[must_use]
    pub fn changing(audit: Sealed<AuditEvent>, change: Change) -> Self {
        Self { audit, change: Some(change), replay: None }
    }
}

/// Rows for the change log, all of one root account and so of one shard.
#[derive(Clone, Debug)]
pub struct Change {
    /// The root account.
    pub root: AccountId,
    /// What changed, each with 64 random bits by which a reader tells this history from another.
    pub rows: Vec<(Subject, u64)>,
}

impl Change {
    /// The rows for `subjects`.
    pub fn new(
        rng: &dyn Rng,
        root: AccountId,
        subjects: impl IntoIterator<Item = Subject>,
    ) -> Self {
        let rows = subjects
            .into_iter()
            .map(|subject| (subject, u64::from_be_bytes(rng::draw(rng))))
            .collect();
        Self { root, rows }
    }

    /// The shard of the rows.
    #[must_use]
    pub fn shard(&self) -> u8 {
        shard_of(self.root)
    }
}

/// The shard of a root account's changes: from the id's last, random byte.
#[must_use]
pub fn shard_of(root: AccountId) -> u8 {
    root.as_bytes()[15] % CHANGE_SHARDS
}

/// Something that cached answers hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// The credential with this tag.
    Credential(Tag),
    /// The account with this id.
    Account(AccountId),
}

impl Subject {
    /// The word in rows.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Credential(_) => "credential",
            Self::Account(_) => "account",
        }
    }

    /// The subject of a stored row; `None` where the row names none that is known here.
    #[must_use]
    pub fn from_stored(kind: &str, bytes: &[u8]) -> Option<Self> {
        match kind {
            "credential" => Some(Self::Credential(Tag::from_bytes(bytes.try_into().ok()?))),
            "account" => Some(Self::Account(AccountId::from_bytes(bytes.try_into().ok()?))),
            _ => None,
        }
    }

    /// The bytes in rows.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Credential(tag) => tag.as_bytes(),
            Self::Account(id) => id.as_bytes(),
        }
    }
}

/// A place in the change log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Revision {
    /// The shard.
    pub shard: u8,
    /// The number of its last row; 0 before the first.
    pub number: u64,
}

impl std::fmt::Display for Revision {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.shard, self.number)
    }
}

/// A place in one history of a shard. A store that lost commits, or was restored, gives the same
/// numbers out again with other nonces: whoever remembers both can tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Mark {
    /// The number of a row; 0 before the first.
    pub number: u64,
    /// The row's nonce; 0 before the first.
    pub nonce: u64,
}

/// The head of a shard: the place of its last row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Its shard and number.
    pub revision: Revision,
    /// The nonce of that row; 0 before the first.
    pub nonce: u64,
}

impl Head {
    /// Its place in the shard's history.
    #[must_use]
    pub const fn mark(self) -> Mark {
        Mark { number: self.revision.number, nonce: self.nonce }
    }
}

/// A reply to keep, so that a request sent again has the same outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replay {
    /// Credential lineage, method and path: another credential of the tenant does not see it.
    pub scope: Box<str>,
    /// HMAC of the `Idempotency-Key` header.
    pub key_hash: [u8; 32],
    /// HMAC of the request's body.
    pub body_fingerprint: [u8; 32],
    /// The sealed reply; empty once it was erased.
    pub reply: Vec<u8>,
    /// Until when the reply itself is kept.
    pub reply_until: Timestamp,
    /// What the request made, for a repetition that comes later.
    pub resource: Box<str>,
    /// When the request is forgotten.
    pub expires_at: Timestamp,
}
