//! API keys, platform keys and client secrets.

use super::changes::write_commit;
use super::creates::Create;
use super::rows::{Param, columns, id, one};
use super::session::{Expect, Work};
use super::{PostgresStore, accounts};
use crate::rows::{Cell, credential_cells, read_credential, read_found};
use async_trait::async_trait;
use tenantry_core::clock::Timestamp;
use tenantry_core::commit::{Commit, Head, shard_of};
use tenantry_core::credentials::{Credential, Owner};
use tenantry_core::error::{Conflict, Result};
use tenantry_core::ids::{AccountId, CredentialId};
use tenantry_core::page::Listed;
use tenantry_core::secrets::{Sealed, Tag, Unverified};
use tenantry_core::store::{Committed, CredentialStore, FirstKeyOf, Found};
use tokio_postgres::Row;

const INSERT: &str =
    "INSERT INTO credentials (id, kind, account_id, root_id, service_account_id, member_id, format,
        tag, pepper_id, start, name, permissions, allowed_ips, metadata, status, revoked_at,
        expires_at, lineage, superseded_by, grace_expires_at, created_at, version, row_mac, limits)
    SELECT * FROM unnest($1::bytea[], $2::text[], $3::bytea[], $4::bytea[], $5::bytea[], $6::bytea[],
        $7::text[], $8::bytea[], $9::bigint[], $10::text[], $11::text[], $12::text[], $13::text[],
        $14::text[], $15::text[], $16::bigint[], $17::bigint[], $18::bytea[], $19::bytea[],
        $20::bigint[], $21::bigint[], $22::bigint[], $23::bytea[], $24::text[])";

const UPDATE: &str = "UPDATE credentials
    SET format = $7, tag = $8, pepper_id = $9, start = $10, name = $11, permissions = $12,
        allowed_ips = $13, metadata = $14, status = $15, revoked_at = $16, expires_at = $17,
        lineage = $18, superseded_by = $19, grace_expires_at = $20, created_at = $21, version = $22,
        row_mac = $23, limits = $24
    WHERE id = $1 AND kind = $2 AND account_id IS NOT DISTINCT FROM $3
        AND root_id IS NOT DISTINCT FROM $4 AND service_account_id IS NOT DISTINCT FROM $5
        AND member_id IS NOT DISTINCT FROM $6 AND version = $22 - 1";

const COUNT_LIVE: &str = "SELECT count(*) FROM (
        SELECT 1 FROM credentials
        WHERE account_id = $1 AND kind = 'api_key' AND status <> 'revoked'
            AND superseded_by IS NULL AND (expires_at IS NULL OR expires_at > $2)
        LIMIT $3
    ) AS living";

const FIND: &str =
    "SELECT id, kind, account_id, root_id, service_account_id, member_id, format, tag,
        pepper_id, start, name, permissions, allowed_ips, metadata, status, revoked_at, expires_at,
        lineage, superseded_by, grace_expires_at, created_at, version, row_mac, limits, last_used_at
    FROM credentials WHERE id = $1 AND root_id IS NOT DISTINCT FROM $2";

const FIRST_KEYS: &str = "SELECT k.* FROM unnest($1::bytea[]) WITH ORDINALITY AS asked (account, place)
    CROSS JOIN LATERAL (
        SELECT id, kind, account_id, root_id, service_account_id, member_id, format, tag, pepper_id,
            start, name, permissions, allowed_ips, metadata, status, revoked_at, expires_at, lineage,
            superseded_by, grace_expires_at, created_at, version, row_mac, limits, last_used_at
        FROM credentials
        WHERE account_id = asked.account AND root_id = $2 AND kind = 'api_key'
        ORDER BY id LIMIT 1
    ) AS k
    ORDER BY asked.place";

const PLATFORM_KEYS: &str = "SELECT id, kind, account_id, root_id, service_account_id, member_id,
        format, tag, pepper_id, start, name, permissions, allowed_ips, metadata, status, revoked_at,
        expires_at, lineage, superseded_by, grace_expires_at, created_at, version, row_mac, limits,
        last_used_at
    FROM credentials WHERE account_id IS NULL AND id > $1 ORDER BY id LIMIT $2";

const KEYS: &str =
    "SELECT id, kind, account_id, root_id, service_account_id, member_id, format, tag,
        pepper_id, start, name, permissions, allowed_ips, metadata, status, revoked_at, expires_at,
        lineage, superseded_by, grace_expires_at, created_at, version, row_mac, limits, last_used_at
    FROM credentials
    WHERE account_id = $2 AND root_id = $1 AND kind = 'api_key' AND id > $3
    ORDER BY id LIMIT $4";

const LINEAGE: &str = "SELECT id, kind, account_id, root_id, service_account_id, member_id, format,
        tag, pepper_id, start, name, permissions, allowed_ips, metadata, status, revoked_at,
        expires_at, lineage, superseded_by, grace_expires_at, created_at, version, row_mac, limits,
        last_used_at
    FROM credentials
    WHERE id IN (SELECT $2 UNION ALL
            SELECT id FROM credentials WHERE lineage = $2 AND lineage <> id)
        AND root_id IS NOT DISTINCT FROM $1 AND status <> 'revoked'
        AND (grace_expires_at IS NULL OR grace_expires_at > $3)
    ORDER BY id LIMIT $4";

// Locked by id first, as everything that locks several credentials does.
const TOUCH: &str = "WITH used AS (
        SELECT u.id, max(u.at) AS at FROM unnest($1::bytea[], $2::bigint[]) AS u (id, at)
        GROUP BY u.id
    ), locked AS (
        SELECT id FROM credentials WHERE id IN (SELECT id FROM used)
        ORDER BY id FOR NO KEY UPDATE
    )
    UPDATE credentials c SET last_used_at = used.at
    FROM locked JOIN used ON used.id = locked.id
    WHERE c.id = locked.id AND coalesce(c.last_used_at, used.at - 1) < used.at";

#[async_trait]
impl CredentialStore for PostgresStore {
    async fn insert_credential(
        &self,
        credential: &Sealed<Credential>,
        commit: Commit,
    ) -> Result<Committed> {
        let mut work = Work::default();
        insert(&mut work, &[credential])?;
        write_commit(&mut work, &commit)?;
        self.write(&work).await.map(|done| done.committed)
    }

    async fn insert_key(
        &self,
        key: &Sealed<Credential>,
        max: u32,
        commit: Commit,
    ) -> Result<Committed> {
        self.create(Create::Key(Box::new((key.clone(), max, commit)))).await
    }

    async fn find_credential_by_tag(&self, tag: &Tag) -> Result<Option<Found>> {
        let row = self.look_up(*tag).await?;
        row.map(|row| read_found(&*row)).transpose()
    }

    async fn find_credential(
        &self,
        root: AccountId,
        id: CredentialId,
    ) -> Result<Option<Unverified<Credential>>> {
        let params = one([Cell::bytes(id.as_bytes()), root_cell(&root)]);
        self.find(FIND, params, |row| read_credential(row, 0)).await
    }

    async fn list_first_keys(
        &self,
        root: AccountId,
        accounts: &[AccountId],
    ) -> Result<Vec<FirstKeyOf>> {
        let asked = Param::many(accounts.iter().map(|id| &id.as_bytes()[..]));
        let rows = self.read(FIRST_KEYS, vec![asked, Param::bytes(root.as_bytes())]).await?;
        rows.iter()
            .map(|row| {
                let bytes: &[u8] = row.try_get(2).map_err(tenantry_core::Error::internal)?;
                let account = bytes.try_into().map_err(tenantry_core::Error::internal)?;
                Ok((AccountId::from_bytes(account), read_credential(row, 0)))
            })
            .collect()
    }

    async fn update_credential(
        &self,
        credential: &Sealed<Credential>,
        commit: Commit,
    ) -> Result<Committed> {
        self.update_credentials(std::slice::from_ref(credential), commit).await
    }

    async fn list_keys(
        &self,
        root: AccountId,
        account: AccountId,
        after: Option<CredentialId>,
        limit: u32,
    ) -> Result<Listed<Credential>> {
        // Every id is greater than no bytes at all.
        let after = Param::bytes(after.as_ref().map_or(&[][..], |id| id.as_bytes()));
        if root == AccountId::PLANE {
            return self.list(PLATFORM_KEYS, vec![after, Param::number(limit)], read_listed).await;
        }
        let params = vec![
            Param::bytes(root.as_bytes()),
            Param::bytes(account.as_bytes()),
            after,
            Param::number(limit),
        ];
        self.list(KEYS, params, read_listed).await
    }

    async fn list_lineage(
        &self,
        root: AccountId,
        lineage: CredentialId,
        now: Timestamp,
        limit: u32,
    ) -> Result<Listed<Credential>> {
        let params = one([
            root_cell(&root),
            Cell::bytes(lineage.as_bytes()),
            Cell::number(now.micros()),
            Cell::number(limit),
        ]);
        self.list(LINEAGE, params, read_listed).await
    }

    async fn rotate_credential(
        &self,
        new: &Sealed<Credential>,
        replaces: &[Sealed<Credential>],
        commit: Commit,
    ) -> Result<Committed> {
        let mut work = Work::default();
        update(&mut work, replaces)?;
        insert(&mut work, &[new])?;
        write_commit(&mut work, &commit)?;
        self.write(&work).await.map(|done| done.committed)
    }

    async fn update_credentials(
        &self,
        credentials: &[Sealed<Credential>],
        commit: Commit,
    ) -> Result<Committed> {
        let mut work = Work::default();
        update(&mut work, credentials)?;
        write_commit(&mut work, &commit)?;
        self.write(&work).await.map(|done| done.committed)
    }

    async fn touch_credentials(&self, used: &[(CredentialId, Timestamp)]) -> Result<()> {
        let ids = Param::many(used.iter().map(|(id, _)| &id.as_bytes()[..]));
        let times = Param::Numbers(used.iter().map(|(_, at)| Some(at.micros())).collect());
        let mut work = Work::default();
        work.push(TOUCH, vec![ids, times], Expect::Nothing);
        self.write(&work).await.map(drop)
    }

    async fn find_head(&self, root: AccountId) -> Result<Head> {
        self.find_shard_head(shard_of(root)).await
    }
}

/// The column `root_id`: platform keys are rows of no root account.
fn root_cell(root: &AccountId) -> Cell<'_> {
    Cell::Bytes((*root != AccountId::PLANE).then(|| &root.as_bytes()[..]))
}

/// A row of a list, with the id that keeps its place.
pub(super) fn read_listed(row: &Row) -> Result<([u8; 16], Result<Unverified<Credential>>)> {
    Ok((id(row)?, read_credential(row, 0)))
}

/// Counts the living keys of the accounts of new keys, each with how many there may be.
pub(super) fn count<'a>(work: &mut Work<'a>, keys: &[(&'a Sealed<Credential>, u32)]) {
    let mut sorted: Vec<_> = keys
        .iter()
        .map(|(key, max)| (account_of(key.record()), key.record().created_at, *max))
        .collect();
    sorted.sort_unstable();
    // Nobody else counts or inserts until the commit; the count sees what was committed before.
    let mut locked = sorted.clone();
    locked.dedup_by_key(|(account, ..)| *account);
    for (account, ..) in locked {
        work.push(accounts::LOCK, one([Cell::Bytes(account)]), Expect::Nothing);
    }
    let mut before = 0;
    for (index, (account, created_at, max)) in sorted.iter().enumerate() {
        let same = index > 0 && sorted[index - 1].0 == *account;
        before = if same { before + 1 } else { 0 };
        let numbers = [Cell::number(created_at.micros()), Cell::number(*max)];
        let params = one([Cell::Bytes(*account)].into_iter().chain(numbers));
        work.push(COUNT_LIVE, params, Expect::keys_below(*max, before));
    }
}

fn account_of(key: &Credential) -> Option<&[u8]> {
    match &key.owner {
        Owner::Account { account, .. } | Owner::ServiceAccount { account, .. } => {
            Some(account.as_bytes())
        }
        Owner::Platform => None,
    }
}

/// Writes new credentials.
pub(super) fn insert<'a>(
    work: &mut Work<'a>,
    credentials: &[&'a Sealed<Credential>],
) -> Result<()> {
    let rows: Result<Vec<_>> =
        credentials.iter().map(|credential| credential_cells(credential)).collect();
    work.push(INSERT, columns(rows?)?, Expect::Nothing);
    Ok(())
}

/// Replaces the records of credentials by their next versions, by id.
pub(super) fn update<'a>(work: &mut Work<'a>, credentials: &'a [Sealed<Credential>]) -> Result<()> {
    let mut sorted: Vec<&Sealed<Credential>> = credentials.iter().collect();
    sorted.sort_by_key(|credential| *credential.record().id.as_bytes());
    for credential in sorted {
        let params = one(credential_cells(credential)?);
        work.push(UPDATE, params, Expect::Rows(Conflict::Changed));
    }
    Ok(())
}
