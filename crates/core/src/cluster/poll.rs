//! What nodes ask of the store each second, and what it answers.

use crate::clock::Timestamp;
use crate::commit::{CHANGE_SHARDS, Mark, Subject};
use crate::leads::NodeId;
use std::time::Duration;

/// A place in the history of each shard.
pub type Marks = [Mark; CHANGE_SHARDS as usize];

/// What a node asks for.
#[derive(Clone, Debug)]
pub struct Poll {
    /// Who asks.
    pub node: NodeId,
    /// What operators call it.
    pub name: Box<str>,
    /// For how long it may answer from what it has read.
    pub max_staleness: Duration,
    /// When it asks, for a store that no other machine uses.
    pub now: Timestamp,
    /// What it has applied of each shard; none before its first answer.
    pub applied: Option<Marks>,
    /// Most rows of one shard in the answer.
    pub rows_max: u32,
}

/// What it is answered: one tail for each shard, in their order.
#[derive(Clone, Debug)]
pub struct Polled {
    /// Which server answered: another number once another one has taken over. It may be another
    /// one more often than that, as with each restart.
    pub incarnation: u64,
    /// The end of each shard.
    pub tails: [Tail; CHANGE_SHARDS as usize],
    /// When it was answered, by the clock that all nodes share.
    pub now: Timestamp,
    /// Nodes that may be answering, the one that asked among them: those that were seen within its bound.
    pub nodes: u32,
}

impl Polled {
    /// What the node that asked may note as applied: of a shard's history that is not the store's,
    /// whatever its number, nothing.
    #[must_use]
    pub fn noted(&self, poll: &Poll) -> [u64; CHANGE_SHARDS as usize] {
        std::array::from_fn(|shard| {
            let mark = poll.applied.map_or(Mark::default(), |applied| applied[shard]);
            let first = self.tails[shard].rows.first();
            if first.is_some_and(|row| row.mark == mark) { mark.number } else { 0 }
        })
    }
}

/// The end of a shard of the change log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tail {
    /// Its head.
    pub head: Mark,
    /// Its rows from the node's mark's on, by number; none where the node had no mark.
    pub rows: Vec<LogRow>,
}

/// A row of the change log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogRow {
    /// Its place.
    pub mark: Mark,
    /// What changed; `None` where this version cannot tell, or where it may be everything.
    pub subject: Option<Subject>,
}

/// The nodes of a cluster.
#[derive(Clone, Debug)]
pub struct Nodes {
    /// When they were listed, by the clock that their rows go by.
    pub now: Timestamp,
    /// Which server listed them, as in [`Polled`].
    pub incarnation: u64,
    /// Those whose rows were found.
    pub nodes: Vec<Node>,
}

/// A node, as it noted itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its id, another one each time that it starts.
    pub id: NodeId,
    /// What operators call it.
    pub name: Box<str>,
    /// For how long it may answer from what it has read; 0 where it did not say.
    pub max_staleness: Duration,
    /// When it last polled.
    pub seen_at: Timestamp,
    /// The number of the last row of each shard that it had applied then.
    pub applied: [u64; CHANGE_SHARDS as usize],
}

impl Nodes {
    /// How long a node has not been seen.
    #[must_use]
    pub fn silence(&self, node: &Node) -> Duration {
        let micros = self.now.micros().saturating_sub(node.seen_at.micros());
        Duration::from_micros(u64::try_from(micros).unwrap_or(0))
    }
}
