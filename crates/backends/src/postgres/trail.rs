//! What binds audit events to each other: links, heads, checkpoints, and what waits to be linked.

use super::PostgresStore;
use super::leads::require_lead;
use super::rows::{Param, columns, one};
use super::session::{Expect, Work};
use crate::rows::{Cell, Columns, Source as _, read_chain_head, read_link, stored_number};
use async_trait::async_trait;
use tenantry_core::audit::chain::{ChainHead, Link, NewLinks, Unsealed, UnsealedEvent};
use tenantry_core::audit::checkpoint::StoredCheckpoint;
use tenantry_core::audit::list::{AskedEvents, FoundEvents};
use tenantry_core::audit::trail::StoredLink;
use tenantry_core::error::{Conflict, Error, Result};
use tenantry_core::ids::{AccountId, EventId};
use tenantry_core::leads::Lead;
use tenantry_core::store::AuditTrailStore;
use tokio_postgres::Row;

/// What waits, and the mark, of one instant. A row that cannot be read is left out, or nothing after
/// it would ever be sealed. The events of what waits are looked up one by one: a planner that guesses how
/// many are readable guesses one, and reads all that there ever were.
const WAITING: &str = "SELECT w.id, w.root_id, w.mac, p.event_id
    FROM (SELECT 1) AS one
    LEFT JOIN audit_progress p ON p.id = 1
    LEFT JOIN (
        SELECT e.id, e.root_id, e.mac, q.queued_at
        FROM audit_waiting q CROSS JOIN LATERAL (
            SELECT id, root_id, mac FROM audit_events WHERE id = q.event_id OFFSET 0
        ) AS e
        WHERE octet_length(e.id) = 16 AND octet_length(e.root_id) = 16 AND octet_length(e.mac) = 32
        ORDER BY q.queued_at, q.event_id LIMIT $1
    ) AS w ON true
    ORDER BY w.queued_at, w.id";

const HEADS: &str = "SELECT c.root_id, c.length, c.hash
    FROM unnest($1::bytea[]) WITH ORDINALITY AS asked (root_id, place)
    JOIN audit_chains c ON c.root_id = asked.root_id
    ORDER BY asked.place";

const UNCOVERED: &str = "SELECT root_id, length, hash FROM audit_chains WHERE covered_by IS NULL
    ORDER BY root_id LIMIT $1";

const INSERT_LINKS: &str = "INSERT INTO audit_links (root_id, sequence, event_id, hash)
    SELECT * FROM unnest($1::bytea[], $2::bigint[], $3::bytea[], $4::bytea[])";

const MOVE_HEAD: &str = "INSERT INTO audit_chains (root_id, length, hash, covered_by)
    VALUES ($1, $2, $3, NULL)
    ON CONFLICT (root_id) DO UPDATE
    SET length = excluded.length, hash = excluded.hash, covered_by = NULL
    WHERE audit_chains.length = $4";

const MOVE_MARK: &str = "INSERT INTO audit_progress (id, event_id, sunk) VALUES (1, $1, 0)
    ON CONFLICT (id) DO UPDATE SET event_id = excluded.event_id
    WHERE audit_progress.event_id IS NOT DISTINCT FROM $2";

const LINKED: &str = "DELETE FROM audit_waiting WHERE event_id = ANY($1::bytea[])";

const INSERT_CHECKPOINT: &str = "INSERT INTO audit_checkpoints (number, line) VALUES ($1, $2)";

const COVER: &str = "UPDATE audit_chains SET covered_by = $1
    WHERE root_id = $2 AND length = $3 AND hash = $4";

const NOTE_SUNK: &str = "UPDATE audit_progress SET sunk = $1 WHERE id = 1";

const LAST_CHECKPOINT: &str =
    "SELECT number, line FROM audit_checkpoints ORDER BY number DESC LIMIT 1";

const CHECKPOINTS: &str = "SELECT number, line FROM audit_checkpoints WHERE number > $1
    ORDER BY number LIMIT $2";

const LINKS: &str = "SELECT l.root_id, l.sequence, l.event_id, l.hash,
        e.id, e.root_id, e.at, e.actor_kind, e.actor_id, e.action, e.target_kind, e.target_id,
        e.facts, e.request_id, e.address, e.mac
    FROM audit_links l LEFT JOIN audit_events e ON e.id = l.event_id
    WHERE l.root_id = $1 AND l.sequence > $2 ORDER BY l.sequence LIMIT $3";

#[async_trait]
impl AuditTrailStore for PostgresStore {
    async fn list_unsealed_events(&self, limit: u32) -> Result<Unsealed> {
        let rows = self.read(WAITING, vec![Param::number(limit)]).await?;
        let mark = rows.first().and_then(|row| row.bytes(3).ok().flatten());
        let mark = mark.and_then(|bytes| bytes.try_into().ok()).map(EventId::from_bytes);
        let waiting = rows.iter().filter(|row| !matches!(row.bytes(0), Ok(None)));
        let events = waiting.map(read_waiting).collect::<Result<Vec<_>>>()?;
        let upto = events.last().map(|last| last.id).or(mark);
        Ok(Unsealed { mark, events, upto })
    }

    async fn find_chain_heads(&self, roots: &[AccountId]) -> Result<Vec<ChainHead>> {
        let asked = Param::many(roots.iter().map(|root| &root.as_bytes()[..]));
        self.list(HEADS, vec![asked], |row| read_chain_head(row, 0)).await
    }

    async fn insert_audit_links(&self, lead: &Lead, new: NewLinks) -> Result<()> {
        let mut work = Work::default();
        require_lead(&mut work, lead)?;
        let links = new.links.iter().map(link_cells).collect::<Result<Vec<_>>>()?;
        if !links.is_empty() {
            work.push(INSERT_LINKS, columns(links)?, Expect::Nothing);
        }
        let mut heads: Vec<_> = new.heads.iter().collect();
        heads.sort_by_key(|(_, head)| *head.root.as_bytes());
        for (before, ChainHead { root, length, hash }) in heads {
            let params = vec![
                Param::bytes(root.as_bytes()),
                Param::number(stored_number(*length)?),
                Param::bytes(hash),
                Param::number(stored_number(*before)?),
            ];
            work.push(MOVE_HEAD, params, Expect::Rows(Conflict::Changed));
        }
        let before = new.mark_before.as_ref().map(|id| &id.as_bytes()[..]);
        let marks = one([Cell::bytes(new.mark.as_bytes()), Cell::Bytes(before)]);
        work.push(MOVE_MARK, marks, Expect::Rows(Conflict::Changed));
        let linked = Param::many(new.links.iter().map(|link| &link.event.as_bytes()[..]));
        work.push(LINKED, vec![linked], Expect::Nothing);
        self.write(&work).await.map(drop)
    }

    async fn list_uncovered_chains(&self, limit: u32) -> Result<Vec<ChainHead>> {
        self.list(UNCOVERED, vec![Param::number(limit)], |row| read_chain_head(row, 0)).await
    }

    async fn find_last_checkpoint(&self) -> Result<Option<StoredCheckpoint>> {
        self.find(LAST_CHECKPOINT, Vec::new(), read_checkpoint).await
    }

    async fn insert_checkpoint(
        &self,
        lead: &Lead,
        checkpoint: &StoredCheckpoint,
        heads: &[ChainHead],
        sunk: Option<u64>,
    ) -> Result<()> {
        let mut work = Work::default();
        require_lead(&mut work, lead)?;
        let number = stored_number(checkpoint.number)?;
        let params = vec![Param::number(number), Param::text(&checkpoint.line)];
        work.push(INSERT_CHECKPOINT, params, Expect::Nothing);
        let mut heads: Vec<_> = heads.iter().collect();
        heads.sort_by_key(|head| *head.root.as_bytes());
        for ChainHead { root, length, hash } in heads {
            let params = vec![
                Param::number(number),
                Param::bytes(root.as_bytes()),
                Param::number(stored_number(*length)?),
                Param::bytes(hash),
            ];
            work.push(COVER, params, Expect::Rows(Conflict::Changed));
        }
        if let Some(sunk) = sunk {
            let params = vec![Param::number(stored_number(sunk)?)];
            work.push(NOTE_SUNK, params, Expect::Nothing);
        }
        self.write(&work).await.map(drop)
    }

    async fn list_checkpoints(&self, after: u64, limit: u32) -> Result<Vec<StoredCheckpoint>> {
        let params = vec![Param::number(stored_number(after)?), Param::number(limit)];
        self.list(CHECKPOINTS, params, read_checkpoint).await
    }

    async fn find_sunk(&self) -> Result<u64> {
        const SUNK: &str = "SELECT sunk FROM audit_progress WHERE id = 1";
        let sunk = self.find(SUNK, Vec::new(), |row| super::rows::number(row, 0)).await?;
        Ok(sunk.and_then(|sunk| sunk.try_into().ok()).unwrap_or(0))
    }

    async fn list_audit_events(&self, root: AccountId, asked: &AskedEvents) -> Result<FoundEvents> {
        self.list_events(root, asked).await
    }

    async fn list_audit_links(
        &self,
        root: AccountId,
        after: u64,
        limit: u32,
    ) -> Result<Vec<StoredLink>> {
        let params = vec![
            Param::bytes(root.as_bytes()),
            Param::number(stored_number(after)?),
            Param::number(limit),
        ];
        self.list(LINKS, params, read_link).await
    }

    async fn find_covering_checkpoint(&self, root: AccountId) -> Result<Option<u64>> {
        const COVERED_BY: &str = "SELECT covered_by FROM audit_chains WHERE root_id = $1";
        let params = vec![Param::bytes(root.as_bytes())];
        let found = self.find(COVERED_BY, params, |row| {
            row.try_get::<_, Option<i64>>(0).map_err(Error::internal)
        });
        Ok(found.await?.flatten().map(|number| u64::try_from(number).unwrap_or(0)))
    }
}

fn read_waiting(row: &Row) -> Result<UnsealedEvent> {
    let id = |bytes| EventId::from_bytes(bytes).to_string();
    let mut columns = Columns::new(row, 0, "audit_events", id);
    Ok(UnsealedEvent {
        id: EventId::from_bytes(columns.bytes("column id")?),
        root: AccountId::from_bytes(columns.bytes("column root_id")?),
        seal: columns.bytes("column mac")?,
    })
}

fn link_cells(link: &Link) -> Result<[Cell<'_>; 4]> {
    Ok([
        Cell::bytes(link.root.as_bytes()),
        Cell::number(stored_number(link.sequence)?),
        Cell::bytes(link.event.as_bytes()),
        Cell::bytes(&link.hash),
    ])
}

fn read_checkpoint(row: &Row) -> Result<StoredCheckpoint> {
    let mut columns = Columns::new(row, 0, "audit_checkpoints", |_| String::new());
    Ok(StoredCheckpoint {
        number: columns.convert("column number", |number| number.try_into().ok())?,
        line: columns.text("column line")?.to_owned(),
    })
}
