//! The audit trail.

use super::SqliteStore;
use super::changes::write_commit;
use super::errors::from_sqlite;
use super::rows::Columns;
use async_trait::async_trait;
use rusqlite::{Connection, Row, params};
use tenantry_core::audit::{AuditEvent, StoredAuditEvent};
use tenantry_core::commit::Commit;
use tenantry_core::error::{Error, Result};
use tenantry_core::ids::{AccountId, EventId};
use tenantry_core::secrets::{Protected, Sealed, Unverified};
use tenantry_core::store::{AuditStore, Committed};

#[async_trait]
impl AuditStore for SqliteStore {
    async fn insert_audit_event(&self, commit: Commit) -> Result<Committed> {
        self.write(move |connection| write_commit(connection, &commit)).await
    }
}

/// Writes an event.
pub(super) fn insert(connection: &Connection, sealed: &Sealed<AuditEvent>) -> Result<()> {
    let event = sealed.record();
    let mut statement = connection
        .prepare_cached(
            "INSERT INTO audit_events (id, root_id, at, actor_kind, actor_id, action, target_kind,
                 target_id, facts, request_id, address, mac)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        )
        .map_err(from_sqlite)?;
    let written = statement.execute(params![
        event.id.as_bytes(),
        event.root.as_bytes(),
        event.at.micros(),
        event.actor.0,
        event.actor.1,
        event.action.as_str(),
        event.target.0,
        event.target.1,
        // Pairs and not an object: their order is sealed.
        serde_json::to_string(&event.facts).map_err(Error::internal)?,
        event.request_id,
        event.address.map(|address| address.to_string()),
        sealed.seal(),
    ]);
    written.map(|_| ()).map_err(from_sqlite)
}

/// Reads an event from the columns at `from`: id, `root_id`, at, `actor_kind`, `actor_id`, action,
/// `target_kind`, `target_id`, facts, `request_id`, address, mac.
pub(super) fn read(row: &Row<'_>, from: usize) -> Result<Unverified<StoredAuditEvent>> {
    let id = |bytes| EventId::from_bytes(bytes).to_string();
    let mut columns = Columns::new(row, from, StoredAuditEvent::TABLE, id);
    let record = StoredAuditEvent {
        id: EventId::from_bytes(columns.bytes("column id")?),
        root: AccountId::from_bytes(columns.bytes("column root_id")?),
        at: columns.time("column at")?,
        actor: (
            columns.text("column actor_kind")?.to_owned(),
            columns.text("column actor_id")?.to_owned(),
        ),
        action: columns.text("column action")?.to_owned(),
        target: (
            columns.text("column target_kind")?.to_owned(),
            columns.text("column target_id")?.to_owned(),
        ),
        facts: columns.parse("column facts", |text| serde_json::from_str(text).ok())?,
        request_id: columns.text("column request_id")?.to_owned(),
        address: columns.optional_text("column address")?.map(str::to_owned),
    };
    Ok(Unverified::new(record, columns.bytes("column mac")?))
}
