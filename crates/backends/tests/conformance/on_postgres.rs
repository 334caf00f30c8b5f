//! The suite on PostgreSQL.

use crate::backend::{Backend, ChangeRow};
use crate::support::NOW;
use std::sync::Arc;
use std::time::Duration;
use tenantry_backends::postgres::{PostgresOptions, PostgresStore};
use tenantry_backends::testing::{Database, Row, Server, literal};
use tenantry_core::clock::Timestamp;
use tenantry_core::ids::{AccountId, CredentialId, LeaseId};
use tenantry_core::store::Store;

/// A fresh store in a database of its own.
pub(crate) struct OnPostgres {
    store: Arc<PostgresStore>,
    database: Database,
}

async fn start() -> Option<OnPostgres> {
    let database = Server::shared()?.database();
    let options = PostgresOptions::new(database.url(), NOW);
    Some(OnPostgres::open(database, &options).await)
}

impl OnPostgres {
    /// On this database, however it is reached.
    pub(crate) async fn open(database: Database, options: &PostgresOptions) -> Self {
        let store = PostgresStore::open(options).await.expect("a store");
        Self { store: Arc::new(store), database }
    }

    fn rows(&self, sql: &str) -> Vec<Row> {
        self.database.query(sql).expect("rows")
    }
}

fn fixed<const N: usize>(row: &Row, column: usize) -> [u8; N] {
    row.get::<_, &[u8]>(column).try_into().expect("its length")
}

impl Backend for OnPostgres {
    fn store(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    fn audit_events(&self) -> Vec<[u8; 16]> {
        let rows = self.rows("SELECT id FROM audit_events ORDER BY id");
        rows.iter().map(|row| fixed(row, 0)).collect()
    }

    fn audit_event(&self, id: [u8; 16]) -> Option<(Vec<String>, [u8; 32])> {
        let rows = self.rows(&format!(
            "SELECT actor_kind, actor_id, action, target_kind, target_id, facts, request_id,
                 coalesce(address, ''), mac
             FROM audit_events WHERE id = {}",
            literal(&id)
        ));
        rows.first().map(|row| ((0..8).map(|column| row.get(column)).collect(), fixed(row, 8)))
    }

    fn change_log(&self, shard: u8) -> Vec<ChangeRow> {
        let rows = self.rows(&format!(
            "SELECT rev, nonce, kind, subject, at FROM change_log WHERE shard = {shard} ORDER BY rev"
        ));
        let read = |row: &Row| ChangeRow {
            rev: row.get::<_, i64>(0).cast_unsigned(),
            nonce: row.get::<_, i64>(1).cast_unsigned(),
            kind: row.get(2),
            subject: row.get(3),
            at: row.get(4),
        };
        rows.iter().map(read).collect()
    }

    fn last_used(&self, credential: CredentialId) -> Option<Timestamp> {
        let id = literal(credential.as_bytes());
        let rows = self.rows(&format!("SELECT last_used_at FROM credentials WHERE id = {id}"));
        rows[0].get::<_, Option<i64>>(0).map(Timestamp::from_micros)
    }

    /// Instead of the server's clock, the times of leases are moved.
    fn pass(&self, time: Duration) {
        let micros = time.as_micros();
        let moved = self.database.execute(&format!(
            "UPDATE leases SET acquired_at = acquired_at - {micros},
                 expires_at = expires_at - {micros}, released_at = released_at - {micros}"
        ));
        moved.expect("moved");
    }

    fn call_record(&self, lease: LeaseId) -> Option<Vec<String>> {
        let rows = self.rows(&format!(
            "SELECT account_id, reference, status, duration::text, platform_cost::text,
                 telephony_cost::text, synthesizer_costs, transcriber_costs, llm_costs,
                 ended_at::text
             FROM call_records WHERE lease_id = {}",
            literal(lease.as_bytes())
        ));
        rows.first().map(|row| {
            let account = AccountId::from_bytes(fixed(row, 0)).to_string();
            let texts = (1..10).map(|column| row.get::<_, Option<String>>(column));
            std::iter::once(account).chain(texts.map(Option::unwrap_or_default)).collect()
        })
    }
}

crate::suite!();
