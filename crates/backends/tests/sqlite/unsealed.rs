//! The mark of the audit trail after somebody changed it by SQL: what is sealed stays sealed once,
//! and what waits is found.

use crate::support::Draw;
use crate::{open, sql};
use tenantry_backends::sqlite::SqliteStore;
use tenantry_core::audit::chain::{ChainHead, NewLinks, Unsealed};
use tenantry_core::clock::Timestamp;
use tenantry_core::ids::{AccountId, EventId};
use tenantry_core::leads::{Lead, NodeId, Task};
use tenantry_core::store::{AuditStore as _, AuditTrailStore as _, LeadStore as _};

const LEAD: Lead = Lead {
    task: Task::SealAudit,
    node: NodeId::ALONE,
    fence: 1,
    until: Timestamp::from_seconds(2_000_000_000),
};

async fn event(store: &SqliteStore, draw: &Draw) -> EventId {
    let commit = draw.commit(AccountId::PLANE);
    let id = commit.audit.record().id;
    store.insert_audit_event(commit).await.expect("stored");
    id
}

async fn seal(store: &SqliteStore, draw: &Draw, found: Unsealed) {
    let heads = store.find_chain_heads(&[AccountId::PLANE]).await.expect("heads");
    let begin = heads.first().copied().unwrap_or(ChainHead::empty(AccountId::PLANE));
    let mut head = begin;
    let mut links = Vec::new();
    for event in &found.events {
        links.push(head.next(event.id, &event.seal, &draw.secrets));
        head = ChainHead::of(links.last().expect("a link"));
    }
    let heads = if links.is_empty() { Vec::new() } else { vec![(begin.length, head)] };
    let mark = found.upto.expect("events");
    let new = NewLinks { links, heads, mark_before: found.mark, mark };
    store.insert_audit_links(&LEAD, new).await.expect("linked");
}

#[tokio::test]
async fn a_mark_that_somebody_changed_seals_nothing_twice_and_leaves_nothing_out() {
    let edits = [
        "SELECT 1",
        "UPDATE audit_progress SET event_id = NULL",
        "DELETE FROM audit_progress",
        "UPDATE audit_progress SET event_id = zeroblob(16)",
        "UPDATE audit_progress SET event_id = (SELECT id FROM audit_events WHERE rowid = 2)",
        "DELETE FROM audit_events WHERE rowid = 5",
    ];
    for edit in edits {
        let (directory, draw) = (tempfile::tempdir().expect("a directory"), Draw::new());
        let store = open(directory.path());
        store.save_lead(&LEAD, None).await.expect("the lead");
        for _ in 0..5 {
            event(&store, &draw).await;
        }
        let found = store.list_unsealed_events(100).await.expect("a list");
        seal(&store, &draw, found).await;
        assert_eq!(store.unsealed_events().expect("a count"), 0);
        sql(directory.path(), edit);
        let waiting = [event(&store, &draw).await, event(&store, &draw).await];
        let found = store.list_unsealed_events(1).await.expect("a list");
        let ids: Vec<EventId> = found.events.iter().map(|event| event.id).collect();
        assert_eq!(ids, waiting[..1], "{edit}");
        seal(&store, &draw, found).await;
        let found = store.list_unsealed_events(100).await.expect("a list");
        let ids: Vec<EventId> = found.events.iter().map(|event| event.id).collect();
        assert_eq!(ids, waiting[1..], "{edit}");
        seal(&store, &draw, found).await;
        let links = store.list_audit_links(AccountId::PLANE, 0, 100).await.expect("links");
        assert_eq!(links.len(), 7, "{edit}");
        assert_eq!(store.unsealed_events().expect("a count"), 0, "{edit}");
    }
}
