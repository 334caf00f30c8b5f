//! Nodes tell each other of changes.

use super::open;
use crate::support::Draw;
use std::sync::Arc;
use std::time::Duration;
use tenantry_backends::postgres::PostgresStore;
use tenantry_backends::testing::{Database, Server};
use tenantry_core::commit::{Change, Commit, Subject};
use tenantry_core::ids::AccountId;
use tenantry_core::store::AuditStore as _;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// The sessions that listen.
const LISTENING: &str = "SELECT pid FROM pg_stat_activity
    WHERE datname = current_database() AND query LIKE '%tenantry_changes'";

/// A node, and what it is told.
async fn node(database: &Database) -> (Arc<PostgresStore>, UnboundedReceiver<()>) {
    let store = Arc::new(open(database.url()).await);
    let (tell, mut hints) = unbounded_channel();
    let carrying = store.clone();
    tokio::spawn(async move {
        let hinted = || {
            let _ = tell.send(());
        };
        carrying.carry_hints(hinted, std::future::pending()).await;
    });
    // To look at what changed before it listened.
    told(&mut hints).await;
    (store, hints)
}

async fn told(hints: &mut UnboundedReceiver<()>) {
    let patience = Duration::from_secs(20);
    let hint = tokio::time::timeout(patience, hints.recv()).await;
    hint.expect("told in time").expect("a hint");
}

fn changing(draw: &Draw) -> Commit {
    let root = AccountId::PLANE;
    let change = Change::new(&draw.rng, root, [Subject::Account(root)]);
    Commit::changing(draw.seal(draw.event(root)), change)
}

/// Seen failing without `LISTEN`, without `NOTIFY`, and without the comparison with one's own process.
#[tokio::test]
async fn f12_a_change_is_told_to_others_and_not_to_oneself() {
    let Some(server) = Server::shared() else { return };
    let (database, draw) = (server.database(), Draw::new());
    let (first, mut to_first) = node(&database).await;
    let (second, mut to_second) = node(&database).await;
    for _ in 0..3 {
        first.insert_audit_event(changing(&draw)).await.expect("stored");
        told(&mut to_second).await;
    }
    second.insert_audit_event(changing(&draw)).await.expect("stored");
    told(&mut to_first).await;
    // What the first was told was the second's change: its own came before.
    assert!(to_first.try_recv().is_err());

    // Both listen anew.
    let listening = format!("SELECT pg_terminate_backend(pid) FROM ({LISTENING}) AS l");
    assert_eq!(database.query(&listening).expect("sessions").len(), 2);
    told(&mut to_first).await;
    told(&mut to_second).await;
    first.insert_audit_event(changing(&draw)).await.expect("stored");
    told(&mut to_second).await;
}
