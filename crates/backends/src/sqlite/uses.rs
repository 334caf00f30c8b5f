//! Remaining uses. The writer is one thread: what is read here is what is drawn from.

use super::errors::from_sqlite;
use super::{SqliteStore, rows};
use crate::rows::{read_drawn, stored_number};
use async_trait::async_trait;
use rusqlite::{Connection, params};
use tenantry_core::error::Result;
use tenantry_core::ids::CredentialId;
use tenantry_core::store::UsesStore;
use tenantry_core::uses::{Draw, Drawn, DrawnRow, Unspent};

#[async_trait]
impl UsesStore for SqliteStore {
    async fn draw_uses(&self, draw: &Draw) -> Result<Option<Drawn>> {
        let (draw, clock) = (*draw, self.lease_clock.clone());
        self.write_for(move |connection| {
            let now = clock.now();
            let row = find(connection, draw.lineage)?.unwrap_or_else(|| draw.first_row(now));
            let Some((row, drawn)) = draw.from(row, now) else {
                return Ok(None);
            };
            let mut statement = connection
                .prepare_cached(
                    "INSERT INTO drawn_uses (lineage, root_id, granted_at, began_at, drawn)
                     VALUES (?1, ?2, ?3, ?4, ?5)
                     ON CONFLICT (lineage) DO UPDATE
                     SET granted_at = excluded.granted_at, began_at = excluded.began_at,
                         drawn = excluded.drawn",
                )
                .map_err(from_sqlite)?;
            let params = params![
                draw.lineage.as_bytes(),
                draw.root.as_bytes(),
                row.granted_at.micros(),
                row.began_at.micros(),
                stored_number(row.drawn)?,
            ];
            statement.execute(params).map_err(from_sqlite)?;
            Ok(Some(drawn))
        })
        .await
    }

    async fn return_uses(&self, unspent: &[Unspent]) -> Result<()> {
        let unspent = unspent.to_vec();
        self.write_for(move |connection| {
            let mut statement = connection
                .prepare_cached("UPDATE drawn_uses SET drawn = ?2 WHERE lineage = ?1")
                .map_err(from_sqlite)?;
            for unspent in &unspent {
                let row = find(connection, unspent.lineage)?;
                if let Some(row) = row.and_then(|row| unspent.to(row)) {
                    let params = params![unspent.lineage.as_bytes(), stored_number(row.drawn)?];
                    statement.execute(params).map_err(from_sqlite)?;
                }
            }
            Ok(())
        })
        .await
    }
}

fn find(connection: &Connection, lineage: CredentialId) -> Result<Option<DrawnRow>> {
    let mut statement = connection
        .prepare_cached(
            "SELECT lineage, granted_at, began_at, drawn FROM drawn_uses WHERE lineage = ?1",
        )
        .map_err(from_sqlite)?;
    rows::find(&mut statement, [lineage.as_bytes()], |row| read_drawn(row))
}
