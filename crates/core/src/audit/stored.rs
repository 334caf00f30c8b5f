//! An event as a row has it, with words that this version may not know: to check its seal and to
//! list it, not to decide by.

use super::{AuditEvent, write_columns};
use crate::clock::Timestamp;
use crate::ids::{AccountId, EventId};
use crate::secrets::{MacWriter, Protected, SealKey};

/// An event that was stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredAuditEvent {
    /// Its id.
    pub id: EventId,
    /// The root account whose chain it belongs to.
    pub root: AccountId,
    /// When it happened.
    pub at: Timestamp,
    /// Who did it: the actor's kind and id.
    pub actor: (String, String),
    /// What was done.
    pub action: String,
    /// To which thing: its kind and id.
    pub target: (String, String),
    /// Further facts, by name.
    pub facts: Vec<(String, String)>,
    /// The request that did it.
    pub request_id: String,
    /// Where the request came from.
    pub address: Option<String>,
}

impl Protected for StoredAuditEvent {
    const TABLE: &'static str = AuditEvent::TABLE;
    const KEY: SealKey = AuditEvent::KEY;

    fn printed_id(&self) -> String {
        self.id.to_string()
    }

    fn write_to(&self, mac: &mut MacWriter) {
        let Self { id, root, at, actor, action, target, facts, request_id, address } = self;
        write_columns(
            mac,
            (id, root, *at),
            [&actor.0, &actor.1, action, &target.0, &target.1],
            facts.iter().map(|(name, value)| (name.as_str(), value.as_str())),
            (request_id, address.as_deref()),
        );
    }
}
