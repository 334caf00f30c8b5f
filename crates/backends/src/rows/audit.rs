//! Audit events and what binds them to each other.

use super::{Cell, Columns, Source};
use tenantry_core::audit::chain::{ChainHead, Link};
use tenantry_core::audit::trail::StoredLink;
use tenantry_core::audit::{AuditEvent, StoredAuditEvent};
use tenantry_core::error::{Error, Result};
use tenantry_core::ids::{AccountId, EventId};
use tenantry_core::secrets::{Protected, Sealed, Unverified};

/// Columns of an event: id, `root_id`, at, `actor_kind`, `actor_id`, action, `target_kind`,
/// `target_id`, facts, `request_id`, address, mac.
pub(crate) fn audit_event_cells(sealed: &Sealed<AuditEvent>) -> Result<[Cell<'_>; 12]> {
    let event = sealed.record();
    Ok([
        Cell::bytes(event.id.as_bytes()),
        Cell::bytes(event.root.as_bytes()),
        Cell::number(event.at.micros()),
        Cell::text(event.actor.0),
        Cell::text(&event.actor.1),
        Cell::text(event.action.as_str()),
        Cell::text(event.target.0),
        Cell::text(&event.target.1),
        // Pairs and not an object: their order is sealed.
        Cell::text(serde_json::to_string(&event.facts).map_err(Error::internal)?),
        Cell::text(&*event.request_id),
        Cell::Text(event.address.map(|address| address.to_string().into())),
        Cell::bytes(sealed.seal()),
    ])
}

/// Reads an event from the columns at `from`, in the order of [`audit_event_cells`].
pub(crate) fn read_audit_event(
    row: &impl Source,
    from: usize,
) -> Result<Unverified<StoredAuditEvent>> {
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

/// Reads a link from the columns `root_id`, sequence, `event_id`, hash, and after them its event,
/// null where that is gone.
pub(crate) fn read_link(row: &impl Source) -> Result<StoredLink> {
    const EVENT: usize = 4;
    let id = |bytes| AccountId::from_bytes(bytes).to_string();
    let mut columns = Columns::new(row, 0, "audit_links", id);
    let link = Link {
        root: AccountId::from_bytes(columns.bytes("column root_id")?),
        sequence: columns.convert("column sequence", |number| number.try_into().ok())?,
        event: EventId::from_bytes(columns.bytes("column event_id")?),
        hash: columns.bytes("column hash")?,
    };
    let there = !super::is_null(row, EVENT);
    let event = there.then(|| read_audit_event(row, EVENT));
    Ok(StoredLink { link, event })
}

/// Reads a head from the columns `root_id`, length, hash at `from`.
pub(crate) fn read_chain_head(row: &impl Source, from: usize) -> Result<ChainHead> {
    let id = |bytes| AccountId::from_bytes(bytes).to_string();
    let mut columns = Columns::new(row, from, "audit_chains", id);
    Ok(ChainHead {
        root: AccountId::from_bytes(columns.bytes("column root_id")?),
        length: columns.convert("column length", |length| length.try_into().ok())?,
        hash: columns.bytes("column hash")?,
    })
}
