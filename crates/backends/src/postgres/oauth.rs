//! Signing keys, clients, and what ends tokens.

use super::PostgresStore;
use super::changes::write_commit;
use super::rows::{Param, one};
use super::session::{Expect, Work};
use crate::rows::Cell;
use crate::rows::{
    Source as _, client_settings_cells, damaged, read_client_settings, read_found_client,
    read_head, read_listed_signing_key, signing_key_cells, stored_number,
};
use async_trait::async_trait;
use tenantry_core::clock::Timestamp;
use tenantry_core::commit::{Commit, Head, shard_of};
use tenantry_core::error::{Conflict, Result};
use tenantry_core::ids::{AccountId, ServiceAccountId};
use tenantry_core::oauth::{ClientSettings, RevokedToken, SigningKey};
use tenantry_core::secrets::{Sealed, Tag, Unverified};
use tenantry_core::store::{Committed, FoundClient, OAuthStore};

const INSERT_KEY: &str =
    "INSERT INTO signing_keys (number, kid, algorithm, sealed_key, created_at, signs_from, row_mac)
    VALUES ($1, $2, $3, $4, $5, $6, $7)";

const LIST_KEYS: &str = "SELECT number, kid, algorithm, sealed_key, created_at, signs_from, row_mac
    FROM signing_keys ORDER BY number DESC LIMIT $1";

const UPDATE_KEY: &str =
    "UPDATE signing_keys SET sealed_key = $3, row_mac = $4 WHERE number = $1 AND kid = $2";

const DELETE_KEYS: &str = "DELETE FROM signing_keys WHERE number < $1";

// One statement sees one instant: rows and head belong together.
const FIND_CLIENT: &str =
    "SELECT s.id, s.account_id, s.root_id, s.name, s.client_id, s.permissions, s.status,
        s.created_by, s.created_at, s.version, s.row_mac,
        a.id, a.parent_id, a.name, a.profile, a.metadata, a.status, a.entitlements,
        a.concurrent_calls, a.sub_account_concurrent_calls, a.created_by_member, a.created_at,
        a.updated_at, a.version, a.row_mac, a.rates,
        p.id, p.parent_id, p.name, p.profile, p.metadata, p.status, p.entitlements,
        p.concurrent_calls, p.sub_account_concurrent_calls, p.created_by_member, p.created_at,
        p.updated_at, p.version, p.row_mac, p.rates,
        c.service_account_id, c.root_id, c.keys, c.token_endpoint_audience, c.not_before,
        c.version, c.row_mac,
        a.shard, h.rev, h.nonce
    FROM service_accounts s
    LEFT JOIN accounts a ON a.id = s.account_id
    LEFT JOIN accounts p ON p.id = a.parent_id
    LEFT JOIN client_settings c ON c.service_account_id = s.id
    LEFT JOIN change_head h ON h.shard = a.shard
    WHERE s.client_id = $1";

const FIND_SETTINGS: &str =
    "SELECT service_account_id, root_id, keys, token_endpoint_audience, not_before, version,
        row_mac
    FROM client_settings WHERE service_account_id = $1 AND root_id = $2";

const INSERT_SETTINGS: &str =
    "INSERT INTO client_settings (service_account_id, root_id, keys, token_endpoint_audience,
        not_before, version, row_mac)
    VALUES ($1, $2, $3, $4, $5, $6, $7)
    ON CONFLICT (service_account_id) DO NOTHING";

const UPDATE_SETTINGS: &str = "UPDATE client_settings
    SET keys = $3, token_endpoint_audience = $4, not_before = $5, version = $6, row_mac = $7
    WHERE service_account_id = $1 AND root_id = $2 AND version = $6 - 1";

const INSERT_REVOKED: &str =
    "INSERT INTO revoked_tokens (tag, root_id, expires_at) VALUES ($1, $2, $3)";

const FIND_REVOKED: &str = "SELECT h.rev, h.nonce, t.expires_at
    FROM change_head h LEFT JOIN revoked_tokens t ON t.tag = $2 WHERE h.shard = $1";

const INSERT_ASSERTION: &str = "INSERT INTO used_assertions (tag, expires_at) VALUES ($1, $2)
    ON CONFLICT (tag) DO UPDATE SET expires_at = excluded.expires_at
    WHERE used_assertions.expires_at <= $3";

// Rows that another node sweeps right now are left to it.
const SWEEP_REVOKED: &str = "DELETE FROM revoked_tokens WHERE tag IN (
        SELECT tag FROM revoked_tokens WHERE expires_at <= $1
        ORDER BY tag LIMIT $2 FOR UPDATE SKIP LOCKED)";

const SWEEP_ASSERTIONS: &str = "DELETE FROM used_assertions WHERE tag IN (
        SELECT tag FROM used_assertions WHERE expires_at <= $1
        ORDER BY tag LIMIT $2 FOR UPDATE SKIP LOCKED)";

#[async_trait]
impl OAuthStore for PostgresStore {
    async fn insert_signing_key(
        &self,
        key: &Sealed<SigningKey>,
        commit: Commit,
    ) -> Result<Committed> {
        let mut work = Work::default();
        work.push(INSERT_KEY, one(signing_key_cells(key)?), Expect::Nothing);
        write_commit(&mut work, &commit)?;
        self.write(&work).await.map(|done| done.committed)
    }

    async fn list_signing_keys(
        &self,
        limit: u32,
    ) -> Result<Vec<(u64, Result<Unverified<SigningKey>>)>> {
        self.list(LIST_KEYS, vec![Param::number(limit)], read_listed_signing_key).await
    }

    async fn update_signing_key(&self, key: &Sealed<SigningKey>) -> Result<()> {
        let record = key.record();
        let cells = [
            Cell::number(stored_number(record.number)?),
            Cell::text(&*record.kid),
            Cell::bytes(&record.sealed),
            Cell::bytes(key.seal()),
        ];
        let mut work = Work::default();
        work.push(UPDATE_KEY, one(cells), Expect::Nothing);
        self.write(&work).await.map(drop)
    }

    async fn delete_signing_keys(&self, number: u64) -> Result<()> {
        let mut work = Work::default();
        work.push(DELETE_KEYS, vec![Param::number(stored_number(number)?)], Expect::Nothing);
        self.write(&work).await.map(drop)
    }

    async fn find_client(&self, client_id: &str) -> Result<Option<FoundClient>> {
        self.find(FIND_CLIENT, vec![Param::text(client_id)], read_found_client).await
    }

    async fn find_client_settings(
        &self,
        root: AccountId,
        id: ServiceAccountId,
    ) -> Result<Option<Unverified<ClientSettings>>> {
        let params = vec![Param::bytes(id.as_bytes()), Param::bytes(root.as_bytes())];
        self.find(FIND_SETTINGS, params, |row| read_client_settings(row, 0)).await
    }

    async fn save_client_settings(
        &self,
        settings: &Sealed<ClientSettings>,
        commit: Commit,
    ) -> Result<Committed> {
        let sql = if settings.record().version == 1 { INSERT_SETTINGS } else { UPDATE_SETTINGS };
        let mut work = Work::default();
        work.push(sql, one(client_settings_cells(settings)?), Expect::Rows(Conflict::Changed));
        write_commit(&mut work, &commit)?;
        self.write(&work).await.map(|done| done.committed)
    }

    async fn insert_revoked_token(
        &self,
        token: &RevokedToken,
        commit: Commit,
    ) -> Result<Committed> {
        let params = vec![
            Param::bytes(token.tag.as_bytes()),
            Param::bytes(token.root.as_bytes()),
            Param::number(token.expires_at.micros()),
        ];
        let mut work = Work::default();
        work.push(INSERT_REVOKED, params, Expect::Nothing);
        write_commit(&mut work, &commit)?;
        self.write(&work).await.map(|done| done.committed)
    }

    async fn find_revocation(&self, root: AccountId, tag: &Tag) -> Result<(Head, bool)> {
        let shard = shard_of(root);
        let params = vec![Param::number(shard), Param::bytes(tag.as_bytes())];
        let found = self
            .find(FIND_REVOKED, params, |row| {
                Ok((read_head(row, 0, shard)?, !matches!(row.number(2), Ok(None))))
            })
            .await?;
        found.ok_or_else(|| damaged("change_head", shard.to_string(), "column rev"))
    }

    async fn insert_used_assertion(
        &self,
        assertion: &Tag,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<()> {
        let params = vec![
            Param::bytes(assertion.as_bytes()),
            Param::number(until.micros()),
            Param::number(now.micros()),
        ];
        let mut work = Work::default();
        work.push(INSERT_ASSERTION, params, Expect::Rows(Conflict::Taken));
        self.write(&work).await.map(drop)
    }

    async fn sweep_tokens(&self, now: Timestamp, limit: u32) -> Result<u64> {
        let mut work = Work::default();
        for sql in [SWEEP_REVOKED, SWEEP_ASSERTIONS] {
            let params = vec![Param::number(now.micros()), Param::number(limit)];
            work.push(sql, params, Expect::Counted);
        }
        self.write(&work).await.map(|done| done.rows)
    }
}
