//! Accounts.

use super::changes::{write_commit, write_commits};
use super::creates::Create;
use super::given_calls::Taken;
use super::rows::{Param, columns, id, one};
use super::session::{Expect, Work};
use super::{PostgresStore, credentials, members};
use crate::rows::{account_cells, read_account};
use async_trait::async_trait;
use tenantry_core::accounts::Account;
use tenantry_core::commit::Commit;
use tenantry_core::credentials::Credential;
use tenantry_core::error::{Conflict, Error, Result};
use tenantry_core::ids::AccountId;
use tenantry_core::members::Member;
use tenantry_core::page::Listed;
use tenantry_core::secrets::{Sealed, Unverified};
use tenantry_core::store::{AccountStore, Committed, NewRows};
use tokio_postgres::Row;

const INSERT: &str = "INSERT INTO accounts (id, parent_id, shard, name, profile, metadata, status,
        entitlements, concurrent_calls, sub_account_concurrent_calls, created_by_member, created_at,
        updated_at, version, row_mac, rates)
    SELECT * FROM unnest($1::bytea[], $2::bytea[], $3::bigint[], $4::text[], $5::text[], $6::text[],
        $7::text[], $8::text[], $9::bigint[], $10::bigint[], $11::bytea[], $12::bigint[],
        $13::bigint[], $14::bigint[], $15::bytea[], $16::text[])";

const UPDATE: &str = "UPDATE accounts
    SET shard = $3, name = $4, profile = $5, metadata = $6, status = $7, entitlements = $8,
        concurrent_calls = $9, sub_account_concurrent_calls = $10, created_by_member = $11,
        created_at = $12, updated_at = $13, version = $14, row_mac = $15, rates = $16
    WHERE id = $1 AND parent_id IS NOT DISTINCT FROM $2 AND version = $14 - 1";

/// Makes everybody wait who counts what an account has, or is about to.
pub(super) const LOCK: &str = "SELECT id FROM accounts WHERE id = $1 FOR NO KEY UPDATE";

const FIND: &str = "SELECT id, parent_id, name, profile, metadata, status, entitlements,
        concurrent_calls, sub_account_concurrent_calls, created_by_member, created_at, updated_at,
        version, row_mac, rates
    FROM accounts WHERE id = $1 AND coalesce(parent_id, id) = $2";

const ROOTS: &str = "SELECT id, parent_id, name, profile, metadata, status, entitlements,
        concurrent_calls, sub_account_concurrent_calls, created_by_member, created_at, updated_at,
        version, row_mac, rates
    FROM accounts WHERE parent_id IS NULL AND id > $1 ORDER BY id LIMIT $2";

// Each half is one range of an index.
const TREE: &str = "SELECT id, parent_id, name, profile, metadata, status, entitlements,
        concurrent_calls, sub_account_concurrent_calls, created_by_member, created_at, updated_at,
        version, row_mac, rates
    FROM accounts WHERE id = $1 AND parent_id IS NULL AND id > $2
    UNION ALL
    (SELECT id, parent_id, name, profile, metadata, status, entitlements,
        concurrent_calls, sub_account_concurrent_calls, created_by_member, created_at, updated_at,
        version, row_mac, rates
    FROM accounts WHERE parent_id = $1 AND id > $2 ORDER BY id LIMIT $3)
    ORDER BY id LIMIT $3";

// What is skipped is skipped in the index, which has all that the inner query asks for.
const CHILDREN: &str = "SELECT id, parent_id, name, profile, metadata, status, entitlements,
        concurrent_calls, sub_account_concurrent_calls, created_by_member, created_at, updated_at,
        version, row_mac, rates
    FROM accounts
    WHERE parent_id = $1 AND status <> 'closed' AND id >= (
        SELECT id FROM accounts WHERE parent_id = $1 AND status <> 'closed'
        ORDER BY id LIMIT 1 OFFSET $2
    )
    ORDER BY id LIMIT $3";

#[async_trait]
impl AccountStore for PostgresStore {
    async fn insert_organization(
        &self,
        account: &Sealed<Account>,
        member: &Member,
        key: &Sealed<Credential>,
        commit: Commit,
    ) -> Result<Committed> {
        let mut work = Work::default();
        insert(&mut work, &[account])?;
        members::save(&mut work, member);
        credentials::insert(&mut work, &[key])?;
        write_commit(&mut work, &commit)?;
        self.write(&work).await.map(|done| done.committed)
    }

    async fn insert_account(
        &self,
        account: &Sealed<Account>,
        key: &Sealed<Credential>,
        commit: Commit,
    ) -> Result<Committed> {
        let taken = Taken::by_new([account.record()]);
        if taken.is_nothing() {
            let rows = (account.clone(), key.clone(), commit);
            return self.create(Create::Account(Box::new(rows))).await;
        }
        let mut work = Work::default();
        insert(&mut work, &[account])?;
        taken.push(&mut work);
        credentials::insert(&mut work, &[key])?;
        write_commit(&mut work, &commit)?;
        self.write_within(&work, &taken).await
    }

    async fn insert_accounts(&self, accounts: Vec<NewRows>) -> Result<Committed> {
        let taken = Taken::by_new(accounts.iter().map(|(account, ..)| account.record()));
        let work = insert_all(&accounts, &taken)?;
        self.write_within(&work, &taken).await
    }

    async fn find_account(
        &self,
        root: AccountId,
        id: AccountId,
    ) -> Result<Option<Unverified<Account>>> {
        let params = vec![Param::bytes(id.as_bytes()), Param::bytes(root.as_bytes())];
        self.find(FIND, params, |row| read_account(row, 0)).await
    }

    async fn has_organizations(&self) -> Result<bool> {
        const ANY: &str = "SELECT id FROM accounts WHERE parent_id IS NULL LIMIT 1";
        self.read(ANY, Vec::new()).await.map(|rows| !rows.is_empty())
    }

    async fn list_organizations(
        &self,
        after: Option<AccountId>,
        limit: u32,
    ) -> Result<Vec<(AccountId, Result<Unverified<Account>>)>> {
        // Every id is greater than no bytes at all.
        let after = after.as_ref().map_or(&[][..], |id| id.as_bytes());
        let params = vec![Param::bytes(after), Param::number(limit)];
        self.list(ROOTS, params, |row| Ok((AccountId::from_bytes(id(row)?), read_account(row, 0))))
            .await
    }

    async fn list_accounts(
        &self,
        root: AccountId,
        after: Option<AccountId>,
        limit: u32,
    ) -> Result<Listed<Account>> {
        // Every id is greater than no bytes at all.
        let after = after.as_ref().map_or(&[][..], |id| id.as_bytes());
        let params = vec![Param::bytes(root.as_bytes()), Param::bytes(after), Param::number(limit)];
        self.list(TREE, params, listed).await
    }

    async fn list_sub_accounts(
        &self,
        root: AccountId,
        skip: u32,
        limit: u32,
    ) -> Result<Listed<Account>> {
        let params = vec![Param::bytes(root.as_bytes()), Param::number(skip), Param::number(limit)];
        self.list(CHILDREN, params, listed).await
    }

    async fn update_account(&self, account: &Sealed<Account>, commit: Commit) -> Result<Committed> {
        let taken = self.shifted(account.record()).await?;
        let mut work = Work::default();
        taken.push(&mut work);
        update(&mut work, account)?;
        write_commit(&mut work, &commit)?;
        self.write_within(&work, &taken).await
    }

    async fn find_given_calls(&self, root: AccountId) -> Result<u64> {
        self.given_calls(root).await
    }
}

impl PostgresStore {
    /// Makes a change that may take more than a root account has to give.
    pub(super) async fn write_within(&self, work: &Work<'_>, taken: &Taken) -> Result<Committed> {
        let outcome = self.write(work).await;
        if let Err(Error::Conflict(Conflict::GivenAway)) = outcome {
            self.explain(taken).await?;
            // There is enough by now: somebody gave back meanwhile.
            return self.write(work).await.map(|done| done.committed);
        }
        outcome.map(|done| done.committed)
    }
}

/// The insert of several accounts with their first keys, and of what they take.
pub(super) fn insert_all<'a>(accounts: &'a [NewRows], taken: &'a Taken) -> Result<Work<'a>> {
    let mut work = Work::default();
    if accounts.is_empty() {
        return Ok(work);
    }
    insert(&mut work, &accounts.iter().map(|(account, ..)| account).collect::<Vec<_>>())?;
    taken.push(&mut work);
    credentials::insert(&mut work, &accounts.iter().map(|(_, key, _)| key).collect::<Vec<_>>())?;
    write_commits(&mut work, &accounts.iter().map(|(.., commit)| commit).collect::<Vec<_>>())?;
    Ok(work)
}

/// A row of a list, which keeps its place where it cannot be read.
fn listed(row: &Row) -> Result<([u8; 16], Result<Unverified<Account>>)> {
    Ok((id(row)?, read_account(row, 0)))
}

/// Replaces an account by its next version.
pub(super) fn update<'a>(work: &mut Work<'a>, account: &'a Sealed<Account>) -> Result<()> {
    work.push(UPDATE, one(account_cells(account)?), Expect::Rows(Conflict::Changed));
    Ok(())
}

/// Writes new accounts.
pub(super) fn insert<'a>(work: &mut Work<'a>, accounts: &[&'a Sealed<Account>]) -> Result<()> {
    let rows: Result<Vec<_>> = accounts.iter().map(|account| account_cells(account)).collect();
    work.push(INSERT, columns(rows?)?, Expect::Nothing);
    Ok(())
}
