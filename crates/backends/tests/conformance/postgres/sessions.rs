//! Sessions: nobody's transaction is left open, and a session that breaks is nobody's loss.

use super::open;
use crate::support::{Draw, NOW};
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use tenantry_backends::postgres::{PostgresOptions, PostgresStore};
use tenantry_backends::testing::{Database, Server};
use tenantry_core::ids::AccountId;
use tenantry_core::store::{AuditStore as _, HealthStore as _};

fn count(database: &Database, sql: &str) -> i64 {
    database.query(sql).expect("rows")[0].get(0)
}

/// The store's sessions that read last and are in a transaction: a read is in none of its own.
const READING_IN_ANOTHERS: &str = "SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND state LIKE 'idle in transaction%'
        AND query LIKE 'SELECT rev, nonce FROM change_head%'";

/// Seen failing with connections given back when they are dropped, and not asked whether they are in a
/// transaction when they are taken.
#[tokio::test]
async fn f17_a_caller_that_goes_away_leaves_nobody_in_its_transaction() {
    let Some(server) = Server::shared() else { return };
    let (database, draw) = (server.database(), Draw::new());
    let options =
        PostgresOptions { connections_max: 1, ..PostgresOptions::new(database.url(), NOW) };
    let store = PostgresStore::open(&options).await.expect("a store");
    for steps in 0..20 {
        // As often as the call needs, it is dropped after another number of steps.
        let mut call = Box::pin(store.insert_audit_event(draw.commit(AccountId::PLANE)));
        let mut left = steps;
        poll_fn(|context| match call.as_mut().poll(context) {
            Poll::Pending if left > 0 => {
                left -= 1;
                Poll::Pending
            }
            _ => Poll::Ready(()),
        })
        .await;
        drop(call);
        store.check().await.expect("read");
        assert_eq!(count(&database, READING_IN_ANOTHERS), 0, "after {steps} steps");
        store.insert_audit_event(draw.commit(AccountId::PLANE)).await.expect("stored");
    }
    let events = count(&database, "SELECT count(*) FROM audit_events");
    let waiting = count(&database, "SELECT count(*) FROM audit_waiting");
    assert!(events >= 20 && events == waiting, "{events} events, {waiting} waiting");
}

/// Holds up every change until one waits, and ends the sessions of all.
const END_THOSE_THAT_WAIT: &str = "BEGIN;
    LOCK TABLE audit_events IN EXCLUSIVE MODE;
    DO $$ BEGIN
        WHILE (SELECT count(*) FROM pg_stat_activity
            WHERE datname = current_database() AND wait_event_type = 'Lock') < 1
        LOOP
            PERFORM pg_stat_clear_snapshot();
        END LOOP;
    END $$;
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid();
    COMMIT;";

/// Seen failing without a further attempt at a change whose session broke.
#[tokio::test]
async fn f12_a_change_whose_session_breaks_is_made_once_all_the_same() {
    let Some(server) = Server::shared() else { return };
    let (database, draw) = (Arc::new(server.database()), Draw::new());
    let store = Arc::new(open(database.url()).await);
    let mut stored = 0;
    for _ in 0..5 {
        let ending = database.clone();
        let ending = tokio::task::spawn_blocking(move || ending.execute(END_THOSE_THAT_WAIT));
        // One of them waits for the lock, and its session is ended.
        while !ending.is_finished() {
            store.insert_audit_event(draw.commit(AccountId::PLANE)).await.expect("stored");
            stored += 1;
        }
        ending.await.expect("no panic").expect("ended");
        assert_eq!(count(&database, "SELECT count(*) FROM audit_events"), stored);
    }
}
