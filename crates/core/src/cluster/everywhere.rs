//! Waiting until a change holds on every node, and looking at the nodes.
//!
//! A node that was seen within the bound may answer from its cache, so it has to have noted the
//! change. One that was not is not fresh any more and refuses; it becomes fresh only by reading the
//! log anew ([`super::follow`]). What nodes have noted says nothing for a while after another server
//! has taken the store over, which may have lost a node's row, or when it was seen.

use super::{Effective, Follower, Node, Nodes};
use crate::Plane;
use crate::actor::Context;
use crate::error::Result;
use crate::ids::AccountId;
use crate::limits;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::Mutex;

/// Looks at the nodes, which all who wait share: there is one at a time. Whoever comes needs one that
/// begins after that, and then each time one that is newer than its last.
#[derive(Default)]
pub(super) struct Looks {
    begun: AtomicU64,
    last: Mutex<Look>,
}

#[derive(Clone, Default)]
struct Look {
    number: u64,
    /// When the store had answered.
    answered_at: Duration,
    /// None where it did not.
    nodes: Option<Arc<Nodes>>,
}

impl Plane {
    /// How the nodes are, by a look that came after that number.
    async fn look_at_nodes(&self, looks: &Looks, after: u64) -> Look {
        let mut last = looks.last.lock().await;
        if last.number <= after {
            let number = looks.begun.fetch_add(1, Ordering::SeqCst) + 1;
            let listed = self.store.list_nodes(self.clock.now(), limits::NODES_MAX).await;
            let answered_at = self.clock.monotonic();
            *last = Look { number, answered_at, nodes: listed.ok().map(Arc::new) };
        }
        last.clone()
    }

    /// Waits until a change holds on every node, or for [`limits::EVERYWHERE_WAIT_MAX`], and says
    /// by when it does: on return, unless the wait was too short.
    ///
    /// A store that does not answer is asked again: the change is made, and when the bound has
    /// passed it holds, whatever the store does.
    pub async fn await_everywhere(&self, effective: Effective) -> Effective {
        let Some(follower) = &self.cluster.follower else {
            return effective;
        };
        let bound = follower.max_staleness();
        let began = self.clock.monotonic();
        let mut after = follower.looks.begun.load(Ordering::SeqCst);
        loop {
            let waited = self.clock.monotonic().saturating_sub(began);
            let look = self.look_at_nodes(&follower.looks, after).await;
            let Look { number, answered_at, nodes } = look;
            after = number;
            let everywhere =
                nodes.is_some_and(|nodes| follower.is_everywhere(effective, &nodes, answered_at));
            if everywhere || waited >= bound {
                let everywhere_by = effective.everywhere_by.min(self.clock.now());
                return Effective { everywhere_by, ..effective };
            }
            if waited >= limits::EVERYWHERE_WAIT_MAX {
                return effective;
            }
            tokio::time::sleep(limits::EVERYWHERE_LOOK_EVERY).await;
        }
    }

    /// Waits as [`Self::await_everywhere`] for all changes up to now of the caller's organization, or
    /// of the plane's own records.
    ///
    /// # Errors
    /// What the store says.
    pub async fn await_changes_by(&self, context: &Context) -> Result<()> {
        if self.is_one_of_several() {
            let root = context.actor.organization().unwrap_or(AccountId::PLANE);
            let head = self.store.find_head(root).await?;
            self.await_everywhere(self.cluster.effective(head.revision, self.clock.now())).await;
        }
        Ok(())
    }

    /// The nodes of the cluster, for the operator. A node that is alone lists none.
    ///
    /// # Errors
    /// A caller who is not the operator.
    pub async fn list_nodes(&self, context: &Context) -> Result<Nodes> {
        context.actor.require_operator()?;
        self.store.list_nodes(self.clock.now(), limits::NODES_MAX).await
    }

    /// A node that may be answering by another bound than this one's: by when a change holds everywhere
    /// could not be told with both.
    ///
    /// # Errors
    /// What the store says.
    pub async fn find_node_of_other_bound(&self) -> Result<Option<Node>> {
        let Some(follower) = &self.cluster.follower else { return Ok(None) };
        let listed = self.store.list_nodes(self.clock.now(), limits::NODES_MAX).await?;
        let own = follower.max_staleness();
        let differs = |node: &Node| {
            node.max_staleness != own && listed.silence(node) < node.max_staleness.max(own)
        };
        Ok(listed.nodes.iter().find(|node| differs(node)).cloned())
    }

    /// Forgets nodes that have not been seen for long, and rows of the change log that no node
    /// needs. Each call does a part; answers how many rows it took.
    ///
    /// # Errors
    /// What the store says.
    pub async fn sweep_cluster(&self) -> Result<u64> {
        let now = self.clock.now();
        let before = now.minus(limits::CHANGE_LOG_TTL);
        let rows = self.store.prune_change_log(before, limits::CHANGE_PRUNE_MAX).await?;
        let nodes = self.store.sweep_nodes(now, limits::NODE_TTL, limits::NODES_MAX).await?;
        Ok(rows + nodes)
    }
}

impl Follower {
    /// Whether no node is left that may answer as if the change had not happened. This one has
    /// applied it.
    fn is_everywhere(
        &self,
        Effective { revision, .. }: Effective,
        nodes: &Nodes,
        now: Duration,
    ) -> bool {
        let settled = self.is_settled(nodes.incarnation, now);
        let all = nodes.nodes.len() < usize::try_from(limits::NODES_MAX).unwrap_or(usize::MAX);
        let is_past = |node: &Node| {
            node.id == self.membership().node
                || node.applied[usize::from(revision.shard)] >= revision.number
                || nodes.silence(node) >= self.max_staleness().max(node.max_staleness)
        };
        all && settled && nodes.nodes.iter().all(is_past)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::cluster::Membership;
    use crate::commit::Revision;
    use crate::leads::NodeId;

    const BOUND: Duration = Duration::from_secs(5);
    const NOW: Timestamp = Timestamp::from_seconds(1_700_000_000);
    const CHANGE: Effective =
        Effective { revision: Revision { shard: 3, number: 7 }, everywhere_by: NOW };

    fn follower() -> Follower {
        let node = NodeId::from_bytes([0; 16]);
        Follower::new(Membership { node, name: "".into(), max_staleness: BOUND })
    }

    /// Another node, which was seen this long ago and had applied up to this row.
    fn other(silence: Duration, applied: u64) -> Nodes {
        let mut node = Node {
            id: NodeId::from_bytes([1; 16]),
            name: "".into(),
            max_staleness: BOUND,
            seen_at: NOW.minus(silence),
            applied: [9; 16],
        };
        node.applied[3] = applied;
        Nodes { now: NOW, incarnation: 1, nodes: vec![node] }
    }

    #[test]
    fn a_node_is_waited_for_until_it_has_noted_the_change_or_is_gone() {
        let follower = follower();
        follower.note_server(1, Duration::ZERO);
        let just_gone = BOUND.saturating_sub(Duration::from_micros(1));
        for (silence, applied, expected) in [
            (Duration::ZERO, 7, true),
            (Duration::ZERO, 8, true),
            (Duration::ZERO, 6, false),
            (just_gone, 6, false),
            (BOUND, 6, true),
        ] {
            let nodes = other(silence, applied);
            assert_eq!(follower.is_everywhere(CHANGE, &nodes, BOUND), expected, "{nodes:?}");
        }
        // One's own row says nothing new.
        let mut own = other(Duration::ZERO, 0);
        own.nodes[0].id = follower.membership().node;
        assert!(follower.is_everywhere(CHANGE, &own, BOUND));
    }

    #[test]
    fn nothing_noted_counts_until_a_server_has_had_the_store_for_the_bound() {
        let follower = follower();
        let gone = other(BOUND * 10, 0);
        assert!(!follower.is_everywhere(CHANGE, &gone, BOUND * 100), "which server is not known");
        follower.note_server(0, Duration::ZERO);
        assert!(!follower.is_everywhere(CHANGE, &gone, BOUND * 100), "another one has taken over");
        follower.note_server(1, BOUND);
        follower.note_server(1, BOUND * 2);
        let just = (BOUND * 2).saturating_sub(Duration::from_micros(1));
        assert!(!follower.is_everywhere(CHANGE, &gone, just));
        assert!(follower.is_everywhere(CHANGE, &gone, BOUND * 2));
        // A node whose row is lost may be fresh for that long, too.
        let none = Nodes { nodes: Vec::new(), ..gone };
        assert!(!follower.is_everywhere(CHANGE, &none, just));
        assert!(follower.is_everywhere(CHANGE, &none, BOUND * 2));
    }

    #[test]
    fn where_more_nodes_are_than_are_listed_nobody_is_passed_over() {
        let follower = follower();
        follower.note_server(1, Duration::ZERO);
        let mut nodes = other(Duration::ZERO, 9);
        nodes.nodes = vec![nodes.nodes[0].clone(); limits::NODES_MAX as usize];
        assert!(!follower.is_everywhere(CHANGE, &nodes, BOUND));
        nodes.nodes.pop();
        assert!(follower.is_everywhere(CHANGE, &nodes, BOUND));
    }
}
