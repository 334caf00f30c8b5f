//! Realms of organizations' own.

use super::changes::write_commit;
use super::errors::from_sqlite;
use super::{SqliteStore, rows};
use async_trait::async_trait;
use rusqlite::params;
use tenantry_core::commit::Commit;
use tenantry_core::error::{Conflict, Error, Result};
use tenantry_core::ids::{AccountId, RealmId};
use tenantry_core::page::Listed;
use tenantry_core::realms::OwnRealm;
use tenantry_core::secrets::{Protected, Sealed, Unverified};
use tenantry_core::store::{Committed, RealmStore};

#[async_trait]
impl RealmStore for SqliteStore {
    async fn insert_realm(
        &self,
        realm: &Sealed<OwnRealm>,
        max: u32,
        commit: Commit,
    ) -> Result<Committed> {
        let realm = realm.clone();
        self.write(move |connection| {
            let mut count = connection
                .prepare_cached("SELECT count(*) FROM realms WHERE root_id = ?1")
                .map_err(from_sqlite)?;
            let root = realm.record().root;
            let stored: u32 =
                count.query_row([root.as_bytes()], |row| row.get(0)).map_err(from_sqlite)?;
            if stored >= max {
                return Err(Error::LimitReached { limit: OwnRealm::TABLE, max });
            }
            let mut insert = connection
                .prepare_cached(
                    "INSERT INTO realms (id, root_id, name, issuer, settings, created_at, row_mac)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                )
                .map_err(from_sqlite)?;
            rows::write(&mut insert, &rows::realm_cells(&realm)?)?;
            write_commit(connection, &commit)
        })
        .await
    }

    async fn find_realm_by_issuer(&self, issuer: &str) -> Result<Option<Unverified<OwnRealm>>> {
        self.read(|connection| {
            let mut statement = connection
                .prepare_cached(
                    "SELECT id, root_id, name, issuer, settings, created_at, row_mac
                     FROM realms WHERE issuer = ?1",
                )
                .map_err(from_sqlite)?;
            rows::find(&mut statement, [issuer], |row| rows::read_realm(row, 0))
        })
    }

    async fn list_realms(&self, root: AccountId, limit: u32) -> Result<Listed<OwnRealm>> {
        self.read(|connection| {
            let mut statement = connection
                .prepare_cached(
                    "SELECT id, root_id, name, issuer, settings, created_at, row_mac
                     FROM realms WHERE root_id = ?1 ORDER BY id LIMIT ?2",
                )
                .map_err(from_sqlite)?;
            rows::list(&mut statement, params![root.as_bytes(), limit], |row| {
                let id = row.get(0).map_err(from_sqlite)?;
                Ok((id, rows::read_realm(row, 0)))
            })
        })
    }

    async fn delete_realm(
        &self,
        root: AccountId,
        id: RealmId,
        commit: Commit,
    ) -> Result<Committed> {
        self.write(move |connection| {
            let mut statement = connection
                .prepare_cached("DELETE FROM realms WHERE id = ?1 AND root_id = ?2")
                .map_err(from_sqlite)?;
            match statement.execute([id.as_bytes(), root.as_bytes()]).map_err(from_sqlite)? {
                0 => Err(Error::Conflict(Conflict::Changed)),
                _ => write_commit(connection, &commit),
            }
        })
        .await
    }
}
