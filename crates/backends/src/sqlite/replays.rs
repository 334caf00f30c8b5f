//! Replies that are kept for repeated requests.

use super::errors::from_sqlite;
use super::{SqliteStore, rows};
use crate::rows::Cell;
use async_trait::async_trait;
use rusqlite::{Connection, params};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tenantry_core::clock::Timestamp;
use tenantry_core::commit::Replay;
use tenantry_core::error::{Conflict, Error, Result};
use tenantry_core::store::ReplayStore;

#[async_trait]
impl ReplayStore for SqliteStore {
    async fn find_replay(&self, scope: &str, key_hash: &[u8; 32]) -> Result<Option<Replay>> {
        self.read(|connection| {
            let mut statement = connection
                .prepare_cached(
                    "SELECT body_fingerprint, reply, reply_until, resource, expires_at
                     FROM idempotency
                     WHERE scope = ?1 AND key_hash = ?2",
                )
                .map_err(from_sqlite)?;
            rows::find(&mut statement, params![scope, key_hash], |row| {
                let resource: String = row.get(3).map_err(from_sqlite)?;
                Ok(Replay {
                    scope: scope.into(),
                    key_hash: *key_hash,
                    body_fingerprint: row.get(0).map_err(from_sqlite)?,
                    reply: row.get(1).map_err(from_sqlite)?,
                    reply_until: Timestamp::from_micros(row.get(2).map_err(from_sqlite)?),
                    resource: resource.into(),
                    expires_at: Timestamp::from_micros(row.get(4).map_err(from_sqlite)?),
                })
            })
        })
    }

    async fn sweep_replays(&self, now: Timestamp, limit: u32) -> Result<u64> {
        let swept = Arc::new(AtomicU64::new(0));
        let count = swept.clone();
        self.write(move |connection| {
            let forgotten = execute(
                connection,
                "DELETE FROM idempotency WHERE rowid IN
                     (SELECT rowid FROM idempotency WHERE expires_at <= ?1 LIMIT ?2)",
                now,
                limit,
            )?;
            let erased = execute(
                connection,
                "UPDATE idempotency SET reply = x'' WHERE rowid IN
                     (SELECT rowid FROM idempotency
                      WHERE reply_until <= ?1 AND reply <> x'' LIMIT ?2)",
                now,
                limit,
            )?;
            count.store(forgotten + erased, Ordering::Relaxed);
            Ok(None)
        })
        .await?;
        Ok(swept.load(Ordering::Relaxed))
    }
}

fn execute(connection: &Connection, sql: &str, now: Timestamp, limit: u32) -> Result<u64> {
    let mut statement = connection.prepare_cached(sql).map_err(from_sqlite)?;
    let rows = statement.execute(params![now.micros(), limit]).map_err(from_sqlite)?;
    u64::try_from(rows).map_err(Error::internal)
}

/// Keeps a reply. [`Conflict::Repeated`] where one is kept that has not expired: the request was
/// sent twice, and the other one was faster.
pub(super) fn insert(connection: &Connection, replay: &Replay, now: Timestamp) -> Result<()> {
    let mut statement = connection
        .prepare_cached(
            "INSERT INTO idempotency (scope, key_hash, body_fingerprint, reply, reply_until,
                 resource, expires_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
             ON CONFLICT (scope, key_hash) DO UPDATE
             SET body_fingerprint = excluded.body_fingerprint, reply = excluded.reply,
                 reply_until = excluded.reply_until, resource = excluded.resource,
                 expires_at = excluded.expires_at
             WHERE idempotency.expires_at <= ?8",
        )
        .map_err(from_sqlite)?;
    let cells = rows::replay_cells(replay);
    let written =
        rows::write(&mut statement, &[&cells[..], &[Cell::number(now.micros())]].concat());
    match written? {
        0 => Err(Error::Conflict(Conflict::Repeated)),
        _ => Ok(()),
    }
}
