//! The change log as nodes read it, and the nodes. A machine's store has one node as a rule;
//! nothing here depends on that.

use super::changes::find_head;
use super::errors::from_sqlite;
use super::rows::{Columns, stored_number};
use super::{SqliteStore, rows};
use async_trait::async_trait;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row, params};
use std::array;
use std::time::Duration;
use tenantry_core::clock::Timestamp;
use tenantry_core::cluster::{LogRow, Node, Nodes, Poll, Polled, Tail};
use tenantry_core::commit::{CHANGE_SHARDS, Mark, Subject};
use tenantry_core::error::{Error, Result};
use tenantry_core::leads::NodeId;
use tenantry_core::store::NodeStore;

/// No other server takes a file over.
const INCARNATION: u64 = 0;

#[async_trait]
impl NodeStore for SqliteStore {
    async fn poll_changes(&self, poll: &Poll) -> Result<Polled> {
        let poll = poll.clone();
        self.write_for(move |connection| {
            let mut tails = array::from_fn(|_| Tail::default());
            for (shard, tail) in (0..CHANGE_SHARDS).zip(&mut tails) {
                tail.head = find_head(connection, shard)?.mark();
                if let Some(applied) = &poll.applied {
                    let from = applied[usize::from(shard)].number;
                    tail.rows = list_rows(connection, shard, from, poll.rows_max)?;
                }
            }
            let polled = Polled { incarnation: INCARNATION, tails, now: poll.now, nodes: 1 };
            note_node(connection, &poll, &polled)?;
            Ok(polled)
        })
        .await
    }

    async fn list_nodes(&self, now: Timestamp, limit: u32) -> Result<Nodes> {
        self.read(|connection| {
            let mut statement = connection
                .prepare_cached(
                    "SELECT id, name, seen_at, applied, max_staleness FROM nodes
                     ORDER BY id LIMIT ?1",
                )
                .map_err(from_sqlite)?;
            let nodes = rows::list(&mut statement, [limit], read_node)?;
            Ok(Nodes { now, incarnation: INCARNATION, nodes })
        })
    }

    async fn delete_node(&self, node: NodeId) -> Result<()> {
        self.write(move |connection| {
            let mut statement = connection
                .prepare_cached("DELETE FROM nodes WHERE id = ?1")
                .map_err(from_sqlite)?;
            statement.execute([node.as_bytes()]).map_err(from_sqlite)?;
            Ok(None)
        })
        .await
        .map(drop)
    }

    async fn sweep_nodes(&self, now: Timestamp, silent: Duration, limit: u32) -> Result<u64> {
        let silent = i64::try_from(silent.as_micros()).map_err(Error::internal)?;
        self.write_for(move |connection| {
            let mut statement = connection
                .prepare_cached(
                    "DELETE FROM nodes WHERE id IN
                         (SELECT id FROM nodes WHERE seen_at < ?1 - ?2 ORDER BY id LIMIT ?3)",
                )
                .map_err(from_sqlite)?;
            let swept = statement.execute(params![now.micros(), silent, limit]);
            u64::try_from(swept.map_err(from_sqlite)?).map_err(Error::internal)
        })
        .await
    }

    async fn prune_change_log(&self, before: Timestamp, limit: u32) -> Result<u64> {
        self.write_for(move |connection| {
            // The oldest rows only, so that none is missing between those that are left, and no
            // more are looked at than are deleted.
            let mut statement = connection
                .prepare_cached(
                    "DELETE FROM change_log WHERE shard = ?1 AND rev IN
                         (SELECT rev FROM change_log
                          WHERE shard = ?1
                              AND rev < (SELECT rev FROM change_head WHERE shard = ?1)
                              AND rev < coalesce(
                                  (SELECT rev FROM change_log WHERE shard = ?1 AND at >= ?2
                                   ORDER BY rev LIMIT 1),
                                  9223372036854775807)
                          ORDER BY rev LIMIT ?3)",
                )
                .map_err(from_sqlite)?;
            let mut pruned = 0;
            for shard in 0..CHANGE_SHARDS {
                let rows = statement.execute(params![shard, before.micros(), limit]);
                pruned += rows.map_err(from_sqlite)?;
            }
            u64::try_from(pruned).map_err(Error::internal)
        })
        .await
    }
}

/// Writes the row of the node that polls.
fn note_node(connection: &Connection, poll: &Poll, polled: &Polled) -> Result<()> {
    let applied: Vec<u8> = polled.noted(poll).into_iter().flat_map(u64::to_be_bytes).collect();
    let mut statement = connection
        .prepare_cached(
            "INSERT INTO nodes (id, name, seen_at, applied, max_staleness)
             VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (id) DO UPDATE
             SET name = excluded.name, seen_at = excluded.seen_at, applied = excluded.applied,
                 max_staleness = excluded.max_staleness",
        )
        .map_err(from_sqlite)?;
    let max_staleness = u64::try_from(poll.max_staleness.as_micros()).unwrap_or(u64::MAX);
    let max_staleness = stored_number(max_staleness)?;
    statement
        .execute(params![
            poll.node.as_bytes(),
            poll.name,
            poll.now.micros(),
            applied,
            max_staleness
        ])
        .map(drop)
        .map_err(from_sqlite)
}

fn list_rows(connection: &Connection, shard: u8, from: u64, limit: u32) -> Result<Vec<LogRow>> {
    let mut statement = connection
        .prepare_cached(
            "SELECT rev, nonce, kind, subject FROM change_log WHERE shard = ?1 AND rev >= ?2
             ORDER BY rev LIMIT ?3",
        )
        .map_err(from_sqlite)?;
    let params = params![shard, stored_number(from)?, limit];
    rows::list(&mut statement, params, |row| {
        let number: i64 = row.get(0).map_err(from_sqlite)?;
        let nonce: i64 = row.get(1).map_err(from_sqlite)?;
        let number = u64::try_from(number)
            .map_err(|_| rows::damaged("change_log", shard.to_string(), "column rev"))?;
        Ok(LogRow {
            mark: Mark { number, nonce: nonce.cast_unsigned() },
            subject: read_subject(row),
        })
    })
}

/// What a row says that changed; none where that is no word or subject of this version.
fn read_subject(row: &Row<'_>) -> Option<Subject> {
    match (row.get_ref(2).ok()?, row.get_ref(3).ok()?) {
        (ValueRef::Text(kind), ValueRef::Blob(subject)) => {
            Subject::from_stored(std::str::from_utf8(kind).ok()?, subject)
        }
        _ => None,
    }
}

fn read_node(row: &Row<'_>) -> Result<Node> {
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
