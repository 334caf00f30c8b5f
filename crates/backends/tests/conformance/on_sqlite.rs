//! The suite on SQLite.

use crate::backend::{Backend, ChangeRow};
use crate::support::NOW;
use rusqlite::{Connection, OptionalExtension};
use std::future::Ready;
use std::sync::Arc;
use std::time::Duration;
use tenantry_backends::sqlite::{SqliteOptions, SqliteStore};
use tenantry_core::clock::{ManualClock, Timestamp};
use tenantry_core::ids::{AccountId, CredentialId, LeaseId};
use tenantry_core::store::Store;

/// A fresh store in a directory of its own.
pub(crate) struct OnSqlite {
    store: Arc<SqliteStore>,
    clock: Arc<ManualClock>,
    // Dropped last.
    _directory: tempfile::TempDir,
}

impl OnSqlite {
    pub(crate) fn start() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let clock = Arc::new(ManualClock::at(NOW));
        let options =
            SqliteOptions { clock: clock.clone(), ..SqliteOptions::new(directory.path(), NOW) };
        let store = Arc::new(SqliteStore::open(&options).expect("a store"));
        Self { store, clock, _directory: directory }
    }

    fn connect(&self) -> Connection {
        Connection::open(self.store.path()).expect("a connection")
    }
}

impl Backend for OnSqlite {
    fn store(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    fn audit_events(&self) -> Vec<[u8; 16]> {
        let connection = self.connect();
        let mut statement =
            connection.prepare("SELECT id FROM audit_events ORDER BY id").expect("a query");
        let rows = statement.query_map([], |row| row.get(0)).expect("rows");
        rows.collect::<rusqlite::Result<_>>().expect("ids")
    }

    fn audit_event(&self, id: [u8; 16]) -> Option<(Vec<String>, [u8; 32])> {
        self.connect()
            .query_row(
                "SELECT actor_kind, actor_id, action, target_kind, target_id, facts, request_id,
                     coalesce(address, ''), mac
                 FROM audit_events WHERE id = ?1",
                [id],
                |row| {
                    let texts = (0..8).map(|column| row.get(column)).collect::<Result<_, _>>()?;
                    Ok((texts, row.get(8)?))
                },
            )
            .optional()
            .expect("a row")
    }

    fn change_log(&self, shard: u8) -> Vec<ChangeRow> {
        let connection = self.connect();
        let mut statement = connection
            .prepare(
                "SELECT rev, nonce, kind, subject, at FROM change_log WHERE shard = ?1
                 ORDER BY rev",
            )
            .expect("a query");
        let rows = statement.query_map([shard], |row| {
            Ok(ChangeRow {
                rev: row.get::<_, i64>(0)?.cast_unsigned(),
                nonce: row.get::<_, i64>(1)?.cast_unsigned(),
                kind: row.get(2)?,
                subject: row.get(3)?,
                at: row.get(4)?,
            })
        });
        rows.expect("rows").collect::<rusqlite::Result<_>>().expect("changes")
    }

    fn last_used(&self, credential: CredentialId) -> Option<Timestamp> {
        let micros = self.connect().query_row(
            "SELECT last_used_at FROM credentials WHERE id = ?1",
            [credential.as_bytes()],
            |row| row.get::<_, Option<i64>>(0),
        );
        micros.expect("a row").map(Timestamp::from_micros)
    }

    fn pass(&self, time: Duration) {
        self.clock.advance(time);
    }

    fn call_record(&self, lease: LeaseId) -> Option<Vec<String>> {
        self.connect()
            .query_row(
                "SELECT account_id, reference, status, CAST(duration AS TEXT),
                     CAST(platform_cost AS TEXT), CAST(telephony_cost AS TEXT), synthesizer_costs,
                     transcriber_costs, llm_costs, CAST(ended_at AS TEXT)
                 FROM call_records WHERE lease_id = ?1",
                [lease.as_bytes()],
                |row| {
                    let account = AccountId::from_bytes(row.get(0)?).to_string();
                    let texts = (1..10).map(|column| {
                        Ok(row.get::<_, Option<String>>(column)?.unwrap_or_default())
                    });
                    std::iter::once(Ok(account)).chain(texts).collect()
                },
            )
            .optional()
            .expect("a row")
    }
}

fn start() -> Ready<Option<OnSqlite>> {
    std::future::ready(Some(OnSqlite::start()))
}

crate::suite!();
