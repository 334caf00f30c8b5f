//! Signing keys, clients, and what ends tokens.

use super::changes::write_commit;
use super::errors::from_sqlite;
use super::{SqliteStore, rows};
use async_trait::async_trait;
use rusqlite::{Connection, params};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tenantry_core::clock::Timestamp;
use tenantry_core::commit::{Commit, Head, shard_of};
use tenantry_core::error::{Conflict, Error, Result};
use tenantry_core::ids::{AccountId, ServiceAccountId};
use tenantry_core::oauth::{ClientSettings, RevokedToken, SigningKey};
use tenantry_core::secrets::{Sealed, Tag, Unverified};
use tenantry_core::store::{Committed, FoundClient, OAuthStore};

#[async_trait]
impl OAuthStore for SqliteStore {
    async fn insert_signing_key(
        &self,
        key: &Sealed<SigningKey>,
        commit: Commit,
    ) -> Result<Committed> {
        let key = key.clone();
        self.write(move |connection| {
            let mut statement = connection
                .prepare_cached(
                    "INSERT INTO signing_keys (number, kid, algorithm, sealed_key, created_at,
                         signs_from, row_mac)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                )
                .map_err(from_sqlite)?;
            rows::write(&mut statement, &rows::signing_key_cells(&key)?)?;
            write_commit(connection, &commit)
        })
        .await
    }

    async fn list_signing_keys(
        &self,
        limit: u32,
    ) -> Result<Vec<(u64, Result<Unverified<SigningKey>>)>> {
        self.read(|connection| {
            let mut statement = connection
                .prepare_cached(
                    "SELECT number, kid, algorithm, sealed_key, created_at, signs_from, row_mac
                     FROM signing_keys ORDER BY number DESC LIMIT ?1",
                )
                .map_err(from_sqlite)?;
            rows::list(&mut statement, [limit], |row| rows::read_listed_signing_key(row))
        })
    }

    async fn update_signing_key(&self, key: &Sealed<SigningKey>) -> Result<()> {
        let key = key.clone();
        let job = move |connection: &Connection| {
            let record = key.record();
            let number = rows::stored_number(record.number)?;
            connection
                .prepare_cached(
                    "UPDATE signing_keys SET sealed_key = ?3, row_mac = ?4
                     WHERE number = ?1 AND kid = ?2",
                )
                .and_then(|mut statement| {
                    statement.execute(params![number, record.kid, record.sealed, key.seal()])
                })
                .map_err(from_sqlite)?;
            Ok(None)
        };
        self.write(job).await.map(drop)
    }

    async fn delete_signing_keys(&self, number: u64) -> Result<()> {
        let job = move |connection: &Connection| {
            let mut statement = connection
                .prepare_cached("DELETE FROM signing_keys WHERE number < ?1")
                .map_err(from_sqlite)?;
            statement.execute([rows::stored_number(number)?]).map_err(from_sqlite)?;
            Ok(None)
        };
        self.write(job).await.map(drop)
    }

    async fn find_client(&self, client_id: &str) -> Result<Option<FoundClient>> {
        self.read(|connection| {
            // One statement sees one instant: rows and head belong together.
            let mut statement = connection
                .prepare_cached(
                    "SELECT s.id, s.account_id, s.root_id, s.name, s.client_id, s.permissions,
                         s.status, s.created_by, s.created_at, s.version, s.row_mac,
                         a.id, a.parent_id, a.name, a.profile, a.metadata, a.status,
                         a.entitlements, a.concurrent_calls, a.sub_account_concurrent_calls,
                         a.created_by_member, a.created_at, a.updated_at, a.version, a.row_mac, a.rates,
                         p.id, p.parent_id, p.name, p.profile, p.metadata, p.status,
                         p.entitlements, p.concurrent_calls, p.sub_account_concurrent_calls,
                         p.created_by_member, p.created_at, p.updated_at, p.version, p.row_mac, p.rates,
                         c.service_account_id, c.root_id, c.keys, c.token_endpoint_audience,
                         c.not_before, c.version, c.row_mac,
                         coalesce(a.shard, -1), h.rev, h.nonce
                     FROM service_accounts s
                     LEFT JOIN accounts a ON a.id = s.account_id
                     LEFT JOIN accounts p ON p.id = a.parent_id
                     LEFT JOIN client_settings c ON c.service_account_id = s.id
                     LEFT JOIN change_head h ON h.shard = a.shard
                     WHERE s.client_id = ?1",
                )
                .map_err(from_sqlite)?;
            rows::find(&mut statement, [client_id], |row| rows::read_found_client(row))
        })
    }

    async fn find_client_settings(
        &self,
        root: AccountId,
        id: ServiceAccountId,
    ) -> Result<Option<Unverified<ClientSettings>>> {
        self.read(|connection| {
            let mut statement = connection
                .prepare_cached(
                    "SELECT service_account_id, root_id, keys, token_endpoint_audience, not_before,
                         version, row_mac
                     FROM client_settings WHERE service_account_id = ?1 AND root_id = ?2",
                )
                .map_err(from_sqlite)?;
            let params = params![id.as_bytes(), root.as_bytes()];
            rows::find(&mut statement, params, |row| rows::read_client_settings(row, 0))
        })
    }

    async fn save_client_settings(
        &self,
        settings: &Sealed<ClientSettings>,
        commit: Commit,
    ) -> Result<Committed> {
        let settings = settings.clone();
        self.write(move |connection| {
            let sql = if settings.record().version == 1 {
                "INSERT INTO client_settings (service_account_id, root_id, keys,
                     token_endpoint_audience, not_before, version, row_mac)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
                 ON CONFLICT (service_account_id) DO NOTHING"
            } else {
                "UPDATE client_settings
                 SET keys = ?3, token_endpoint_audience = ?4, not_before = ?5, version = ?6,
                     row_mac = ?7
                 WHERE service_account_id = ?1 AND root_id = ?2 AND version = ?6 - 1"
            };
            let mut statement = connection.prepare_cached(sql).map_err(from_sqlite)?;
            let written = rows::write(&mut statement, &rows::client_settings_cells(&settings)?)?;
            if written == 0 {
                return Err(Error::Conflict(Conflict::Changed));
            }
            write_commit(connection, &commit)
        })
        .await
    }

    async fn insert_revoked_token(
        &self,
        token: &RevokedToken,
        commit: Commit,
    ) -> Result<Committed> {
        let token = *token;
        self.write(move |connection| {
            let mut statement = connection
                .prepare_cached(
                    "INSERT INTO revoked_tokens (tag, root_id, expires_at) VALUES (?1, ?2, ?3)",
                )
                .map_err(from_sqlite)?;
            let RevokedToken { tag, root, expires_at } = &token;
            let params = params![tag.as_bytes(), root.as_bytes(), expires_at.micros()];
            statement.execute(params).map_err(from_sqlite)?;
            write_commit(connection, &commit)
        })
        .await
    }

    async fn find_revocation(&self, root: AccountId, tag: &Tag) -> Result<(Head, bool)> {
        let shard = shard_of(root);
        self.read(|connection| {
            let mut statement = connection
                .prepare_cached(
                    "SELECT rev, nonce, EXISTS (SELECT 1 FROM revoked_tokens WHERE tag = ?2)
                     FROM change_head WHERE shard = ?1",
                )
                .map_err(from_sqlite)?;
            let found = rows::find(&mut statement, params![shard, tag.as_bytes()], |row| {
                Ok((rows::read_head(row, 0, shard)?, row.get(2).map_err(from_sqlite)?))
            })?;
            found.ok_or_else(|| rows::damaged("change_head", shard.to_string(), "column rev"))
        })
    }

    async fn insert_used_assertion(
        &self,
        assertion: &Tag,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<()> {
        let assertion = *assertion;
        let job = move |connection: &Connection| {
            let mut statement = connection
                .prepare_cached(
                    "INSERT INTO used_assertions (tag, expires_at) VALUES (?1, ?2)
                     ON CONFLICT (tag) DO UPDATE SET expires_at = excluded.expires_at
                     WHERE used_assertions.expires_at <= ?3",
                )
                .map_err(from_sqlite)?;
            let params = params![assertion.as_bytes(), until.micros(), now.micros()];
            match statement.execute(params).map_err(from_sqlite)? {
                0 => Err(Error::Conflict(Conflict::Taken)),
                _ => Ok(None),
            }
        };
        self.write(job).await.map(drop)
    }

    async fn sweep_tokens(&self, now: Timestamp, limit: u32) -> Result<u64> {
        let swept = Arc::new(AtomicU64::new(0));
        let count = swept.clone();
        self.write(move |connection| {
            let tokens = execute(
                connection,
                "DELETE FROM revoked_tokens WHERE tag IN
                     (SELECT tag FROM revoked_tokens WHERE expires_at <= ?1 LIMIT ?2)",
                now,
                limit,
            )?;
            let assertions = execute(
                connection,
                "DELETE FROM used_assertions WHERE tag IN
                     (SELECT tag FROM used_assertions WHERE expires_at <= ?1 LIMIT ?2)",
                now,
                limit,
            )?;
            count.store(tokens + assertions, Ordering::Relaxed);
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
