//! What only the embedded store promises: its file, its lock, its writer.

mod backup;
mod check;
mod corruption;
mod damage;
mod full;
mod grouping;
#[path = "../support/history.rs"]
mod history;
mod lease_clock;
mod lease_storm;
mod opening;
mod resealing;
#[path = "../support/mod.rs"]
mod support;
mod unsealed;

use rusqlite::Connection;
use std::path::Path;
use std::pin::Pin;
use std::task::Poll;
use support::NOW;
use tenantry_backends::sqlite::{DATABASE_FILE, SqliteOptions, SqliteStore};

fn options(directory: &Path) -> SqliteOptions {
    SqliteOptions { readers: 2, ..SqliteOptions::new(directory, NOW) }
}

fn open(directory: &Path) -> SqliteStore {
    SqliteStore::open(&options(directory)).expect("a store")
}

/// Somebody with the file and SQL, who minds neither references nor checks.
fn sql(directory: &Path, sql: &str) {
    let connection = Connection::open(directory.join(DATABASE_FILE)).expect("a connection");
    connection
        .execute_batch("PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON;")
        .expect("settings");
    connection.execute_batch(sql).expect("the statements");
}

/// Queues every write while the database is locked, so that they share commits, and awaits them.
async fn together<'a, T>(
    directory: &Path,
    writes: impl IntoIterator<Item = Pin<Box<dyn Future<Output = T> + Send + 'a>>>,
) -> Vec<T> {
    let locked = Connection::open(directory.join(DATABASE_FILE)).expect("a connection");
    locked.execute_batch("BEGIN IMMEDIATE").expect("the lock");
    let mut queued = Vec::new();
    for mut write in writes {
        std::future::poll_fn(|context| {
            assert!(write.as_mut().poll(context).is_pending());
            Poll::Ready(())
        })
        .await;
        queued.push(write);
    }
    locked.execute_batch("ROLLBACK").expect("the lock is given up");
    let mut outcomes = Vec::new();
    for write in queued {
        outcomes.push(write.await);
    }
    outcomes
}
