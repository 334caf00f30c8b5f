//! Moving the log into the database, after a commit that made it long.
//!
//! SQLite's own hook swallows every failure. After an fsync that failed, a later checkpoint would
//! be told that all is well, and clear away the log that holds the only good copy.

use super::super::errors::is_failed_sync;
use rusqlite::Connection;
use rusqlite::hooks::Wal;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Pages in the log from which a commit moves them: 16 MB. A page that many commits wrote is moved
/// once, so that fewer, longer moves cost less; beyond this a reader has more than one table of the
/// log's index to look into.
const PAGES_MIN: i32 = 4000;

/// Has the connection's commits do it. A failed fsync sets `unsynced`; the commit itself is done.
pub(super) fn install(
    connection: &mut Connection,
    unsynced: Arc<AtomicBool>,
) -> rusqlite::Result<()> {
    connection.wal_hook(Some(move |wal: &mut Wal, pages| {
        // Of anything else, a full disk or a reader in the way, nothing comes: the log keeps
        // everything, and the next commit tries again.
        if pages >= PAGES_MIN && wal.checkpoint().as_ref().is_err_and(is_failed_sync) {
            unsynced.store(true, Ordering::Relaxed);
        }
        Ok(())
    }))
}
