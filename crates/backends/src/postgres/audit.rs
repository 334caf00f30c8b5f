//! The audit trail.

use super::PostgresStore;
use super::changes::write_commit;
use super::rows::{Param, columns, id, number};
use super::session::{Expect, Work};
use crate::rows::{audit_event_cells, read_audit_event};
use async_trait::async_trait;
use std::time::Duration;
use tenantry_core::audit::list::{AskedEvents, EventFilter, FoundEvents};
use tenantry_core::clock::Timestamp;
use tenantry_core::commit::Commit;
use tenantry_core::error::Result;
use tenantry_core::ids::{AccountId, EventId};
use tenantry_core::store::{AuditStore, Committed};
use tokio_postgres::Row;

/// Events that are fetched at a time.
const PAGE_ROWS: u32 = 500;

/// Stores events, each of which waits to be put into its chain.
const INSERT: &str = "WITH stored AS (
        INSERT INTO audit_events (id, root_id, at, actor_kind, actor_id, action, target_kind,
            target_id, facts, request_id, address, mac)
        SELECT * FROM unnest($1::bytea[], $2::bytea[], $3::bigint[], $4::text[], $5::text[],
            $6::text[], $7::text[], $8::text[], $9::text[], $10::text[], $11::text[], $12::bytea[])
        RETURNING id
    )
    INSERT INTO audit_waiting (event_id, queued_at)
    SELECT id, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint FROM stored";

/// Tries to store one event, to see whether it is there.
pub(super) const INSERT_ALONE: &str =
    "INSERT INTO audit_events (id, root_id, at, actor_kind, actor_id, action, target_kind, target_id,
        facts, request_id, address, mac)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";

const LIST: &str =
    "SELECT id, root_id, at, actor_kind, actor_id, action, target_kind, target_id, facts,
        request_id, address, mac
    FROM audit_events WHERE root_id = $1 AND id > $2 AND id < $3 ORDER BY id LIMIT $4";

#[async_trait]
impl AuditStore for PostgresStore {
    async fn insert_audit_event(&self, commit: Commit) -> Result<Committed> {
        let mut work = Work::default();
        write_commit(&mut work, &commit)?;
        self.write(&work).await.map(|done| done.committed)
    }
}

/// Writes the events of several changes.
pub(super) fn insert<'a>(work: &mut Work<'a>, commits: &[&'a Commit]) -> Result<()> {
    let rows: Result<Vec<_>> =
        commits.iter().map(|commit| audit_event_cells(&commit.audit)).collect();
    work.push(INSERT, columns(rows?)?, Expect::Nothing);
    Ok(())
}

impl PostgresStore {
    /// Looks through events by id until there are enough, or enough were looked at.
    pub(super) async fn list_events(
        &self,
        root: AccountId,
        asked: &AskedEvents,
    ) -> Result<FoundEvents> {
        let EventFilter { from, to, .. } = &asked.filter;
        let begin = from.map_or(EventId::from_bytes([0; 16]), EventId::before);
        let mut after = asked.after.map_or(begin, |after| after.max(begin));
        // The millisecond of the end is looked through, too.
        let millisecond = Duration::from_millis(1);
        let end =
            to.map_or(EventId::from_bytes([0xff; 16]), |to| EventId::before(to.plus(millisecond)));
        let mut found = FoundEvents { events: Vec::new(), more_after: None };
        let mut looked_at = 0;
        loop {
            let params = vec![
                Param::bytes(root.as_bytes()),
                Param::bytes(after.as_bytes()),
                Param::bytes(end.as_bytes()),
                Param::number(PAGE_ROWS),
            ];
            let rows = self.read(LIST, params).await?;
            for row in &rows {
                if looked_at == asked.scan_max || found.events.len() >= asked.limit as usize {
                    found.more_after = Some(after);
                    return Ok(found);
                }
                looked_at += 1;
                let id = id(row)?;
                if passes(row, &asked.filter)? {
                    found.events.push((id, read_audit_event(row, 0)));
                }
                after = EventId::from_bytes(id);
            }
            if rows.len() < PAGE_ROWS as usize {
                return Ok(found);
            }
        }
    }
}

/// Whether the filter leaves a row in, looked at before the rest of it is read.
fn passes(row: &Row, filter: &EventFilter) -> Result<bool> {
    let text = |column| row.try_get::<_, &str>(column).unwrap_or_default();
    let at = Timestamp::from_micros(number(row, 2)?);
    Ok(filter.matches(text(4), text(5), text(7), at))
}
