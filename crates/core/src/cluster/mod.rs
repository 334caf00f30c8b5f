//! What this node knows of changes, and by when the others know.
//!
//! The node that makes a change applies it to its own cache before it answers. On one node that
//! is everywhere. Of several, each reads the change log every second and answers from its cache only
//! while it has read it within the bound ([`Membership::max_staleness`]): so a change holds on every
//! node at the latest when the bound has passed, whatever fails.

mod everywhere;
mod follow;
mod poll;

pub use follow::Followed;
pub(crate) use follow::Follower;
pub use poll::{LogRow, Marks, Node, Nodes, Poll, Polled, Tail};

use crate::Plane;
use crate::accounts::Account;
use crate::clock::Timestamp;
use crate::commit::{Change, Head, Revision};
use crate::error::{Error, Result};
use crate::leads::NodeId;
use crate::store::Committed;
use crate::verify::{Epoch, VerifyCache};
use std::time::Duration;

/// By when a change holds on every node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effective {
    /// Its place in the change log.
    pub revision: Revision,
    /// From then on no node answers as if it had not happened.
    pub everywhere_by: Timestamp,
}

/// What makes a plane one node of several.
#[derive(Clone, Debug)]
pub struct Membership {
    /// Its id, drawn when it starts: what an earlier process had applied says nothing of this one.
    pub node: NodeId,
    /// What operators call it.
    pub name: Box<str>,
    /// How long after a change is acknowledged a node may answer as if it had not happened.
    pub max_staleness: Duration,
}

/// This node's cache, and how it follows the others.
pub(crate) struct Cluster {
    pub(crate) cache: VerifyCache,
    /// None on a node that is alone: it makes every change itself, and is always fresh.
    pub(crate) follower: Option<Follower>,
}

impl Cluster {
    /// A node that is alone.
    pub(crate) fn single(cache_entries: usize) -> Self {
        Self { cache: VerifyCache::alone(cache_entries), follower: None }
    }

    /// One node of several.
    pub(crate) fn joined(cache_entries: usize, membership: Membership) -> Self {
        Self {
            cache: VerifyCache::following(cache_entries),
            follower: Some(Follower::new(membership)),
        }
    }

    /// How many nodes share what each counts for itself.
    pub(crate) fn sharing(&self) -> u32 {
        self.follower.as_ref().map_or(1, Follower::nodes)
    }

    /// By when something that is already in the log, and applied here, holds everywhere.
    fn effective(&self, revision: Revision, now: Timestamp) -> Effective {
        let bound = self.follower.as_ref().map_or(Duration::ZERO, Follower::max_staleness);
        Effective { revision, everywhere_by: now.plus(bound) }
    }

    /// Enters an account that `change` has just left like this, so that its tree goes on without a
    /// look-up.
    pub(crate) fn note_account(
        &self,
        account: &Account,
        change: &Change,
        effective: Effective,
        epoch: Epoch,
    ) {
        self.cache.note_account(account, head_of(change, effective.revision), epoch);
    }
}

/// The head that a change left behind.
fn head_of(change: &Change, revision: Revision) -> Head {
    Head { revision, nonce: change.rows.last().map_or(0, |(_, nonce)| *nonce) }
}

impl Plane {
    /// Takes what `change` names out of this node's cache, where the store at `head` has it as it is
    /// wanted already, and says by when that holds.
    pub(crate) fn confirm(&self, change: &Change, head: Head) -> Effective {
        self.cluster.cache.apply(change, Some(head));
        self.cluster.effective(head.revision, self.clock.now())
    }

    /// Applies a change to this node's cache once its outcome is known, and says by when it holds.
    pub(crate) fn publish(&self, change: &Change, outcome: Result<Committed>) -> Result<Effective> {
        match outcome {
            Ok(committed) => {
                let revision = committed
                    .ok_or_else(|| Error::internal("a change was committed without its log row"))?;
                self.cluster.cache.apply(change, Some(head_of(change, revision)));
                Ok(self.cluster.effective(revision, self.clock.now()))
            }
            Err(error) => {
                // Whether it was committed is not known when the store fails half-way: what is
                // cached must not outlive it either way.
                self.cluster.cache.apply(change, None);
                Err(error)
            }
        }
    }
}
