//! The audit trail.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Who did something, or what it was done to.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Named {
    /// `key`, `member` or `operator`; `account`, `key`, `member`, `service_account` or `store`.
    pub kind: String,
    /// Its id.
    pub id: String,
}

/// Something that was done.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct AuditEvent {
    /// Its id.
    pub id: String,
    /// When, RFC 3339.
    #[schema(format = DateTime)]
    pub at: String,
    /// Who did it.
    pub actor: Named,
    /// What was done, such as `key.revoked`.
    pub action: String,
    /// To what.
    pub target: Named,
    /// Further facts by name, all of them texts.
    pub facts: BTreeMap<String, String>,
    /// The request that did it.
    pub request_id: String,
    /// Where that came from; null where it came over the operator's socket.
    #[schema(required)]
    pub address: Option<String>,
}

/// What was found of a part of a trail.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct VerifiedTrail {
    /// Whether nothing was found in this part.
    pub intact: bool,
    /// How many events the chain has. Those of the last second may not be in it yet.
    pub length: u64,
    /// The number of the first event of this part, from 1.
    pub from: u64,
    /// The number of its last event.
    pub to: u64,
    /// How many things were found wrong.
    pub wrong: u64,
    /// The first of them, in order.
    pub findings: Vec<Finding>,
    /// What `cursor` of the next part is; null after the last.
    #[schema(required)]
    pub next_cursor: Option<String>,
}

/// Something that is not what was written.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Finding {
    /// A word for programs, such as `event_altered`.
    pub code: String,
    /// The organization whose chain it is about; null for the plane's and where it is about the whole.
    #[schema(required)]
    pub organization_id: Option<String>,
    /// The number in that chain, where it is about one event or link.
    #[schema(required)]
    pub sequence: Option<u64>,
    /// The same in words, with the ids.
    pub detail: String,
}
