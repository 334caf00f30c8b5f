//! Service accounts.

use super::changes::write_commit;
use super::rows::{Param, id, one};
use super::session::{Expect, Work};
use super::{PostgresStore, accounts, credentials};
use crate::rows::{Cell, read_name, read_service_account, service_account_cells};
use async_trait::async_trait;
use tenantry_core::clock::Timestamp;
use tenantry_core::commit::Commit;
use tenantry_core::credentials::Credential;
use tenantry_core::error::{Conflict, Result};
use tenantry_core::ids::{AccountId, ServiceAccountId};
use tenantry_core::page::Listed;
use tenantry_core::secrets::{Protected, Sealed, Unverified};
use tenantry_core::service_accounts::ServiceAccount;
use tenantry_core::store::{Committed, ServiceAccountStore};

/// Most names that one look-up lists.
const NAMES_MAX: u32 = 10_000;

const INSERT: &str =
    "INSERT INTO service_accounts (id, account_id, root_id, name, client_id, permissions, status,
        created_by, created_at, version, row_mac)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";

const UPDATE: &str = "UPDATE service_accounts
    SET name = $4, client_id = $5, permissions = $6, status = $7, created_by = $8, created_at = $9,
        version = $10, row_mac = $11
    WHERE id = $1 AND account_id = $2 AND root_id = $3 AND version = $10 - 1";

const COUNT: &str = "SELECT count(*) FROM (
        SELECT 1 FROM service_accounts WHERE account_id = $1 AND status <> 'deleted' LIMIT $2
    ) AS living";

const FIND: &str =
    "SELECT id, account_id, root_id, name, client_id, permissions, status, created_by,
        created_at, version, row_mac
    FROM service_accounts WHERE id = $1 AND root_id = $2";

const LIST: &str =
    "SELECT id, account_id, root_id, name, client_id, permissions, status, created_by,
        created_at, version, row_mac
    FROM service_accounts
    WHERE account_id = $1 AND root_id = $2 AND status <> 'deleted' AND id > $3
    ORDER BY id LIMIT $5 OFFSET $4";

const SECRETS: &str = "SELECT k.* FROM unnest($1::bytea[]) WITH ORDINALITY AS asked (id, place)
    CROSS JOIN LATERAL (
        SELECT id, kind, account_id, root_id, service_account_id, member_id, format, tag, pepper_id,
            start, name, permissions, allowed_ips, metadata, status, revoked_at, expires_at, lineage,
            superseded_by, grace_expires_at, created_at, version, row_mac, limits, last_used_at
        FROM credentials
        WHERE service_account_id = asked.id AND root_id = $2 AND status <> 'revoked'
            AND (expires_at IS NULL OR expires_at > $3)
            AND (grace_expires_at IS NULL OR grace_expires_at > $3)
        ORDER BY id LIMIT $4
    ) AS k
    ORDER BY asked.place, k.id";

// A suffix begins with `-`, and `.` is the character after it: one range of the index.
const NAMES: &str = "SELECT name FROM service_accounts
    WHERE account_id = $1 AND status <> 'deleted' AND name >= $2 AND name < $2 || '.'
        AND (name = $2 OR name >= $2 || '-')
    ORDER BY name LIMIT $3";

#[async_trait]
impl ServiceAccountStore for PostgresStore {
    async fn insert_service_account(
        &self,
        service_account: &Sealed<ServiceAccount>,
        secret: &Sealed<Credential>,
        max: u32,
        commit: Commit,
    ) -> Result<Committed> {
        let mut work = Work::default();
        let account = &service_account.record().account;
        // Nobody else counts or inserts until the commit; the count sees what was committed before.
        work.push(accounts::LOCK, vec![Param::bytes(account.as_bytes())], Expect::Nothing);
        let params = vec![Param::bytes(account.as_bytes()), Param::number(max)];
        work.push(COUNT, params, Expect::Below { limit: ServiceAccount::TABLE, max });
        work.push(INSERT, one(service_account_cells(service_account)?), Expect::Nothing);
        credentials::insert(&mut work, &[secret])?;
        write_commit(&mut work, &commit)?;
        self.write(&work).await.map(|done| done.committed)
    }

    async fn find_service_account(
        &self,
        root: AccountId,
        id: ServiceAccountId,
    ) -> Result<Option<Unverified<ServiceAccount>>> {
        let params = vec![Param::bytes(id.as_bytes()), Param::bytes(root.as_bytes())];
        self.find(FIND, params, |row| read_service_account(row, 0)).await
    }

    async fn list_service_accounts(
        &self,
        root: AccountId,
        account: AccountId,
        after: Option<ServiceAccountId>,
        skip: u32,
        limit: u32,
    ) -> Result<Listed<ServiceAccount>> {
        let params = one([
            Cell::bytes(account.as_bytes()),
            Cell::bytes(root.as_bytes()),
            // Every id is greater than no bytes at all.
            Cell::bytes(after.as_ref().map_or(&[][..], |id| id.as_bytes())),
            Cell::number(skip),
            Cell::number(limit),
        ]);
        self.list(LIST, params, |row| Ok((id(row)?, read_service_account(row, 0)))).await
    }

    async fn update_service_account(
        &self,
        service_account: &Sealed<ServiceAccount>,
        commit: Commit,
    ) -> Result<Committed> {
        let mut work = Work::default();
        update(&mut work, service_account)?;
        write_commit(&mut work, &commit)?;
        self.write(&work).await.map(|done| done.committed)
    }

    async fn insert_client_secret(
        &self,
        service_account: &Sealed<ServiceAccount>,
        secret: &Sealed<Credential>,
        replaces: &[Sealed<Credential>],
        commit: Commit,
    ) -> Result<Committed> {
        let mut work = Work::default();
        update(&mut work, service_account)?;
        credentials::update(&mut work, replaces)?;
        credentials::insert(&mut work, &[secret])?;
        write_commit(&mut work, &commit)?;
        self.write(&work).await.map(|done| done.committed)
    }

    async fn list_client_secrets(
        &self,
        root: AccountId,
        service_accounts: &[ServiceAccountId],
        now: Timestamp,
        limit: u32,
    ) -> Result<Listed<Credential>> {
        let params = vec![
            Param::many(service_accounts.iter().map(|id| &id.as_bytes()[..])),
            Param::bytes(root.as_bytes()),
            Param::number(now.micros()),
            Param::number(limit),
        ];
        self.list(SECRETS, params, credentials::read_listed).await
    }

    async fn list_service_account_names(
        &self,
        account: AccountId,
        base: &str,
    ) -> Result<Vec<String>> {
        let params =
            vec![Param::bytes(account.as_bytes()), Param::text(base), Param::number(NAMES_MAX)];
        self.list(NAMES, params, read_name).await
    }
}

fn update<'a>(work: &mut Work<'a>, service_account: &'a Sealed<ServiceAccount>) -> Result<()> {
    let params = one(service_account_cells(service_account)?);
    work.push(UPDATE, params, Expect::Rows(Conflict::Changed));
    Ok(())
}
