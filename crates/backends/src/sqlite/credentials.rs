//! API keys, platform keys and client secrets.

use super::changes::write_commit;
use super::errors::from_sqlite;
use super::{SqliteStore, changes, rows};
use async_trait::async_trait;
use rusqlite::{Connection, Row, params};
use tenantry_core::clock::Timestamp;
use tenantry_core::commit::{Commit, Head, shard_of};
use tenantry_core::credentials::Credential;
use tenantry_core::error::{Conflict, Error, Result};
use tenantry_core::ids::{AccountId, CredentialId};
use tenantry_core::page::Listed;
use tenantry_core::secrets::{Sealed, Tag, Unverified};
use tenantry_core::store::{Committed, CredentialStore, FirstKeyOf, Found};

#[async_trait]
impl CredentialStore for SqliteStore {
    async fn insert_credential(
        &self,
        credential: &Sealed<Credential>,
        commit: Commit,
    ) -> Result<Committed> {
        let credential = credential.clone();
        self.write(move |connection| {
            insert(connection, &credential)?;
            write_commit(connection, &commit)
        })
        .await
    }

    async fn insert_key(
        &self,
        key: &Sealed<Credential>,
        max: u32,
        commit: Commit,
    ) -> Result<Committed> {
        let key = key.clone();
        self.write(move |connection| {
            // Nobody else writes between the count and the insert.
            if count_live_keys(connection, key.record(), max)? >= max {
                return Err(Error::LimitReached { limit: "keys", max });
            }
            insert(connection, &key)?;
            write_commit(connection, &commit)
        })
        .await
    }

    async fn find_credential_by_tag(&self, tag: &Tag) -> Result<Option<Found>> {
        self.read(|connection| {
            // One statement sees one instant: rows and head belong together.
            let mut statement = connection
                .prepare_cached(
                    "SELECT c.id, c.kind, c.account_id, c.root_id, c.service_account_id,
                         c.member_id, c.format, c.tag, c.pepper_id, c.start, c.name, c.permissions,
                         c.allowed_ips, c.metadata, c.status, c.revoked_at, c.expires_at,
                         c.lineage, c.superseded_by, c.grace_expires_at, c.created_at, c.version,
                         c.row_mac, c.limits, c.last_used_at,
                         s.id, s.account_id, s.root_id, s.name, s.client_id, s.permissions,
                         s.status, s.created_by, s.created_at, s.version, s.row_mac,
                         a.id, a.parent_id, a.name, a.profile, a.metadata, a.status,
                         a.entitlements, a.concurrent_calls, a.sub_account_concurrent_calls,
                         a.created_by_member, a.created_at, a.updated_at, a.version, a.row_mac, a.rates,
                         p.id, p.parent_id, p.name, p.profile, p.metadata, p.status,
                         p.entitlements, p.concurrent_calls, p.sub_account_concurrent_calls,
                         p.created_by_member, p.created_at, p.updated_at, p.version, p.row_mac, p.rates,
                         coalesce(a.shard, ?2), h.rev, h.nonce
                     FROM credentials c
                     LEFT JOIN service_accounts s ON s.id = c.service_account_id
                     LEFT JOIN accounts a ON a.id = c.account_id
                     LEFT JOIN accounts p ON p.id = a.parent_id
                     LEFT JOIN change_head h ON h.shard = coalesce(a.shard, ?2)
                     WHERE c.tag = ?1",
                )
                .map_err(from_sqlite)?;
            let params = params![tag.as_bytes(), shard_of(AccountId::PLANE)];
            rows::find(&mut statement, params, |row| rows::read_found(row))
        })
    }

    async fn find_credential(
        &self,
        root: AccountId,
        id: CredentialId,
    ) -> Result<Option<Unverified<Credential>>> {
        self.read(|connection| {
            let mut statement = connection
                .prepare_cached(
                    "SELECT id, kind, account_id, root_id, service_account_id, member_id, format,
                         tag, pepper_id, start, name, permissions, allowed_ips, metadata, status,
                         revoked_at, expires_at, lineage, superseded_by, grace_expires_at,
                         created_at, version, row_mac, limits, last_used_at
                     FROM credentials
                     WHERE id = ?1 AND root_id IS ?2",
                )
                .map_err(from_sqlite)?;
            // Platform keys are rows of no root account.
            let root = (root != AccountId::PLANE).then_some(root.as_bytes());
            let params = params![id.as_bytes(), root];
            rows::find(&mut statement, params, |row| rows::read_credential(row, 0))
        })
    }

    async fn list_first_keys(
        &self,
        root: AccountId,
        accounts: &[AccountId],
    ) -> Result<Vec<FirstKeyOf>> {
        self.read(|connection| {
            let mut statement = connection
                .prepare_cached(
                    "SELECT id, kind, account_id, root_id, service_account_id, member_id, format,
                         tag, pepper_id, start, name, permissions, allowed_ips, metadata, status,
                         revoked_at, expires_at, lineage, superseded_by, grace_expires_at,
                         created_at, version, row_mac, limits, last_used_at
                     FROM credentials
                     WHERE account_id = ?1 AND root_id = ?2 AND kind = 'api_key'
                     ORDER BY id LIMIT 1",
                )
                .map_err(from_sqlite)?;
            let mut keys = Vec::with_capacity(accounts.len());
            for account in accounts {
                let params = params![account.as_bytes(), root.as_bytes()];
                let key =
                    rows::find(&mut statement, params, |row| Ok(rows::read_credential(row, 0)))?;
                keys.extend(key.map(|key| (*account, key)));
            }
            Ok(keys)
        })
    }

    async fn update_credential(
        &self,
        credential: &Sealed<Credential>,
        commit: Commit,
    ) -> Result<Committed> {
        let credential = credential.clone();
        self.write(move |connection| {
            update(connection, &credential)?;
            write_commit(connection, &commit)
        })
        .await
    }

    async fn list_keys(
        &self,
        root: AccountId,
        account: AccountId,
        after: Option<CredentialId>,
        limit: u32,
    ) -> Result<Listed<Credential>> {
        self.read(|connection| {
            // Every id is greater than no bytes at all.
            let after = after.as_ref().map_or(&[][..], |id| id.as_bytes());
            if root == AccountId::PLANE {
                let mut statement = connection
                    .prepare_cached(
                        "SELECT id, kind, account_id, root_id, service_account_id, member_id,
                             format, tag, pepper_id, start, name, permissions, allowed_ips,
                             metadata, status, revoked_at, expires_at, lineage, superseded_by,
                             grace_expires_at, created_at, version, row_mac, limits, last_used_at
                         FROM credentials
                         WHERE account_id IS NULL AND id > ?1
                         ORDER BY id LIMIT ?2",
                    )
                    .map_err(from_sqlite)?;
                return rows::list(&mut statement, params![after, limit], read_listed);
            }
            let mut statement = connection
                .prepare_cached(
                    "SELECT id, kind, account_id, root_id, service_account_id, member_id, format,
                         tag, pepper_id, start, name, permissions, allowed_ips, metadata, status,
                         revoked_at, expires_at, lineage, superseded_by, grace_expires_at,
                         created_at, version, row_mac, limits, last_used_at
                     FROM credentials
                     WHERE account_id = ?2 AND root_id = ?1 AND kind = 'api_key' AND id > ?3
                     ORDER BY id LIMIT ?4",
                )
                .map_err(from_sqlite)?;
            let params = params![root.as_bytes(), account.as_bytes(), after, limit];
            rows::list(&mut statement, params, read_listed)
        })
    }

    async fn list_lineage(
        &self,
        root: AccountId,
        lineage: CredentialId,
        now: Timestamp,
        limit: u32,
    ) -> Result<Listed<Credential>> {
        self.read(|connection| {
            let mut statement = connection
                .prepare_cached(
                    "SELECT id, kind, account_id, root_id, service_account_id, member_id, format,
                         tag, pepper_id, start, name, permissions, allowed_ips, metadata, status,
                         revoked_at, expires_at, lineage, superseded_by, grace_expires_at,
                         created_at, version, row_mac, limits, last_used_at
                     FROM credentials
                     WHERE id IN (SELECT ?2 UNION ALL
                             SELECT id FROM credentials WHERE lineage = ?2 AND lineage <> id)
                         AND root_id IS ?1 AND status <> 'revoked'
                         AND (grace_expires_at IS NULL OR grace_expires_at > ?3)
                     ORDER BY id LIMIT ?4",
                )
                .map_err(from_sqlite)?;
            // Platform keys are rows of no root account.
            let root = (root != AccountId::PLANE).then_some(root.as_bytes());
            let params = params![root, lineage.as_bytes(), now.micros(), limit];
            rows::list(&mut statement, params, read_listed)
        })
    }

    async fn rotate_credential(
        &self,
        new: &Sealed<Credential>,
        replaces: &[Sealed<Credential>],
        commit: Commit,
    ) -> Result<Committed> {
        let (new, replaces) = (new.clone(), replaces.to_vec());
        self.write(move |connection| {
            replaces.iter().try_for_each(|credential| update(connection, credential))?;
            insert(connection, &new)?;
            write_commit(connection, &commit)
        })
        .await
    }

    async fn update_credentials(
        &self,
        credentials: &[Sealed<Credential>],
        commit: Commit,
    ) -> Result<Committed> {
        let credentials = credentials.to_vec();
        self.write(move |connection| {
            credentials.iter().try_for_each(|credential| update(connection, credential))?;
            write_commit(connection, &commit)
        })
        .await
    }

    async fn touch_credentials(&self, used: &[(CredentialId, Timestamp)]) -> Result<()> {
        let used = used.to_vec();
        self.write(move |connection| {
            let mut statement = connection
                .prepare_cached(
                    "UPDATE credentials SET last_used_at = ?2
                     WHERE id = ?1 AND coalesce(last_used_at, ?2 - 1) < ?2",
                )
                .map_err(from_sqlite)?;
            for (id, at) in &used {
                statement.execute(params![id.as_bytes(), at.micros()]).map_err(from_sqlite)?;
            }
            Ok(None)
        })
        .await
        .map(|_| ())
    }

    async fn find_head(&self, root: AccountId) -> Result<Head> {
        self.read(|connection| changes::find_head(connection, shard_of(root)))
    }
}

/// A row of a list, with the id that keeps its place.
fn read_listed(row: &Row<'_>) -> Result<([u8; 16], Result<Unverified<Credential>>)> {
    let id = row.get(0).map_err(from_sqlite)?;
    Ok((id, rows::read_credential(row, 0)))
}

/// How many keys of the account of `key` live when that is made, counted no further than `max`.
fn count_live_keys(connection: &Connection, key: &Credential, max: u32) -> Result<u32> {
    let mut statement = connection
        .prepare_cached(
            "SELECT count(*) FROM (
                 SELECT 1 FROM credentials
                 WHERE account_id = ?1 AND kind = 'api_key' AND status <> 'revoked'
                     AND superseded_by IS NULL AND (expires_at IS NULL OR expires_at > ?2)
                 LIMIT ?3
             )",
        )
        .map_err(from_sqlite)?;
    let account = key.owner.account();
    let account = account.as_ref().map(AccountId::as_bytes);
    let params = params![account, key.created_at.micros(), max];
    statement.query_row(params, |row| row.get(0)).map_err(from_sqlite)
}

/// Writes a new credential.
pub(super) fn insert(connection: &Connection, credential: &Sealed<Credential>) -> Result<()> {
    let mut statement = connection
        .prepare_cached(
            "INSERT INTO credentials (id, kind, account_id, root_id, service_account_id,
                 member_id, format, tag, pepper_id, start, name, permissions, allowed_ips,
                 metadata, status, revoked_at, expires_at, lineage, superseded_by,
                 grace_expires_at, created_at, version, row_mac, limits)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17,
                 ?18, ?19, ?20, ?21, ?22, ?23, ?24)",
        )
        .map_err(from_sqlite)?;
    rows::write(&mut statement, &rows::credential_cells(credential)?).map(|_| ())
}

/// Replaces a credential's record by its next version.
pub(super) fn update(connection: &Connection, credential: &Sealed<Credential>) -> Result<()> {
    let mut statement = connection
        .prepare_cached(
            "UPDATE credentials
             SET format = ?7, tag = ?8, pepper_id = ?9, start = ?10, name = ?11,
                 permissions = ?12, allowed_ips = ?13, metadata = ?14, status = ?15,
                 revoked_at = ?16, expires_at = ?17, lineage = ?18, superseded_by = ?19,
                 grace_expires_at = ?20, created_at = ?21, version = ?22, row_mac = ?23,
                 limits = ?24
             WHERE id = ?1 AND kind = ?2 AND account_id IS ?3 AND root_id IS ?4
                 AND service_account_id IS ?5 AND member_id IS ?6 AND version = ?22 - 1",
        )
        .map_err(from_sqlite)?;
    match rows::write(&mut statement, &rows::credential_cells(credential)?)? {
        0 => Err(Error::Conflict(Conflict::Changed)),
        _ => Ok(()),
    }
}
