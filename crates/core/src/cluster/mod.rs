//! What this node knows of changes, and by when the others know.
//!
//! The node that makes a change applies it to its own cache before it answers. On one node that
//! is everywhere.

mod poll;

pub use poll::{LogRow, Marks, Node, Nodes, Poll, Polled, Tail};

use crate::Plane;
use crate::accounts::Account;
use crate::clock::Timestamp;
use crate::commit::{Change, Head, Revision};
use crate::error::{Error, Result};
use crate::store::Committed;
use crate::verify::{Epoch, VerifyCache};

/// By when a change holds on every node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effective {
    /// Its place in the change log.
    pub revision: Revision,
    /// From then on no node answers as if it had not happened.
    pub everywhere_by: Timestamp,
}

/// This node's cache.
pub struct Cluster {
    pub(crate) cache: VerifyCache,
}

impl Cluster {
    /// A node that is alone.
    #[must_use]
    pub fn single(cache_entries: usize) -> Self {
        Self { cache: VerifyCache::new(cache_entries) }
    }

    /// By when something that is already in the log, and applied here, holds everywhere.
    pub(crate) const fn effective(revision: Revision, now: Timestamp) -> Effective {
        // There is no other node to wait for.
        Effective { revision, everywhere_by: now }
    }

    /// Enters an account that was just changed here, so that its tree goes on without a look-up.
    pub(crate) fn note_account(&self, account: &Account, effective: Effective, epoch: Epoch) {
        self.cache.note_account(account, effective.revision, epoch);
    }
}

impl Plane {
    /// Takes what `change` names out of this node's cache, where the store at `head` has it as it is
    /// wanted already, and says by when that holds.
    pub(crate) fn confirm(&self, change: &Change, head: Head) -> Effective {
        self.cluster.cache.apply(change, Some(head.revision));
        Cluster::effective(head.revision, self.clock.now())
    }

    /// Applies a change to this node's cache once its outcome is known, and says by when it holds.
    pub(crate) fn publish(&self, change: &Change, outcome: Result<Committed>) -> Result<Effective> {
        match outcome {
            Ok(committed) => {
                let revision = committed
                    .ok_or_else(|| Error::internal("a change was committed without its log row"))?;
                self.cluster.cache.apply(change, Some(revision));
                Ok(Cluster::effective(revision, self.clock.now()))
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
