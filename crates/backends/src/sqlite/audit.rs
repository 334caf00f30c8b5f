//! The audit trail.

use super::SqliteStore;
use super::changes::write_commit;
use super::errors::from_sqlite;
use super::rows;
use async_trait::async_trait;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row, params};
use std::time::Duration;
use tenantry_core::audit::AuditEvent;
use tenantry_core::audit::list::{AskedEvents, EventFilter, FoundEvents};
use tenantry_core::clock::Timestamp;
use tenantry_core::commit::Commit;
use tenantry_core::error::Result;
use tenantry_core::ids::{AccountId, EventId};
use tenantry_core::secrets::Sealed;
use tenantry_core::store::{AuditStore, Committed};

#[async_trait]
impl AuditStore for SqliteStore {
    async fn insert_audit_event(&self, commit: Commit) -> Result<Committed> {
        self.write(move |connection| write_commit(connection, &commit)).await
    }
}

/// Writes an event.
pub(super) fn insert(connection: &Connection, sealed: &Sealed<AuditEvent>) -> Result<()> {
    let mut statement = connection
        .prepare_cached(
            "INSERT INTO audit_events (id, root_id, at, actor_kind, actor_id, action, target_kind,
                 target_id, facts, request_id, address, mac)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        )
        .map_err(from_sqlite)?;
    rows::write(&mut statement, &rows::audit_event_cells(sealed)?).map(drop)
}

/// Looks through events by id until there are enough, or enough were looked at.
pub(super) fn list(
    connection: &Connection,
    root: AccountId,
    asked: &AskedEvents,
) -> Result<FoundEvents> {
    let mut statement = connection
        .prepare_cached(
            "SELECT id, root_id, at, actor_kind, actor_id, action, target_kind, target_id, facts,
                 request_id, address, mac
             FROM audit_events WHERE root_id = ?1 AND id > ?2 AND id < ?3 ORDER BY id",
        )
        .map_err(from_sqlite)?;
    let EventFilter { from, to, .. } = &asked.filter;
    let begin = from.map_or(EventId::from_bytes([0; 16]), EventId::before);
    let begin = asked.after.map_or(begin, |after| after.max(begin));
    // The millisecond of the end is looked through, too.
    let millisecond = Duration::from_millis(1);
    let end =
        to.map_or(EventId::from_bytes([0xff; 16]), |to| EventId::before(to.plus(millisecond)));
    let params = params![root.as_bytes(), begin.as_bytes(), end.as_bytes()];
    let mut rows = statement.query(params).map_err(from_sqlite)?;
    let mut found = FoundEvents { events: Vec::new(), more_after: None };
    let (mut looked_at, mut last) = (0, None);
    while let Some(row) = rows.next().map_err(from_sqlite)? {
        if looked_at == asked.scan_max || found.events.len() >= asked.limit as usize {
            found.more_after = last;
            break;
        }
        looked_at += 1;
        let id: [u8; 16] = row.get(0).map_err(from_sqlite)?;
        last = Some(EventId::from_bytes(id));
        if passes(row, &asked.filter)? {
            found.events.push((id, rows::read_audit_event(row, 0)));
        }
    }
    Ok(found)
}

/// Whether the filter leaves a row in, looked at before the rest of it is read.
fn passes(row: &Row<'_>, filter: &EventFilter) -> Result<bool> {
    let text = |column| match row.get_ref(column) {
        Ok(ValueRef::Text(bytes)) => Ok(std::str::from_utf8(bytes).unwrap_or_default()),
        Ok(_) => Ok(""),
        Err(error) => Err(from_sqlite(error)),
    };
    let at = Timestamp::from_micros(row.get(2).map_err(from_sqlite)?);
    Ok(filter.matches(text(4)?, text(5)?, text(7)?, at))
}
