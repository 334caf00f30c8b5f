//! Whether a chain is what was sealed, link by link.

use super::chain::{ChainHead, Link};
use super::{Row, StoredAuditEvent};
use crate::error::Result;
use crate::ids::{AccountId, EventId};
use crate::limits;
use crate::secrets::{Secrets, Unverified};

/// Something in the audit trail, or a row it is about, that is not what was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Whose chain; none where it is about the whole.
    pub root: Option<AccountId>,
    /// The number in that chain.
    pub sequence: Option<u64>,
    /// What is wrong.
    pub problem: Problem,
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The event's seal does not match.
    #[error("event {0} was altered")]
    EventAltered(EventId),
    /// The chain names an event that is not there.
    #[error("event {0} was dropped")]
    EventDropped(EventId),
    /// The link does not follow from its event and the link before.
    #[error("the link of event {0} was altered or is out of order")]
    LinkAltered(EventId),
    /// The links before this one, back to the number given, are not there.
    #[error("the links from number {0} to here were dropped")]
    LinksDropped(u64),
    /// The chain's last links are not there.
    #[error("the chain was cut off: it had {had} links and has {has}")]
    CutOff {
        /// What its head or a checkpoint says.
        had: u64,
        /// How many are there.
        has: u64,
    },
    /// The head is not the last link.
    #[error("the chain's head was altered")]
    HeadAltered,
    /// The head is not there.
    #[error("the chain's head was dropped")]
    HeadDropped,
    /// An event that no link names, although later ones are sealed.
    #[error("event {0} is not in its chain")]
    NotInChain(EventId),
    /// What says up to where events are sealed does not fit the chains.
    #[error("what says which events are sealed was altered")]
    MarkAltered,
    /// The chain is not what a checkpoint says.
    #[error("the chain is not the one of checkpoint {0}")]
    OtherChain(u64),
    /// What says which checkpoint covers the chain does not fit it.
    #[error("the chain is said to be in checkpoint {0}, and is not")]
    NotCovered(u64),
    /// A checkpoint in the store that this plane did not sign.
    #[error("checkpoint {0} was altered")]
    CheckpointAltered(u64),
    /// A checkpoint that does not name the one before it.
    #[error("checkpoint {0} does not follow the one before it")]
    CheckpointOutOfOrder(u64),
    /// A checkpoint that is missing between others.
    #[error("checkpoint {0} was dropped")]
    CheckpointDropped(u64),
    /// The outside copy has a checkpoint that the store has not, or has otherwise.
    #[error("checkpoint {0} of the outside copy is not the store's")]
    CheckpointUnknown(u64),
    /// The outside copy lacks a checkpoint.
    #[error("the outside copy lacks checkpoint {0}")]
    SinkLacks(u64),
    /// A line of the outside copy that this plane did not sign.
    #[error("line {0} of the outside copy was altered")]
    SinkAltered(u64),
    /// A row whose seal does not match, or that cannot be read.
    #[error("{0} {1} is not what was written")]
    RowAltered(&'static str, String),
    /// A row of a version that the trail is past.
    #[error("{row} is at version {version}, and the trail at {trail}: an older row was put back")]
    RowPutBack {
        /// The row.
        row: Row,
        /// What it says.
        version: u64,
        /// What the trail says.
        trail: u64,
    },
    /// A row with changes that the trail does not know.
    #[error("{row} is at version {version}, and the trail does not know all of its changes")]
    RowAhead {
        /// The row.
        row: Row,
        /// What it says.
        version: u64,
    },
    /// A row that the trail knows is not there.
    #[error("{0} was dropped")]
    RowDropped(Row),
}

impl Problem {
    /// The word for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::EventAltered(_) => "event_altered",
            Self::EventDropped(_) => "event_dropped",
            Self::LinkAltered(_) => "link_altered",
            Self::LinksDropped(_) => "links_dropped",
            Self::CutOff { .. } => "cut_off",
            Self::HeadAltered => "head_altered",
            Self::HeadDropped => "head_dropped",
            Self::NotInChain(_) => "event_not_in_chain",
            Self::MarkAltered => "mark_altered",
            Self::OtherChain(_) => "chain_not_as_checkpointed",
            Self::NotCovered(_) => "chain_not_in_checkpoint",
            Self::CheckpointAltered(_) => "checkpoint_altered",
            Self::CheckpointOutOfOrder(_) => "checkpoint_out_of_order",
            Self::CheckpointDropped(_) => "checkpoint_dropped",
            Self::CheckpointUnknown(_) => "checkpoint_not_in_store",
            Self::SinkLacks(_) => "checkpoint_not_in_copy",
            Self::SinkAltered(_) => "copy_altered",
            Self::RowAltered(..) => "row_altered",
            Self::RowPutBack { .. } => "row_put_back",
            Self::RowAhead { .. } => "row_unaccounted",
            Self::RowDropped(_) => "row_dropped",
        }
    }
}

/// What was found, the first told one by one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// How many.
    pub wrong: u64,
    /// The first of them, in order.
    pub first: Vec<Finding>,
}

impl Findings {
    /// Notes a finding.
    pub fn add(&mut self, root: Option<AccountId>, sequence: Option<u64>, problem: Problem) {
        self.wrong += 1;
        if self.first.len() < limits::AUDIT_FINDINGS_MAX {
            self.first.push(Finding { root, sequence, problem });
        }
    }
}

/// A link with its event, as the store has them. `None` for an event that is not there, an error for
/// one that cannot be read.
pub struct StoredLink {
    /// The link.
    pub link: Link,
    /// Its event.
    pub event: Option<Result<Unverified<StoredAuditEvent>>>,
}

/// Checks one chain's links in their order.
pub struct ChainCheck<'a> {
    secrets: &'a Secrets,
    last: ChainHead,
    /// Links that were looked at.
    pub checked: u64,
}

impl<'a> ChainCheck<'a> {
    /// A check of the links that follow `after`, which is believed.
    #[must_use]
    pub fn after(after: ChainHead, secrets: &'a Secrets) -> Self {
        Self { secrets, last: after, checked: 0 }
    }

    /// The last link that was looked at.
    #[must_use]
    pub const fn last(&self) -> ChainHead {
        self.last
    }

    /// Looks at the next link; its event, where that is what was written.
    pub fn next(
        &mut self,
        stored: StoredLink,
        findings: &mut Findings,
    ) -> Option<StoredAuditEvent> {
        let StoredLink { link, event } = stored;
        let mut tell = |problem| findings.add(Some(link.root), Some(link.sequence), problem);
        self.checked += 1;
        let expected = self.last.length + 1;
        let follows = link.sequence == expected;
        if !follows {
            tell(Problem::LinksDropped(expected));
        }
        let seal = match &event {
            Some(Ok(event)) => Some(*event.seal()),
            _ => None,
        };
        let opened = match event {
            None => {
                tell(Problem::EventDropped(link.event));
                None
            }
            Some(event) => match event.and_then(|event| event.open(self.secrets)) {
                Ok(event) if event.root == link.root => Some(event),
                _ => {
                    tell(Problem::EventAltered(link.event));
                    None
                }
            },
        };
        // Without the event, or after a gap, there is nothing to compare the hash with; what follows
        // is compared with the hash that stands here.
        if let Some(seal) = seal.filter(|_| follows && opened.is_some())
            && self.last.next(link.event, &seal, self.secrets).hash != link.hash
        {
            tell(Problem::LinkAltered(link.event));
        }
        self.last = ChainHead::of(&link);
        opened
    }

    /// Compares where the chain ends with what its head says.
    pub fn end(&self, head: Option<ChainHead>, findings: &mut Findings) {
        let root = self.last.root;
        let has = self.last.length;
        let problem = match head {
            None if has > 0 => Problem::HeadDropped,
            Some(head) if head.length > has => Problem::CutOff { had: head.length, has },
            Some(head) if head != self.last => Problem::HeadAltered,
            _ => return,
        };
        findings.add(Some(root), Some(has), problem);
    }
}
