//! `NodeStore`.

use crate::backend::Backend;
use crate::changes::{log, root_in};
use crate::support::{Draw, NOW};
use std::time::Duration;
use tenantry_core::audit::AuditEvent;
use tenantry_core::clock::Timestamp;
use tenantry_core::cluster::{LogRow, Marks, Node, Poll, Polled};
use tenantry_core::commit::{Change, Commit, Mark, Subject};
use tenantry_core::ids::AccountId;
use tenantry_core::leads::NodeId;
use tenantry_core::store::Store;

const ONE: NodeId = NodeId::from_bytes([1; 16]);
const OTHER: NodeId = NodeId::from_bytes([2; 16]);
const SHARD: u8 = 3;
const BOUND: Duration = Duration::from_secs(7);

fn poll(node: NodeId, applied: Option<&Marks>) -> Poll {
    Poll {
        node,
        name: "a \"node\"".into(),
        max_staleness: BOUND,
        now: NOW,
        applied: applied.copied(),
        rows_max: 100,
    }
}

async fn ask(store: &dyn Store, applied: Option<&Marks>) -> Polled {
    store.poll_changes(&poll(ONE, applied)).await.expect("polled")
}

async fn nodes(store: &dyn Store) -> Vec<Node> {
    store.list_nodes(NOW, 100).await.expect("a list").nodes
}

/// A change of `shard` with as many rows as there are nonces.
fn change(draw: &Draw, root: AccountId, nonces: &[u64]) -> Change {
    let rows = nonces.iter().map(|nonce| (Subject::Account(root), *nonce)).collect();
    Change { rows, ..Change::new(&draw.rng, root, []) }
}

/// The heads of an answer, as the marks of a node that has applied all of it.
fn heads(polled: &Polled) -> Marks {
    std::array::from_fn(|shard| polled.tails[shard].head)
}

fn mark(number: u64, nonce: u64) -> Mark {
    Mark { number, nonce }
}

pub(crate) async fn a_first_poll_notes_the_node_and_reads_the_heads_alone(backend: &dyn Backend) {
    let (store, draw) = (backend.store(), Draw::new());
    assert_eq!(nodes(&*store).await, []);
    let root = root_in(&draw, SHARD);
    log(backend, &draw, change(&draw, root, &[u64::MAX, 1 << 63])).await;
    let polled = ask(&*store, None).await;
    for (shard, tail) in polled.tails.iter().enumerate() {
        let head = if shard == usize::from(SHARD) { mark(2, 1 << 63) } else { Mark::default() };
        assert_eq!((tail.head, &*tail.rows), (head, &[][..]), "{shard}");
    }
    let listed = store.list_nodes(NOW, 100).await.expect("a list");
    assert!(listed.silence(&listed.nodes[0]) < Duration::from_mins(1));
    let [node] = &*listed.nodes else { panic!("{listed:?}") };
    assert_eq!((node.id, &*node.name, node.applied), (ONE, "a \"node\"", [0; 16]));
    assert_eq!(node.max_staleness, BOUND);
}

pub(crate) async fn a_poll_reads_on_from_the_nodes_marks(backend: &dyn Backend) {
    let (store, draw) = (backend.store(), Draw::new());
    let organization = draw.organization(&*store).await;
    let root = root_in(&draw, SHARD);
    let start = heads(&ask(&*store, None).await);
    log(backend, &draw, change(&draw, root, &[7, 8])).await;
    let credential = Subject::Credential(organization.key.tag);
    let second = Change { rows: vec![(credential, 9)], ..change(&draw, root, &[]) };
    log(backend, &draw, second).await;
    let account = Some(Subject::Account(root));
    let row = |number, nonce, subject| LogRow { mark: mark(number, nonce), subject };
    let all = [row(1, 7, account), row(2, 8, account), row(3, 9, Some(credential))];

    // A shard without a row has no mark's own row.
    let polled = ask(&*store, Some(&start)).await;
    let tail = &polled.tails[usize::from(SHARD)];
    assert_eq!((tail.head, &*tail.rows), (mark(3, 9), &all[..]));
    assert_eq!(polled.tails.iter().map(|tail| tail.rows.len()).sum::<usize>(), 3);

    let mut applied = start;
    applied[usize::from(SHARD)] = mark(2, 8);
    let polled = ask(&*store, Some(&applied)).await;
    assert_eq!(polled.tails[usize::from(SHARD)].rows, all[1..]);
    assert_eq!(nodes(&*store).await[0].applied[usize::from(SHARD)], 2);

    // At most so many, from the mark's on.
    let short = Poll { rows_max: 2, ..poll(ONE, Some(&start)) };
    let polled = store.poll_changes(&short).await.expect("polled");
    let tail = &polled.tails[usize::from(SHARD)];
    assert_eq!((tail.head, &*tail.rows), (mark(3, 9), &all[..2]));

    // A node that has applied everything is answered its own mark's row.
    let polled = ask(&*store, Some(&heads(&polled))).await;
    assert_eq!(polled.tails[usize::from(SHARD)].rows, all[2..]);
    assert_eq!(nodes(&*store).await[0].applied[usize::from(SHARD)], 3);
}

pub(crate) async fn a_mark_of_another_history_is_noted_as_nothing(backend: &dyn Backend) {
    let (store, draw) = (backend.store(), Draw::new());
    let root = root_in(&draw, SHARD);
    log(backend, &draw, change(&draw, root, &[7, 8])).await;
    for (mine, noted, rows) in [
        (mark(2, 8), 2, 1),
        // Another row of that number, one that is not there any more, one that is not there yet.
        (mark(2, 9), 0, 1),
        (mark(3, 9), 0, 0),
        (mark(u64::MAX >> 1, 9), 0, 0),
    ] {
        let mut applied = Marks::default();
        applied[usize::from(SHARD)] = mine;
        let polled = ask(&*store, Some(&applied)).await;
        let tail = &polled.tails[usize::from(SHARD)];
        assert_eq!((tail.head, tail.rows.len()), (mark(2, 8), rows), "{mine:?}");
        assert_eq!(nodes(&*store).await[0].applied[usize::from(SHARD)], noted, "{mine:?}");
    }
}

pub(crate) async fn polls_beside_changes_miss_none(backend: &dyn Backend) {
    const WRITERS: u64 = 4;
    const CHANGES: u64 = 25;
    let (store, draw) = (backend.store(), Draw::new());
    let root = root_in(&draw, SHARD);
    let mut applied = heads(&ask(&*store, None).await);
    let writing = (0..WRITERS).map(|_| async {
        for _ in 0..CHANGES {
            log(backend, &draw, Change::new(&draw.rng, root, [Subject::Account(root)])).await;
        }
    });
    let following = async {
        // What a node believes of the shard after each answer is what stays there.
        let mut seen = Vec::new();
        while seen.len() < usize::try_from(WRITERS * CHANGES).expect("few") {
            let tail = ask(&*store, Some(&applied)).await.tails[usize::from(SHARD)].clone();
            let known = usize::from(!seen.is_empty());
            assert_eq!(tail.rows.get(..known), seen.get(seen.len() - known..));
            seen.extend_from_slice(&tail.rows[known..]);
            assert_eq!(seen.last().map_or(Mark::default(), |row| row.mark), tail.head);
            applied[usize::from(SHARD)] = tail.head;
        }
        seen
    };
    let mut writing = writing.map(Box::pin).collect::<Vec<_>>().into_iter();
    let mut next = || writing.next().expect("a writer");
    let (seen, ..) = tokio::join!(following, next(), next(), next(), next());
    let stored = backend.change_log(SHARD);
    assert_eq!(stored.len(), seen.len());
    for ((row, stored), number) in seen.iter().zip(stored).zip(1..) {
        assert_eq!((row.mark.number, stored.rev, stored.nonce), (number, number, row.mark.nonce));
    }
}

pub(crate) async fn nodes_are_listed_until_they_are_forgotten(backend: &dyn Backend) {
    let store = backend.store();
    let later = NOW.plus(Duration::from_secs(1));
    for node in [OTHER, ONE, ONE] {
        store.poll_changes(&poll(node, None)).await.expect("polled");
    }
    let ids = |nodes: Vec<Node>| nodes.into_iter().map(|node| node.id).collect::<Vec<_>>();
    assert_eq!(ids(nodes(&*store).await), [ONE, OTHER]);
    assert_eq!(ids(store.list_nodes(NOW, 1).await.expect("a list").nodes), [ONE]);
    let hour = Duration::from_hours(1);
    assert_eq!(store.sweep_nodes(later, hour, 10).await.expect("swept"), 0);
    store.delete_node(ONE).await.expect("deleted");
    store.delete_node(ONE).await.expect("nothing to delete");
    assert_eq!(ids(nodes(&*store).await), [OTHER]);
    store.poll_changes(&poll(ONE, None)).await.expect("polled");
    assert_eq!(store.sweep_nodes(later, Duration::ZERO, 1).await.expect("swept"), 1);
    assert_eq!(nodes(&*store).await.len(), 1);
    assert_eq!(store.sweep_nodes(later, Duration::ZERO, 10).await.expect("swept"), 1);
    assert_eq!(nodes(&*store).await, []);
}

pub(crate) async fn pruning_takes_the_oldest_rows_and_leaves_the_last(backend: &dyn Backend) {
    let (store, draw) = (backend.store(), Draw::new());
    let root = root_in(&draw, SHARD);
    let at = |seconds| NOW.plus(Duration::from_secs(seconds));
    // The clock of whoever wrote the third was late.
    for (seconds, nonce) in [(0, 1), (1, 2), (5, 3), (2, 4), (6, 5)] {
        let event = AuditEvent { at: at(seconds), ..draw.event(root) };
        let commit = Commit::changing(draw.seal(event), change(&draw, root, &[nonce]));
        store.insert_audit_event(commit).await.expect("stored");
    }
    let left = || backend.change_log(SHARD).iter().map(|row| row.nonce).collect::<Vec<_>>();
    let prune = async |before: Timestamp, limit| {
        store.prune_change_log(before, limit).await.expect("pruned")
    };
    assert_eq!(prune(at(0), 100).await, 0);
    assert_eq!(prune(at(3), 1).await, 1);
    assert_eq!(left(), [2, 3, 4, 5]);
    assert_eq!(prune(at(3), 100).await, 1, "no row is missing between those that are left");
    assert_eq!(left(), [3, 4, 5]);
    assert_eq!(prune(at(60), 100).await, 2);
    assert_eq!(left(), [5]);
    assert_eq!(prune(at(60), 100).await, 0);
    // The next one goes on from it.
    log(backend, &draw, change(&draw, root, &[6])).await;
    assert_eq!(backend.change_log(SHARD).last().map(|row| (row.rev, row.nonce)), Some((6, 6)));
}
