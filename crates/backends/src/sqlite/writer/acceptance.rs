//! Whether changes are accepted, as far as the last of them tell, and the probe that finds out.
//!
//! Every change is tried, whatever is believed here: this is what readiness is told, no admission.

use super::super::connection::APPLICATION_ID;
use super::super::errors::from_sqlite;
use super::super::lock::open_private;
use super::Run;
use rusqlite::Connection;
use std::io::{ErrorKind, Write as _};
use std::path::Path;
use std::sync::atomic::{AtomicU8, Ordering};
use tenantry_core::error::{Error, Result};

/// Room that a probe wants before changes are said to be accepted again, in bytes: a create takes
/// a part of it. Without it, the last free page would turn readiness to and fro.
const ROOM_BYTES: usize = 128 * 1024;

/// Where a probe takes that room on the disk, for an instant, in the data directory.
const ROOM_FILE: &str = "room.probe";

const ACCEPTED: u8 = 0;
const FULL: u8 = 1;
const FAILING: u8 = 2;

/// Whether changes are accepted.
#[derive(Default)]
pub(in super::super) struct Acceptance(AtomicU8);

impl Acceptance {
    /// `StorageFull` or `Unavailable` where changes are refused.
    pub(in super::super) fn get(&self) -> Result<()> {
        match self.0.load(Ordering::Relaxed) {
            ACCEPTED => Ok(()),
            FULL => Err(Error::StorageFull),
            _ => Err(Error::unavailable("changes fail")),
        }
    }

    /// Believes an outcome that tells about all changes.
    pub(super) fn set<T>(&self, outcome: &Result<T>) {
        let (now, word) = match outcome {
            Ok(_) => (ACCEPTED, "accepted"),
            Err(Error::StorageFull) => (FULL, "refused: the store is full"),
            Err(_) => (FAILING, "refused: the store fails"),
        };
        let before = self.0.swap(now, Ordering::Relaxed);
        if before == now {
            return;
        }
        if now == ACCEPTED {
            tracing::info!("changes are {word} again");
        } else {
            tracing::error!(alarm = "writes_refused", "changes are {word}");
        }
    }
}

/// A change of nothing, that needs the room of an ordinary one and is committed like it.
pub(super) fn probe() -> Run {
    Box::new(|connection| {
        check_cap(connection)?;
        if let Some(directory) = connection.path().and_then(|path| Path::new(path).parent()) {
            take_room(directory).map_err(|error| match error.kind() {
                ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Error::StorageFull,
                _ => Error::unavailable(error),
            })?;
        }
        // Written to its page although it is the same, so that the commit has something to do.
        connection.pragma_update(None, "application_id", APPLICATION_ID).map_err(from_sqlite)?;
        Ok(None)
    })
}

/// Looks whether the operator's cap on the file leaves the room.
fn check_cap(connection: &Connection) -> Result<()> {
    let number = |name: &str| -> Result<i64> {
        connection.pragma_query_value(None, name, |row| row.get(0)).map_err(from_sqlite)
    };
    let used = number("page_count")? - number("freelist_count")?;
    let free = number("max_page_count")?.saturating_sub(used);
    let bytes = free.saturating_mul(number("page_size")?);
    if usize::try_from(bytes).unwrap_or(0) < ROOM_BYTES { Err(Error::StorageFull) } else { Ok(()) }
}

/// Takes the room on the disk and gives it back.
fn take_room(directory: &Path) -> std::io::Result<()> {
    let path = directory.join(ROOM_FILE);
    let taken = open_private(&path).and_then(|mut file| file.write_all(&vec![0; ROOM_BYTES]));
    let removed = std::fs::remove_file(&path);
    taken.and(removed)
}
