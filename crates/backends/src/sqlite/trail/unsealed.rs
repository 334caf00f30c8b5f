//! Which events are in no chain yet.
//!
//! There is one writer, so events have their rows in the order of their commits, and the mark in
//! `audit_progress` is a place in that order. It says nothing that has to be believed: where it is
//! gone, or points before what a chain ends with, what is in no chain is looked for by comparing.

use crate::sqlite::SqliteStore;
use crate::sqlite::errors::from_sqlite;
use crate::sqlite::rows::{self, Columns};
use rusqlite::{Connection, Row, params};
use tenantry_core::audit::chain::{Unsealed, UnsealedEvent};
use tenantry_core::error::{Error, Result};
use tenantry_core::ids::{AccountId, EventId};

/// At most `limit` events that are in no chain, in the order of their rows.
pub(super) fn list(connection: &Connection, limit: u32) -> Result<Unsealed> {
    let (mark, after) = match find_mark(connection)? {
        // The first events of all.
        (None, _) if !has_links(connection)? => (None, Some(i64::MIN)),
        found => found,
    };
    if let Some(after) = after {
        let events = list_after(connection, after, limit)?;
        if !ends_beyond(connection, &events, after)? {
            let upto = events.last().map(|last| last.id).or(mark);
            return Ok(Unsealed { mark, events, upto });
        }
    }
    tracing::error!(
        alarm = "audit_mark",
        "the mark of the audit trail is not where its chains end; it is set anew"
    );
    list_by_comparing(connection, mark, limit)
}

impl SqliteStore {
    /// How many events wait to be put into their chains.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn unsealed_events(&self) -> Result<u64> {
        self.read(count)
    }
}

/// How many events come after the mark.
pub(in crate::sqlite) fn count(connection: &Connection) -> Result<u64> {
    let (_, after) = find_mark(connection)?;
    let mut statement = connection
        .prepare_cached("SELECT count(*) FROM audit_events WHERE rowid > ?1")
        .map_err(from_sqlite)?;
    let waiting = statement.query_row([after.unwrap_or(i64::MIN)], |row| row.get::<_, i64>(0));
    Ok(u64::try_from(waiting.map_err(from_sqlite)?).unwrap_or(0))
}

/// The mark, and its place in the order of rows where its event is there.
pub(in crate::sqlite) fn find_mark(
    connection: &Connection,
) -> Result<(Option<EventId>, Option<i64>)> {
    let mut statement = connection
        .prepare_cached(
            "SELECT p.event_id, e.rowid FROM audit_progress p
             LEFT JOIN audit_events e ON e.id = p.event_id WHERE p.id = 1",
        )
        .map_err(from_sqlite)?;
    let found = rows::find(&mut statement, [], |row| {
        let mark = row.get::<_, Option<[u8; 16]>>(0).unwrap_or(None).map(EventId::from_bytes);
        Ok((mark, row.get(1).map_err(from_sqlite)?))
    })?;
    Ok(found.unwrap_or_default())
}

fn has_links(connection: &Connection) -> Result<bool> {
    let mut statement =
        connection.prepare_cached("SELECT 1 FROM audit_links LIMIT 1").map_err(from_sqlite)?;
    statement.exists([]).map_err(from_sqlite)
}

/// The events after a place. One that cannot be read is left out, or nothing after it would ever be
/// sealed; `audit verify` names it.
fn list_after(connection: &Connection, after: i64, limit: u32) -> Result<Vec<UnsealedEvent>> {
    let mut statement = connection
        .prepare_cached(
            "SELECT id, root_id, mac FROM audit_events WHERE rowid > ?1
             ORDER BY rowid LIMIT ?2",
        )
        .map_err(from_sqlite)?;
    let found = rows::list(&mut statement, params![after, limit], read_unsealed)?;
    Ok(found.into_iter().flatten().collect())
}

fn read_unsealed(row: &Row<'_>) -> Result<Option<UnsealedEvent>> {
    let id = |bytes| EventId::from_bytes(bytes).to_string();
    let mut columns = Columns::new(row, 0, "audit_events", id);
    let mut read = || -> Result<UnsealedEvent> {
        Ok(UnsealedEvent {
            id: EventId::from_bytes(columns.bytes("column id")?),
            root: AccountId::from_bytes(columns.bytes("column root_id")?),
            seal: columns.bytes("column mac")?,
        })
    };
    match read() {
        Ok(event) => Ok(Some(event)),
        Err(Error::Integrity { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// True where the chain of one of these events ends with an event that comes after `after` or is
/// not there: the mark is not what it was, and some of these may be in their chain.
fn ends_beyond(connection: &Connection, found: &[UnsealedEvent], after: i64) -> Result<bool> {
    let mut roots: Vec<AccountId> = found.iter().map(|event| event.root).collect();
    roots.sort_unstable();
    roots.dedup();
    let mut statement = connection
        .prepare_cached(
            "SELECT e.rowid FROM audit_links l LEFT JOIN audit_events e ON e.id = l.event_id
             WHERE l.root_id = ?1 ORDER BY l.sequence DESC LIMIT 1",
        )
        .map_err(from_sqlite)?;
    for root in roots {
        let end = rows::find(&mut statement, [root.as_bytes()], |row| {
            row.get::<_, Option<i64>>(0).map_err(from_sqlite)
        })?;
        if end.is_some_and(|place| place.is_none_or(|place| place > after)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The events that no link names, found without the mark.
fn list_by_comparing(
    connection: &Connection,
    mark: Option<EventId>,
    limit: u32,
) -> Result<Unsealed> {
    let mut statement = connection
        .prepare_cached(
            "SELECT id, root_id, mac FROM audit_events
             WHERE id NOT IN (SELECT event_id FROM audit_links) ORDER BY rowid LIMIT ?1",
        )
        .map_err(from_sqlite)?;
    let found = rows::list(&mut statement, [limit], read_unsealed)?;
    let full = found.len() >= limit as usize;
    let events: Vec<UnsealedEvent> = found.into_iter().flatten().collect();
    let upto = match events.last() {
        Some(last) if full => Some(last.id),
        _ => newest(connection)?,
    };
    Ok(Unsealed { mark, events, upto })
}

fn newest(connection: &Connection) -> Result<Option<EventId>> {
    let mut statement = connection
        .prepare_cached("SELECT id FROM audit_events ORDER BY rowid DESC LIMIT 1")
        .map_err(from_sqlite)?;
    let id = rows::find(&mut statement, [], |row| row.get(0).map_err(from_sqlite))?;
    Ok(id.map(EventId::from_bytes))
}
