//! What the disk and SQLite by itself can do, on the file system of the stores.

use crate::{Outcome, clock};
use rusqlite::{Connection, params};
use std::fs::{self, File};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::time::Duration;

/// Lone fdatasyncs per second: a page appended and synced, again and again, as a log grows.
pub(crate) fn fdatasync_rate(directory: &Path, time: Duration) -> Outcome<f64> {
    const PAGE: [u8; 4096] = [7; 4096];
    let path = directory.join("fdatasync-control");
    let mut file = File::create(&path)?;
    // Grown before, as the log is after its first round: only data is synced, no new length.
    for _ in 0..1024 {
        file.write_all(&PAGE)?;
    }
    file.sync_all()?;
    let started = clock::now();
    let mut count = 0_u32;
    while started.elapsed() < time {
        if count.is_multiple_of(1024) {
            file.seek(SeekFrom::Start(0))?;
        }
        file.write_all(&PAGE)?;
        file.sync_data()?;
        count += 1;
    }
    let rate = f64::from(count) / started.elapsed().as_secs_f64();
    fs::remove_file(&path)?;
    Ok(rate)
}

/// Commits per second of SQLite alone: one row of about a credential's size each, with
/// `synchronous=FULL` in WAL mode, on one connection.
pub(crate) fn single_commit_rate(directory: &Path, time: Duration) -> Outcome<f64> {
    let folder = directory.join("sqlite-control");
    fs::create_dir_all(&folder)?;
    let connection = Connection::open(folder.join("control.db"))?;
    connection.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
         CREATE TABLE rows (id INTEGER PRIMARY KEY, tag BLOB NOT NULL UNIQUE, value BLOB NOT NULL);",
    )?;
    let mut insert = connection.prepare("INSERT INTO rows (id, tag, value) VALUES (?1, ?2, ?3)")?;
    let value = [7_u8; 350];
    let started = clock::now();
    let mut count = 0_u32;
    while started.elapsed() < time {
        let tag = count.wrapping_mul(2_654_435_761).to_be_bytes().repeat(8);
        insert.execute(params![count, tag, value])?;
        count += 1;
    }
    let rate = f64::from(count) / started.elapsed().as_secs_f64();
    drop(insert);
    drop(connection);
    fs::remove_dir_all(&folder)?;
    Ok(rate)
}
