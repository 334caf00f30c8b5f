//! What every change writes beside itself: the audit event, the kept reply, the change log.

use super::errors::from_sqlite;
use super::{audit, replays, rows};
use rusqlite::{Connection, params};
use tenantry_core::clock::Timestamp;
use tenantry_core::commit::{Change, Commit, Head, Mark, Revision};
use tenantry_core::error::Result;
use tenantry_core::store::Committed;

/// Writes the companions of a change; the last thing that a job does.
pub(super) fn write_commit(connection: &Connection, commit: &Commit) -> Result<Committed> {
    let at = commit.audit.record().at;
    audit::insert(connection, &commit.audit)?;
    if let Some(replay) = &commit.replay {
        replays::insert(connection, replay, at)?;
    }
    commit.change.as_ref().map(|change| append_change(connection, change, at)).transpose()
}

/// Appends a change's rows to its shard of the log and moves the head.
fn append_change(connection: &Connection, change: &Change, at: Timestamp) -> Result<Revision> {
    let rows = change.rows.iter().map(|(subject, nonce)| (subject.kind(), subject.bytes(), *nonce));
    append_rows(connection, change.shard(), rows, at)
}

/// Appends a row that says that this shard's history was taken up at an earlier place.
pub(super) fn append_history(
    connection: &Connection,
    shard: u8,
    nonce: u64,
    at: Timestamp,
) -> Result<Revision> {
    append_rows(connection, shard, [("history", &[0; 16][..], nonce)], at)
}

fn append_rows<'a>(
    connection: &Connection,
    shard: u8,
    rows: impl IntoIterator<Item = (&'a str, &'a [u8], u64)>,
    at: Timestamp,
) -> Result<Revision> {
    let before = find_head(connection, shard)?.mark();
    let mut last = before;
    let mut insert = connection
        .prepare_cached(
            "INSERT INTO change_log (shard, rev, nonce, kind, subject, at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )
        .map_err(from_sqlite)?;
    for (kind, subject, nonce) in rows {
        last = Mark { number: last.number + 1, nonce };
        let row = params![
            shard,
            rows::stored_number(last.number)?,
            nonce.cast_signed(),
            kind,
            subject,
            at.micros(),
        ];
        insert.execute(row).map_err(from_sqlite)?;
    }
    // Last, by rule: on a store with several writers the row's lock, held until the commit, makes
    // a shard's revisions visible in their order.
    let mut update = connection
        .prepare_cached("UPDATE change_head SET rev = ?2, nonce = ?3 WHERE shard = ?1 AND rev = ?4")
        .map_err(from_sqlite)?;
    let moved = update
        .execute(params![
            shard,
            rows::stored_number(last.number)?,
            last.nonce.cast_signed(),
            rows::stored_number(before.number)?,
        ])
        .map_err(from_sqlite)?;
    match moved {
        1 => Ok(Revision { shard, number: last.number }),
        _ => Err(rows::damaged("change_head", shard.to_string(), "column rev")),
    }
}

/// The head of a shard.
pub(super) fn find_head(connection: &Connection, shard: u8) -> Result<Head> {
    let mut statement = connection
        .prepare_cached("SELECT rev, nonce FROM change_head WHERE shard = ?1")
        .map_err(from_sqlite)?;
    let found = rows::find(&mut statement, [shard], |row| rows::read_head(row, 0, shard))?;
    found.ok_or_else(|| rows::damaged("change_head", shard.to_string(), "column rev"))
}
