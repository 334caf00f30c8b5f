//! Chains: the events of one root account in the order in which they were sealed.
//!
//! An event is sealed by itself when it is written, which shows that it was altered but not that it
//! is gone. A link binds it to all events before it: its hash is an HMAC over the event's id and
//! seal, its number, and the hash before. Without the plane's secrets nobody makes the next link,
//! and nobody takes one out without breaking the one behind it.

use crate::ids::{AccountId, EventId};
use crate::secrets::{MacWriter, Secrets};

/// What binds a link to everything before it.
pub type LinkHash = [u8; 32];

/// One event's place in its chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// Whose chain.
    pub root: AccountId,
    /// Its number in the chain, from 1.
    pub sequence: u64,
    /// The event.
    pub event: EventId,
    /// HMAC-SHA-256 over all this, the event's seal and the hash before.
    pub hash: LinkHash,
}

/// The end of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainHead {
    /// Whose chain.
    pub root: AccountId,
    /// How many links it has.
    pub length: u64,
    /// The last link's hash; zeros where there is none.
    pub hash: LinkHash,
}

impl ChainHead {
    /// The end of a chain without a link.
    #[must_use]
    pub const fn empty(root: AccountId) -> Self {
        Self { root, length: 0, hash: [0; 32] }
    }

    /// The end of a chain whose last link is `link`.
    #[must_use]
    pub const fn of(link: &Link) -> Self {
        Self { root: link.root, length: link.sequence, hash: link.hash }
    }

    /// The link by which an event with this seal continues the chain.
    #[must_use]
    pub fn next(&self, event: EventId, seal: &[u8; 32], secrets: &Secrets) -> Link {
        let sequence = self.length + 1;
        let mut writer = MacWriter::new();
        writer.text("audit_links");
        writer.bytes(self.root.as_bytes());
        writer.number(i64::try_from(sequence).unwrap_or(i64::MAX));
        writer.bytes(event.as_bytes());
        writer.bytes(seal);
        writer.bytes(&self.hash);
        Link { root: self.root, sequence, event, hash: secrets.chain_mac(&writer) }
    }
}

/// An event that no link names yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnsealedEvent {
    /// Its id.
    pub id: EventId,
    /// Whose chain it belongs to.
    pub root: AccountId,
    /// Its own seal.
    pub seal: [u8; 32],
}

/// The next events to put into chains.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unsealed {
    /// The mark: everything up to this event is in its chain. None before the first.
    pub mark: Option<EventId>,
    /// Events that are in none, in the order in which they were committed.
    pub events: Vec<UnsealedEvent>,
    /// The event up to which everything is in its chain once these are: the next mark.
    pub upto: Option<EventId>,
}

/// Links to add, all of one transaction.
#[derive(Clone, Debug)]
pub struct NewLinks {
    /// The links.
    pub links: Vec<Link>,
    /// For each chain that grows: how long it was, and its new end.
    pub heads: Vec<(u64, ChainHead)>,
    /// The mark as it was.
    pub mark_before: Option<EventId>,
    /// The mark as it will be.
    pub mark: EventId,
}
