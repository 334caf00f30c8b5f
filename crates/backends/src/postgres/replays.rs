//! Replies that are kept for repeated requests.

use super::PostgresStore;
use super::rows::{Param, one};
use super::session::{Expect, Work};
use crate::rows::{Cell, Columns, replay_cells};
use async_trait::async_trait;
use tenantry_core::clock::Timestamp;
use tenantry_core::commit::Replay;
use tenantry_core::error::{Conflict, Result};
use tenantry_core::store::ReplayStore;

const INSERT: &str =
    "INSERT INTO idempotency (scope, key_hash, body_fingerprint, reply, reply_until, resource,
        expires_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7)
    ON CONFLICT (scope, key_hash) DO UPDATE
    SET body_fingerprint = excluded.body_fingerprint, reply = excluded.reply,
        reply_until = excluded.reply_until, resource = excluded.resource,
        expires_at = excluded.expires_at
    WHERE idempotency.expires_at <= $8";

const FIND: &str = "SELECT key_hash, body_fingerprint, reply, reply_until, resource, expires_at
    FROM idempotency WHERE scope = $1 AND key_hash = $2";

// Rows that another node sweeps right now are left to it.
const FORGET: &str = "DELETE FROM idempotency WHERE (scope, key_hash) IN (
        SELECT scope, key_hash FROM idempotency WHERE expires_at <= $1
        ORDER BY scope, key_hash LIMIT $2 FOR UPDATE SKIP LOCKED)";

const ERASE: &str = "UPDATE idempotency SET reply = ''::bytea WHERE (scope, key_hash) IN (
        SELECT scope, key_hash FROM idempotency WHERE reply_until <= $1 AND reply <> ''::bytea
        ORDER BY scope, key_hash LIMIT $2 FOR UPDATE SKIP LOCKED)";

#[async_trait]
impl ReplayStore for PostgresStore {
    async fn find_replay(&self, scope: &str, key_hash: &[u8; 32]) -> Result<Option<Replay>> {
        let params = vec![Param::text(scope), Param::bytes(key_hash)];
        self.find(FIND, params, |row| {
            let mut columns = Columns::new(row, 0, "idempotency", |_| String::new());
            Ok(Replay {
                scope: scope.into(),
                key_hash: columns.bytes("column key_hash")?,
                body_fingerprint: columns.bytes("column body_fingerprint")?,
                reply: columns.blob("column reply")?.to_vec(),
                reply_until: columns.time("column reply_until")?,
                resource: columns.text("column resource")?.into(),
                expires_at: columns.time("column expires_at")?,
            })
        })
        .await
    }

    async fn sweep_replays(&self, now: Timestamp, limit: u32) -> Result<u64> {
        let mut work = Work::default();
        for sql in [FORGET, ERASE] {
            let params = vec![Param::number(now.micros()), Param::number(limit)];
            work.push(sql, params, Expect::Counted);
        }
        self.write(&work).await.map(|done| done.rows)
    }
}

/// Keeps a reply. [`Conflict::Repeated`] where one is kept that has not expired: the request was
/// sent twice, and the other one was faster.
pub(super) fn insert<'a>(work: &mut Work<'a>, replay: &'a Replay, now: Timestamp) {
    let cells = replay_cells(replay).into_iter().chain([Cell::number(now.micros())]);
    work.push(INSERT, one(cells), Expect::Rows(Conflict::Repeated));
}
