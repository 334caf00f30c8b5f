//! The suite on SQLite.

use crate::backend::{Backend, ChangeRow};
use crate::support::NOW;
use rusqlite::{Connection, OptionalExtension};
use std::future::Ready;
use std::sync::Arc;
use tenantry_backends::sqlite::{SqliteOptions, SqliteStore};
use tenantry_core::clock::Timestamp;
use tenantry_core::ids::CredentialId;
use tenantry_core::store::Store;

/// A fresh store in a directory of its own.
pub(crate) struct OnSqlite {
    store: Arc<SqliteStore>,
    // Dropped last.
    _directory: tempfile::TempDir,
}

impl OnSqlite {
    pub(crate) fn start() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let options = SqliteOptions::new(directory.path(), NOW);
        let store = Arc::new(SqliteStore::open(&options).expect("a store"));
        Self { store, _directory: directory }
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
}

fn start() -> Ready<Option<OnSqlite>> {
    std::future::ready(Some(OnSqlite::start()))
}

crate::suite!();
