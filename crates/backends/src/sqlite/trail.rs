//! What binds audit events to each other: links, heads, checkpoints, and how far they have come.

pub(super) mod unsealed;

use super::errors::from_sqlite;
use super::leads::{changed, require_lead};
use super::rows::{damaged, stored_number as stored};
use super::{SqliteStore, audit, rows};
use async_trait::async_trait;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row, params};
use tenantry_core::audit::chain::{ChainHead, NewLinks, Unsealed};
use tenantry_core::audit::checkpoint::StoredCheckpoint;
use tenantry_core::audit::list::{AskedEvents, FoundEvents};
use tenantry_core::audit::trail::StoredLink;
use tenantry_core::error::Result;
use tenantry_core::ids::{AccountId, EventId};
use tenantry_core::leads::Lead;
use tenantry_core::store::AuditTrailStore;

#[async_trait]
impl AuditTrailStore for SqliteStore {
    async fn list_unsealed_events(&self, limit: u32) -> Result<Unsealed> {
        self.read(|connection| unsealed::list(connection, limit))
    }

    async fn find_chain_heads(&self, roots: &[AccountId]) -> Result<Vec<ChainHead>> {
        let mut heads = Vec::with_capacity(roots.len());
        for root in roots {
            heads.extend(self.read(|connection| find_head(connection, *root))?);
        }
        Ok(heads)
    }

    async fn insert_audit_links(&self, lead: &Lead, new: NewLinks) -> Result<()> {
        let lead = *lead;
        let job = move |connection: &Connection| {
            require_lead(connection, &lead)?;
            insert_links(connection, &new)?;
            Ok(None)
        };
        self.write(job).await.map(drop)
    }

    async fn list_uncovered_chains(&self, limit: u32) -> Result<Vec<ChainHead>> {
        self.read(|connection| {
            let mut statement = connection
                .prepare_cached(
                    "SELECT root_id, length, hash FROM audit_chains WHERE covered_by IS NULL
                     ORDER BY root_id LIMIT ?1",
                )
                .map_err(from_sqlite)?;
            rows::list(&mut statement, [limit], |row| rows::read_chain_head(row, 0))
        })
    }

    async fn find_last_checkpoint(&self) -> Result<Option<StoredCheckpoint>> {
        self.read(find_last_checkpoint)
    }

    async fn insert_checkpoint(
        &self,
        lead: &Lead,
        checkpoint: &StoredCheckpoint,
        heads: &[ChainHead],
        sunk: Option<u64>,
    ) -> Result<()> {
        let (lead, checkpoint, heads) = (*lead, checkpoint.clone(), heads.to_vec());
        let job = move |connection: &Connection| {
            require_lead(connection, &lead)?;
            insert_checkpoint(connection, &checkpoint, &heads, sunk)?;
            Ok(None)
        };
        self.write(job).await.map(drop)
    }

    async fn list_checkpoints(&self, after: u64, limit: u32) -> Result<Vec<StoredCheckpoint>> {
        self.read(|connection| {
            let mut statement = connection
                .prepare_cached(
                    "SELECT number, line FROM audit_checkpoints WHERE number > ?1
                     ORDER BY number LIMIT ?2",
                )
                .map_err(from_sqlite)?;
            rows::list(&mut statement, params![stored(after)?, limit], read_checkpoint)
        })
    }

    async fn find_sunk(&self) -> Result<u64> {
        self.read(|connection| {
            let mut statement = connection
                .prepare_cached("SELECT sunk FROM audit_progress WHERE id = 1")
                .map_err(from_sqlite)?;
            let sunk = rows::find(&mut statement, [], |row| row.get(0).map_err(from_sqlite))?;
            Ok(sunk.and_then(|sunk: i64| sunk.try_into().ok()).unwrap_or(0))
        })
    }

    async fn list_audit_events(&self, root: AccountId, asked: &AskedEvents) -> Result<FoundEvents> {
        self.read(|connection| audit::list(connection, root, asked))
    }

    async fn list_audit_links(
        &self,
        root: AccountId,
        after: u64,
        limit: u32,
    ) -> Result<Vec<StoredLink>> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(LINKS).map_err(from_sqlite)?;
            let params = params![root.as_bytes(), stored(after)?, limit];
            rows::list(&mut statement, params, |row| rows::read_link(row))
        })
    }

    async fn find_covering_checkpoint(&self, root: AccountId) -> Result<Option<u64>> {
        self.read(|connection| {
            let mut statement = connection
                .prepare_cached("SELECT covered_by FROM audit_chains WHERE root_id = ?1")
                .map_err(from_sqlite)?;
            let found = rows::find(&mut statement, [root.as_bytes()], |row| {
                row.get::<_, Option<i64>>(0).map_err(from_sqlite)
            })?;
            Ok(found.flatten().map(|number| u64::try_from(number).unwrap_or(0)))
        })
    }
}

/// Links of a chain with their events, by number.
pub(super) const LINKS: &str = "SELECT l.root_id, l.sequence, l.event_id, l.hash,
         e.id, e.root_id, e.at, e.actor_kind, e.actor_id, e.action, e.target_kind, e.target_id,
         e.facts, e.request_id, e.address, e.mac
     FROM audit_links l
     LEFT JOIN audit_events e ON e.id = l.event_id
     WHERE l.root_id = ?1 AND l.sequence > ?2 ORDER BY l.sequence LIMIT ?3";

/// The head of a chain.
pub(super) fn find_head(connection: &Connection, root: AccountId) -> Result<Option<ChainHead>> {
    let mut statement = connection
        .prepare_cached("SELECT root_id, length, hash FROM audit_chains WHERE root_id = ?1")
        .map_err(from_sqlite)?;
    rows::find(&mut statement, [root.as_bytes()], |row| rows::read_chain_head(row, 0))
}

fn insert_links(connection: &Connection, new: &NewLinks) -> Result<()> {
    let mut insert = connection
        .prepare_cached(
            "INSERT INTO audit_links (root_id, sequence, event_id, hash) VALUES (?1, ?2, ?3, ?4)",
        )
        .map_err(from_sqlite)?;
    for link in &new.links {
        let written = insert.execute(params![
            link.root.as_bytes(),
            stored(link.sequence)?,
            link.event.as_bytes(),
            link.hash
        ]);
        written.map_err(from_sqlite)?;
    }
    let mut head = connection
        .prepare_cached(
            "INSERT INTO audit_chains (root_id, length, hash, covered_by)
             VALUES (?1, ?2, ?3, NULL)
             ON CONFLICT (root_id) DO UPDATE
             SET length = excluded.length, hash = excluded.hash, covered_by = NULL
             WHERE audit_chains.length = ?4",
        )
        .map_err(from_sqlite)?;
    for (before, ChainHead { root, length, hash }) in &new.heads {
        let written =
            head.execute(params![root.as_bytes(), stored(*length)?, hash, stored(*before)?]);
        changed(written.map_err(from_sqlite)?)?;
    }
    let mut mark = connection
        .prepare_cached(
            "INSERT INTO audit_progress (id, event_id, sunk) VALUES (1, ?1, 0)
             ON CONFLICT (id) DO UPDATE SET event_id = excluded.event_id
             WHERE audit_progress.event_id IS ?2",
        )
        .map_err(from_sqlite)?;
    let before = new.mark_before.as_ref().map(EventId::as_bytes);
    changed(mark.execute(params![new.mark.as_bytes(), before]).map_err(from_sqlite)?)
}

fn insert_checkpoint(
    connection: &Connection,
    checkpoint: &StoredCheckpoint,
    heads: &[ChainHead],
    sunk: Option<u64>,
) -> Result<()> {
    let number = stored(checkpoint.number)?;
    let mut insert = connection
        .prepare_cached("INSERT INTO audit_checkpoints (number, line) VALUES (?1, ?2)")
        .map_err(from_sqlite)?;
    insert.execute(params![number, checkpoint.line]).map_err(from_sqlite)?;
    let mut cover = connection
        .prepare_cached(
            "UPDATE audit_chains SET covered_by = ?1
             WHERE root_id = ?2 AND length = ?3 AND hash = ?4",
        )
        .map_err(from_sqlite)?;
    for ChainHead { root, length, hash } in heads {
        let covered = cover.execute(params![number, root.as_bytes(), stored(*length)?, hash]);
        changed(covered.map_err(from_sqlite)?)?;
    }
    if let Some(sunk) = sunk {
        let mut note = connection
            .prepare_cached("UPDATE audit_progress SET sunk = ?1 WHERE id = 1")
            .map_err(from_sqlite)?;
        note.execute([stored(sunk)?]).map_err(from_sqlite)?;
    }
    Ok(())
}

/// The checkpoint with the highest number.
pub(super) fn find_last_checkpoint(connection: &Connection) -> Result<Option<StoredCheckpoint>> {
    let mut statement = connection
        .prepare_cached("SELECT number, line FROM audit_checkpoints ORDER BY number DESC LIMIT 1")
        .map_err(from_sqlite)?;
    rows::find(&mut statement, [], read_checkpoint)
}

pub(super) fn read_checkpoint(row: &Row<'_>) -> Result<StoredCheckpoint> {
    let number: i64 = row.get(0).map_err(from_sqlite)?;
    let line = match row.get_ref(1).map_err(from_sqlite)? {
        ValueRef::Text(bytes) => std::str::from_utf8(bytes).ok(),
        _ => None,
    };
    let line = line
        .ok_or_else(|| damaged("audit_checkpoints", number.to_string(), "column line"))?
        .to_owned();
    let number = u64::try_from(number)
        .map_err(|_| damaged("audit_checkpoints", number.to_string(), "column number"))?;
    Ok(StoredCheckpoint { number, line })
}
