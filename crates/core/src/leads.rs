//! Work that one node at a time does for all: whoever has the lead in the store, until it ends.
//!
//! A node that was paused may believe that it leads when another has taken over. So what the work
//! writes names the lead's fence, which grows with each new leader, and the store refuses an old one.

use crate::Plane;
use crate::clock::Timestamp;
use crate::error::{Conflict, Error, Result};
use crate::rng::{self, Rng};
use std::time::Duration;

/// How long a lead holds after it was last prolonged.
const LEAD_TTL: Duration = Duration::from_secs(30);

/// A node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NodeId([u8; 16]);

impl NodeId {
    /// The one process that a store on one machine admits: it takes over at once what the process
    /// before it led.
    pub const ALONE: Self = Self([0; 16]);

    /// Draws the id of a process that starts.
    #[must_use]
    pub fn generate(rng: &dyn Rng) -> Self {
        Self(rng::draw(rng))
    }

    /// The id of a stored row.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The bytes to store.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl std::fmt::Display for NodeId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Work that has a leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// Puts audit events into their chains and makes checkpoints.
    SealAudit,
}

impl Task {
    /// The word in rows.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SealAudit => "seal_audit",
        }
    }
}

/// Who leads, and until when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lead {
    /// What.
    pub task: Task,
    /// Who.
    pub node: NodeId,
    /// Grows by one with each new leader.
    pub fence: u64,
    /// When another node may take over.
    pub until: Timestamp,
}

impl Plane {
    /// The lead of `task` for `node`: `held` where that still holds for long enough, else prolonged
    /// or taken over. None while another node has it.
    pub(crate) async fn lead(
        &self,
        task: Task,
        node: NodeId,
        held: Option<Lead>,
    ) -> Result<Option<Lead>> {
        let now = self.clock.now();
        if let Some(lead) = held.filter(|lead| lead.until > now.plus(LEAD_TTL / 2)) {
            return Ok(Some(lead));
        }
        let before = self.store.find_lead(task).await?;
        let fence = match before {
            Some(lead) if lead.node == node => lead.fence,
            Some(lead) if lead.until > now => return Ok(None),
            Some(lead) => lead.fence + 1,
            None => 1,
        };
        let lead = Lead { task, node, fence, until: now.plus(LEAD_TTL) };
        match self.store.save_lead(&lead, before.as_ref()).await {
            Ok(()) => Ok(Some(lead)),
            Err(Error::Conflict(Conflict::Changed)) => Ok(None),
            Err(error) => Err(error),
        }
    }
}
