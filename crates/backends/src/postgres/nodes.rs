//! The change log as nodes read it, and the nodes. The time is the server's: those of the nodes
//! differ.

use super::PostgresStore;
use super::rows::{Param, number, one};
use super::session::{Expect, Work};
use crate::rows::{Cell, Columns, Source as _, damaged, read_head, stored_number};
use async_trait::async_trait;
use std::array;
use std::time::Duration;
use tenantry_core::clock::Timestamp;
use tenantry_core::cluster::{LogRow, Node, Nodes, Poll, Polled, Tail};
use tenantry_core::commit::{CHANGE_SHARDS, Mark, Subject};
use tenantry_core::error::{Error, Result};
use tenantry_core::leads::NodeId;
use tenantry_core::store::NodeStore;
use tokio_postgres::Row;

/// How long a poll may take: well within the bound of staleness, so that the next one may save it.
const POLL_DEADLINE: Duration = Duration::from_secs(2);

/// The end of every shard, of one instant. The server that answers is told by when it was started:
/// one that takes over after a failure was started at another time.
const TAILS: &str = "SELECT h.shard, h.rev, h.nonce, l.rev, l.nonce, l.kind, l.subject,
        (extract(epoch FROM pg_postmaster_start_time()) * 1000000)::bigint, n.others, t.now
    FROM change_head h
    CROSS JOIN (
        SELECT count(*) AS others FROM nodes WHERE id <> $4
            AND seen_at > (extract(epoch FROM clock_timestamp()) * 1000000)::bigint - max_staleness
    ) AS n
    CROSS JOIN (SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now) AS t
    LEFT JOIN unnest($1::bigint[], $2::bigint[]) AS asked (shard, rev) ON asked.shard = h.shard
    LEFT JOIN LATERAL (
        SELECT c.rev, c.nonce, c.kind, c.subject FROM change_log c
        WHERE c.shard = asked.shard AND c.rev >= asked.rev
        ORDER BY c.rev LIMIT $3
    ) AS l ON true
    ORDER BY h.shard, l.rev";

const NOTE: &str = "INSERT INTO nodes (id, name, seen_at, applied, max_staleness)
    VALUES ($1, $2, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint, $3, $4)
    ON CONFLICT (id) DO UPDATE
    SET name = excluded.name, seen_at = excluded.seen_at, applied = excluded.applied,
        max_staleness = excluded.max_staleness";

const LIST: &str = "SELECT n.id, n.name, n.seen_at, n.applied, n.max_staleness, t.now, t.started
    FROM (SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now,
        (extract(epoch FROM pg_postmaster_start_time()) * 1000000)::bigint AS started) AS t
    LEFT JOIN (SELECT id, name, seen_at, applied, max_staleness FROM nodes
        ORDER BY id LIMIT $1) AS n ON true
    ORDER BY n.id";

const DELETE: &str = "DELETE FROM nodes WHERE id = $1";

const SWEEP: &str = "DELETE FROM nodes WHERE id IN (
        SELECT id FROM nodes
        WHERE seen_at < (extract(epoch FROM clock_timestamp()) * 1000000)::bigint - $1
        ORDER BY id LIMIT $2 FOR UPDATE SKIP LOCKED)";

// The oldest rows only, so that none is missing between those that are left.
const PRUNE: &str = "DELETE FROM change_log d USING (
        SELECT l.shard, l.rev, bool_and(l.at < $1) OVER (PARTITION BY l.shard ORDER BY l.rev) AS old
        FROM change_head h
        CROSS JOIN LATERAL (
            SELECT c.shard, c.rev, c.at FROM change_log c
            WHERE c.shard = h.shard AND c.rev < h.rev
            ORDER BY c.rev LIMIT $2
        ) AS l
    ) AS first
    WHERE first.old AND d.shard = first.shard AND d.rev = first.rev";

/// What a poll answers and writes.
struct Noted {
    polled: Polled,
    node: NodeId,
    name: Box<str>,
    applied: Vec<u8>,
    max_staleness: i64,
}

#[async_trait]
impl NodeStore for PostgresStore {
    async fn poll_changes(&self, poll: &Poll) -> Result<Polled> {
        let asked = poll.applied.iter().flatten().zip(0_i64..);
        let (mut shards, mut from) = (Vec::new(), Vec::new());
        for (mark, shard) in asked {
            shards.push(Some(shard));
            from.push(Some(stored_number(mark.number)?));
        }
        let mut params =
            vec![Param::Numbers(shards), Param::Numbers(from), Param::number(poll.rows_max)];
        params.push(Param::bytes(poll.node.as_bytes()));
        let max_staleness = u64::try_from(poll.max_staleness.as_micros()).unwrap_or(u64::MAX);
        let max_staleness = stored_number(max_staleness)?;
        let note = |rows: &[Row]| {
            let polled = read_tails(rows)?;
            let applied = polled.noted(poll).into_iter().flat_map(u64::to_be_bytes).collect();
            Ok(Noted { polled, node: poll.node, name: poll.name.clone(), applied, max_staleness })
        };
        if self.connections.met_another() {
            // The address may lead there now, and this connection to a server that is none any more.
            self.polls.close_idle();
        }
        let polling = Self::read_then_write(&self.polls, (TAILS, params), note, NOTE, written);
        let noted = tokio::time::timeout(POLL_DEADLINE, polling).await;
        let polled = noted.unwrap_or_else(|_| Err(super::session::too_long()))?.polled;
        self.connections.keep_to(polled.incarnation);
        Ok(polled)
    }

    async fn list_nodes(&self, _now: Timestamp, limit: u32) -> Result<Nodes> {
        let rows = self.read(LIST, vec![Param::number(limit)]).await?;
        let now = rows.first().map_or(Ok(0), |row| number(row, 5))?;
        let incarnation = rows.first().map_or(Ok(0), |row| number(row, 6))?.cast_unsigned();
        let nodes = rows.iter().filter(|row| !matches!(row.bytes(0), Ok(None))).map(read_node);
        let nodes = nodes.collect::<Result<_>>()?;
        Ok(Nodes { now: Timestamp::from_micros(now), incarnation, nodes })
    }

    async fn delete_node(&self, node: NodeId) -> Result<()> {
        let mut work = Work::default();
        work.push(DELETE, vec![Param::bytes(node.as_bytes())], Expect::Nothing);
        self.write(&work).await.map(drop)
    }

    async fn sweep_nodes(&self, _now: Timestamp, silent: Duration, limit: u32) -> Result<u64> {
        let silent = i64::try_from(silent.as_micros()).map_err(Error::internal)?;
        let mut work = Work::default();
        work.push(SWEEP, one([Cell::number(silent), Cell::number(limit)]), Expect::Counted);
        self.write(&work).await.map(|done| done.rows)
    }

    async fn prune_change_log(&self, before: Timestamp, limit: u32) -> Result<u64> {
        let mut work = Work::default();
        let params = one([Cell::number(before.micros()), Cell::number(limit)]);
        work.push(PRUNE, params, Expect::Counted);
        self.write(&work).await.map(|done| done.rows)
    }
}

fn written(noted: &Noted) -> Vec<Param<'_>> {
    vec![
        Param::bytes(noted.node.as_bytes()),
        Param::text(&noted.name),
        Param::bytes(&noted.applied),
        Param::number(noted.max_staleness),
    ]
}

fn read_tails(rows: &[Row]) -> Result<Polled> {
    let mut tails: [Option<Tail>; CHANGE_SHARDS as usize] = array::from_fn(|_| None);
    for row in rows {
        let shard = u8::try_from(number(row, 0)?).unwrap_or(u8::MAX);
        // A head that is no shard's is nobody's.
        let Some(tail) = tails.get_mut(usize::from(shard)) else { continue };
        if tail.is_none() {
            *tail = Some(Tail { head: read_head(row, 1, shard)?.mark(), rows: Vec::new() });
        }
        if let (Some(tail), Ok(Some(rev)), Ok(Some(nonce))) = (tail, row.number(3), row.number(4)) {
            let number = u64::try_from(rev)
                .map_err(|_| damaged("change_log", shard.to_string(), "column rev"))?;
            let mark = Mark { number, nonce: nonce.cast_unsigned() };
            tail.rows.push(LogRow { mark, subject: read_subject(row) });
        }
    }
    let missing = |shard: usize| damaged("change_head", shard.to_string(), "column rev");
    if let Some(shard) = tails.iter().position(Option::is_none) {
        return Err(missing(shard));
    }
    let incarnation = rows.first().map_or(Ok(0), |row| number(row, 7))?.cast_unsigned();
    let others = rows.first().map_or(Ok(0), |row| number(row, 8))?;
    let nodes = u32::try_from(others).unwrap_or(u32::MAX).saturating_add(1);
    let now = Timestamp::from_micros(rows.first().map_or(Ok(0), |row| number(row, 9))?);
    Ok(Polled { incarnation, tails: tails.map(Option::unwrap_or_default), now, nodes })
}

/// What a row says that changed; none where that is no word or subject of this version.
fn read_subject(row: &Row) -> Option<Subject> {
    Subject::from_stored(row.text(5).ok()??, row.bytes(6).ok()??)
}

fn read_node(row: &Row) -> Result<Node> {
    let print = |id| NodeId::from_bytes(id).to_string();
    let mut columns = Columns::new(row, 0, "nodes", print);
    Ok(Node {
        id: NodeId::from_bytes(columns.bytes("column id")?),
        name: columns.text("column name")?.into(),
        seen_at: columns.time("column seen_at")?,
        applied: {
            let bytes: [u8; 8 * CHANGE_SHARDS as usize] = columns.bytes("column applied")?;
            let (numbers, _) = bytes.as_chunks::<8>();
            array::from_fn(|shard| u64::from_be_bytes(numbers[shard]))
        },
        max_staleness: columns
            .convert("column max_staleness", |micros| micros.try_into().ok())
            .map(Duration::from_micros)?,
    })
}
