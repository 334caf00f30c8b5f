//! `AuditTrailStore`.

use crate::backend::Backend;
use crate::support::{Draw, NOW};
use std::time::Duration;
use tenantry_core::audit::chain::{ChainHead, NewLinks};
use tenantry_core::audit::checkpoint::StoredCheckpoint;
use tenantry_core::audit::list::{AskedEvents, EventFilter};
use tenantry_core::audit::{Action, AuditEvent};
use tenantry_core::clock::Timestamp;
use tenantry_core::commit::Commit;
use tenantry_core::error::{Conflict, Error, Result};
use tenantry_core::ids::{AccountId, EventId};
use tenantry_core::leads::{Lead, NodeId, Task};
use tenantry_core::store::Store;

const ROOT: AccountId = AccountId::from_bytes([1; 16]);
const OTHER: AccountId = AccountId::from_bytes([2; 16]);

fn is_changed<T>(outcome: &Result<T>) -> bool {
    matches!(outcome, Err(Error::Conflict(Conflict::Changed)))
}

async fn lead(store: &dyn Store) -> Lead {
    let until = NOW.plus(Duration::from_secs(30));
    let lead = Lead { task: Task::SealAudit, node: NodeId::ALONE, fence: 1, until };
    store.save_lead(&lead, None).await.expect("the lead");
    lead
}

async fn store_event(store: &dyn Store, draw: &Draw, event: AuditEvent) -> EventId {
    let id = event.id;
    store.insert_audit_event(Commit::audited(draw.seal(event))).await.expect("stored");
    id
}

async fn events(store: &dyn Store, draw: &Draw, roots: &[AccountId]) -> Vec<EventId> {
    let mut ids = Vec::new();
    for root in roots {
        ids.push(store_event(store, draw, draw.event(*root)).await);
    }
    ids
}

/// The links of everything that waits.
async fn links(store: &dyn Store, draw: &Draw) -> NewLinks {
    let found = store.list_unsealed_events(100).await.expect("a list");
    let mut new = NewLinks {
        links: Vec::new(),
        heads: Vec::new(),
        mark_before: found.mark,
        mark: found.upto.expect("events"),
    };
    for root in [ROOT, OTHER] {
        let known = store.find_chain_heads(&[root]).await.expect("heads");
        let begin = known.first().copied().unwrap_or(ChainHead::empty(root));
        let mut head = begin;
        for event in found.events.iter().filter(|event| event.root == root) {
            let link = head.next(event.id, &event.seal, &draw.secrets);
            head = ChainHead::of(&link);
            new.links.push(link);
        }
        if head != begin {
            new.heads.push((begin.length, head));
        }
    }
    new
}

pub(crate) async fn unsealed_events_come_in_the_order_of_their_commits(backend: &dyn Backend) {
    let (store, draw) = (backend.store(), Draw::new());
    let store = &*store;
    let none = store.list_unsealed_events(10).await.expect("a list");
    assert_eq!((none.mark, none.events.len(), none.upto), (None, 0, None));
    let mut ids = events(store, &draw, &[ROOT, OTHER, AccountId::PLANE]).await;
    // Of an earlier clock, and committed last.
    let id = EventId::generate(&draw.rng, Timestamp::from_seconds(1));
    ids.push(store_event(store, &draw, AuditEvent { id, ..draw.event(ROOT) }).await);
    for limit in [1, 3, 4, 100] {
        let found = store.list_unsealed_events(limit).await.expect("a list");
        let found_ids: Vec<EventId> = found.events.iter().map(|event| event.id).collect();
        let expected = &ids[..ids.len().min(limit as usize)];
        assert_eq!(found_ids, expected);
        assert_eq!((found.mark, found.upto), (None, expected.last().copied()));
        assert_eq!(found.events[0].root, ROOT);
        let seal = backend.audit_event(*ids[0].as_bytes()).expect("the event").1;
        assert_eq!(found.events[0].seal, seal);
    }
}

pub(crate) async fn links_move_heads_and_mark_together(backend: &dyn Backend) {
    let (store, draw) = (backend.store(), Draw::new());
    let store = &*store;
    let lead = lead(store).await;
    events(store, &draw, &[ROOT, OTHER, ROOT]).await;
    let new = links(store, &draw).await;
    store.insert_audit_links(&lead, new.clone()).await.expect("linked");
    let waiting = store.list_unsealed_events(10).await.expect("a list");
    assert_eq!((waiting.mark, waiting.events.len()), (Some(new.mark), 0));
    assert_eq!(waiting.upto, Some(new.mark), "nothing is left");
    let heads = store.find_chain_heads(&[OTHER, AccountId::PLANE, ROOT]).await.expect("heads");
    assert_eq!(
        heads.iter().map(|head| (head.root, head.length)).collect::<Vec<_>>(),
        [(OTHER, 1), (ROOT, 2)]
    );
    assert_eq!(heads[1].hash, new.links[1].hash);
    events(store, &draw, &[ROOT]).await;
    let next = links(store, &draw).await;
    assert_eq!((next.links.len(), next.links[0].sequence), (1, 3));
    store.insert_audit_links(&lead, next).await.expect("linked");

    let listed = store.list_audit_links(ROOT, 0, 10).await.expect("links");
    assert_eq!(listed.iter().map(|stored| stored.link.sequence).collect::<Vec<_>>(), [1, 2, 3]);
    for stored in listed {
        let event = stored.event.expect("there").expect("readable").open(&draw.secrets);
        assert_eq!(event.expect("sealed").id, stored.link.event);
    }
    let part = store.list_audit_links(ROOT, 1, 1).await.expect("links");
    assert_eq!(part.iter().map(|stored| stored.link).collect::<Vec<_>>(), [new.links[1]]);
    assert!(store.list_audit_links(ROOT, 3, 10).await.expect("links").is_empty());
}

/// Events are neither lost nor linked twice whatever two sealers do at once.
pub(crate) async fn links_that_do_not_continue_what_is_stored_are_refused(backend: &dyn Backend) {
    let (store, draw) = (backend.store(), Draw::new());
    let store = &*store;
    let lead = lead(store).await;
    events(store, &draw, &[ROOT]).await;
    let first = links(store, &draw).await;
    let stale = Lead { fence: 0, ..lead };
    assert!(is_changed(&store.insert_audit_links(&stale, first.clone()).await), "another leads");
    store.insert_audit_links(&lead, first.clone()).await.expect("linked");
    assert!(store.insert_audit_links(&lead, first.clone()).await.is_err(), "once more");
    let ids = events(store, &draw, &[ROOT, OTHER]).await;
    let next = links(store, &draw).await;
    let mark = NewLinks { mark_before: Some(ids[0]), ..next.clone() };
    assert!(is_changed(&store.insert_audit_links(&lead, mark).await), "another mark");
    let none = NewLinks { mark_before: None, ..next.clone() };
    assert!(is_changed(&store.insert_audit_links(&lead, none).await), "no mark");
    let mut heads = next.clone();
    heads.heads[0].0 += 1;
    assert!(is_changed(&store.insert_audit_links(&lead, heads).await), "another length");
    assert_eq!(store.list_audit_links(ROOT, 0, 10).await.expect("links").len(), 1);
    assert!(store.list_audit_links(OTHER, 0, 10).await.expect("links").is_empty());
    assert_eq!(store.list_unsealed_events(10).await.expect("a list").mark, Some(first.mark));
    store.insert_audit_links(&lead, next).await.expect("linked");
}

pub(crate) async fn a_checkpoint_covers_heads_that_are_still_these(backend: &dyn Backend) {
    let (store, draw) = (backend.store(), Draw::new());
    let store = &*store;
    let lead = lead(store).await;
    events(store, &draw, &[ROOT, OTHER]).await;
    store.insert_audit_links(&lead, links(store, &draw).await).await.expect("linked");
    let heads = store.list_uncovered_chains(10).await.expect("heads");
    assert_eq!(heads, store.find_chain_heads(&[ROOT, OTHER]).await.expect("heads"));
    assert_eq!(store.list_uncovered_chains(1).await.expect("heads"), heads[..1]);
    assert_eq!(store.find_last_checkpoint().await.expect("a read"), None);
    assert_eq!(store.find_sunk().await.expect("a read"), 0);

    let checkpoint = |number| StoredCheckpoint { number, line: format!("line {number}") };
    let stale = Lead { fence: 0, ..lead };
    let refused = store.insert_checkpoint(&stale, &checkpoint(1), &heads, None).await;
    assert!(is_changed(&refused), "another leads");
    let mut other = heads.clone();
    other[1].length += 1;
    let refused = store.insert_checkpoint(&lead, &checkpoint(1), &other, None).await;
    assert!(is_changed(&refused), "another head");
    assert_eq!(store.list_uncovered_chains(10).await.expect("heads"), heads);
    store.insert_checkpoint(&lead, &checkpoint(1), &heads[..1], None).await.expect("stored");
    assert_eq!(store.list_uncovered_chains(10).await.expect("heads"), heads[1..]);
    let taken = store.insert_checkpoint(&lead, &checkpoint(1), &heads[1..], None).await;
    assert!(matches!(taken, Err(Error::Conflict(Conflict::Taken))));
    store.insert_checkpoint(&lead, &checkpoint(2), &heads[1..], Some(1)).await.expect("stored");
    assert!(store.list_uncovered_chains(10).await.expect("heads").is_empty());
    assert_eq!(store.find_covering_checkpoint(heads[1].root).await.expect("a read"), Some(2));
    assert_eq!(store.find_covering_checkpoint(AccountId::PLANE).await.expect("a read"), None);
    assert_eq!(store.find_last_checkpoint().await.expect("a read"), Some(checkpoint(2)));
    assert_eq!(store.list_checkpoints(0, 10).await.expect("a list"), [1, 2].map(checkpoint));
    assert_eq!(store.list_checkpoints(0, 1).await.expect("a list"), [checkpoint(1)]);
    assert_eq!(store.list_checkpoints(1, 10).await.expect("a list"), [checkpoint(2)]);
    assert_eq!(store.find_sunk().await.expect("a read"), 1);

    // A chain that grows is covered no more.
    events(store, &draw, &[ROOT]).await;
    store.insert_audit_links(&lead, links(store, &draw).await).await.expect("linked");
    assert_eq!(store.list_uncovered_chains(10).await.expect("heads")[0].length, 2);
    assert_eq!(store.find_covering_checkpoint(ROOT).await.expect("a read"), None);
}

fn asked(filter: EventFilter) -> AskedEvents {
    AskedEvents { filter, after: None, limit: 100, scan_max: 100 }
}

/// Ids of what a list finds, each believed by its seal, and whether there is more.
async fn found(store: &dyn Store, draw: &Draw, asked: &AskedEvents) -> (Vec<EventId>, bool) {
    let found = store.list_audit_events(ROOT, asked).await.expect("a list");
    let read = |(id, event): ([u8; 16], Result<tenantry_core::secrets::Unverified<_>>)| {
        let event: tenantry_core::audit::StoredAuditEvent =
            event.expect("readable").open(&draw.secrets).expect("sealed");
        assert_eq!(event.id.as_bytes(), &id);
        event.id
    };
    (found.events.into_iter().map(read).collect(), found.more_after.is_some())
}

pub(crate) async fn events_are_listed_by_id_as_the_filter_says(backend: &dyn Backend) {
    let (store, draw) = (backend.store(), Draw::new());
    let store = &*store;
    let mut ids = Vec::new();
    for number in 0..6_u32 {
        let at = NOW.plus(Duration::from_micros(700) * number);
        let id = EventId::generate(&draw.rng, at);
        let actor = ("key", format!("key_{}", number % 2));
        let target = ("account", format!("acc_{}", number % 3));
        let action = if number == 5 { Action::KeyRevoked } else { Action::AccountCreated };
        let event = AuditEvent { id, at, actor, target, action, ..draw.event(ROOT) };
        ids.push(store_event(store, &draw, event).await);
    }
    store_event(store, &draw, draw.event(OTHER)).await;
    // Within a millisecond ids are in no order.
    let mut by_id = ids.clone();
    by_id.sort();
    let only = |keep: &dyn Fn(usize) -> bool| -> Vec<EventId> {
        let kept: Vec<EventId> =
            ids.iter().enumerate().filter(|(at, _)| keep(*at)).map(|(_, id)| *id).collect();
        by_id.iter().filter(|id| kept.contains(id)).copied().collect()
    };
    let text = |text: &str| Some(text.into());
    let filters: [(EventFilter, Vec<EventId>); 7] = [
        (EventFilter::default(), by_id.clone()),
        (EventFilter { actor: text("key_1"), ..Default::default() }, only(&|n| n % 2 == 1)),
        (EventFilter { target: text("acc_0"), ..Default::default() }, only(&|n| n % 3 == 0)),
        (EventFilter { action: text("key.revoked"), ..Default::default() }, only(&|n| n == 5)),
        (EventFilter { action: text(""), ..Default::default() }, Vec::new()),
        (
            EventFilter { from: Some(NOW.plus(Duration::from_micros(700))), ..Default::default() },
            only(&|n| n >= 1),
        ),
        (
            EventFilter { to: Some(NOW.plus(Duration::from_micros(2100))), ..Default::default() },
            only(&|n| n < 3),
        ),
    ];
    for (filter, expected) in filters {
        let asked = asked(filter);
        assert_eq!(found(store, &draw, &asked).await, (expected, false), "{asked:?}");
    }

    // Page by page, whether the page is full or enough was looked at.
    let filter = EventFilter { actor: text("key_1"), ..Default::default() };
    for (limit, scan_max) in [(1, 100), (100, 1), (2, 3)] {
        let mut asked = AskedEvents { limit, scan_max, ..asked(filter.clone()) };
        let mut all = Vec::new();
        loop {
            let page = store.list_audit_events(ROOT, &asked).await.expect("a list");
            assert!(page.events.len() <= limit as usize);
            all.extend(page.events.iter().map(|(id, _)| EventId::from_bytes(*id)));
            match page.more_after {
                Some(after) => asked.after = Some(after),
                None => break,
            }
        }
        assert_eq!(all, only(&|n| n % 2 == 1), "{limit} {scan_max}");
    }
}
