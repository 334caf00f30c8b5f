//! Tenant databases.

use super::changes::write_commit;
use super::given_calls::Taken;
use super::rows::{Param, id, number, one};
use super::session::{Expect, Work};
use super::{PostgresStore, accounts, credentials};
use crate::rows::{Source as _, database_cells, database_columns, read_database, stored_number};
use async_trait::async_trait;
use tenantry_core::accounts::Account;
use tenantry_core::clock::Timestamp;
use tenantry_core::commit::Commit;
use tenantry_core::credentials::Credential;
use tenantry_core::database::TenantDatabase;
use tenantry_core::error::{Conflict, Error, Result};
use tenantry_core::ids::AccountId;
use tenantry_core::page::Listed;
use tenantry_core::secrets::{Sealed, Unverified};
use tenantry_core::store::{Committed, DatabaseStore};
use tokio_postgres::Row;

const INSERT: &str = concat!(
    "INSERT INTO tenant_databases (",
    database_columns!(),
    ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18,
        $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29, $30)"
);

const UPDATE: &str = "UPDATE tenant_databases
    SET host = $3, port = $4, name = $5, server = $6, root_user = $7, nonce = $8, state = $9,
        step = $10, acknowledged = $11, origin = $12, credential = $13, kek = $14, data_key = $15,
        root_password = $16, password_a = $17, password_b = $18, next_password = $19, login = $20,
        overlap_until = $21, pending = $22, schema_version = $23, failure = $24, attempts = $25,
        due_at = $26, created_at = $27, updated_at = $28, version = $29, row_mac = $30
    WHERE account_id = $1 AND root_id = $2 AND version = $29 - 1";

const DELETE: &str = "DELETE FROM tenant_databases
    WHERE account_id = $1 AND root_id = $2 AND version = $3";

const FIND: &str = concat!(
    "SELECT ",
    database_columns!(),
    " FROM tenant_databases WHERE account_id = $1 AND root_id = $2"
);

const FIND_ANY: &str =
    concat!("SELECT ", database_columns!(), " FROM tenant_databases WHERE account_id = $1");

const LIST_OF: &str = concat!(
    "SELECT ",
    database_columns!(),
    " FROM tenant_databases WHERE account_id = ANY($1::bytea[]) AND root_id = $2"
);

const LIST: &str = concat!(
    "SELECT ",
    database_columns!(),
    " FROM tenant_databases WHERE account_id > $1 ORDER BY account_id LIMIT $2"
);

const LIST_TREE: &str = concat!(
    "SELECT ",
    database_columns!(),
    " FROM tenant_databases WHERE root_id = $3 AND account_id > $1 ORDER BY account_id LIMIT $2"
);

const LIST_DUE: &str = concat!(
    "SELECT ",
    database_columns!(),
    " FROM tenant_databases WHERE due_at <= $1 ORDER BY due_at LIMIT $2"
);

const COUNT: &str = "SELECT server, count(*) FROM tenant_databases
    WHERE server IS NOT NULL AND state <> 'failed' GROUP BY server";

#[async_trait]
impl DatabaseStore for PostgresStore {
    async fn insert_database(&self, database: &Sealed<TenantDatabase>) -> Result<()> {
        let mut work = Work::default();
        work.push(INSERT, one(database_cells(database)?), Expect::Nothing);
        self.write(&work).await.map(drop)
    }

    async fn insert_database_account(
        &self,
        database: &Sealed<TenantDatabase>,
        account: &Sealed<Account>,
        key: &Sealed<Credential>,
        commit: Commit,
    ) -> Result<Committed> {
        let taken = Taken::by_new([account.record()]);
        let mut work = Work::default();
        update(&mut work, database)?;
        accounts::insert(&mut work, &[account])?;
        taken.push(&mut work);
        credentials::insert(&mut work, &[key])?;
        write_commit(&mut work, &commit)?;
        self.write_within(&work, &taken).await
    }

    async fn update_database(
        &self,
        database: &Sealed<TenantDatabase>,
        commit: Option<Commit>,
    ) -> Result<()> {
        let mut work = Work::default();
        update(&mut work, database)?;
        if let Some(commit) = &commit {
            write_commit(&mut work, commit)?;
        }
        self.write(&work).await.map(drop)
    }

    async fn update_database_account(
        &self,
        database: &Sealed<TenantDatabase>,
        account: &Sealed<Account>,
        commit: Commit,
    ) -> Result<Committed> {
        let taken = self.shifted(account.record()).await?;
        let mut work = Work::default();
        update(&mut work, database)?;
        taken.push(&mut work);
        accounts::update(&mut work, account)?;
        write_commit(&mut work, &commit)?;
        self.write_within(&work, &taken).await
    }

    async fn delete_database(
        &self,
        root: AccountId,
        account: AccountId,
        version: u64,
        commit: Commit,
    ) -> Result<()> {
        let params = vec![
            Param::bytes(account.as_bytes()),
            Param::bytes(root.as_bytes()),
            Param::number(stored_number(version)?),
        ];
        let mut work = Work::default();
        work.push(DELETE, params, Expect::Rows(Conflict::Changed));
        write_commit(&mut work, &commit)?;
        self.write(&work).await.map(drop)
    }

    async fn find_database(
        &self,
        root: AccountId,
        account: AccountId,
    ) -> Result<Option<Unverified<TenantDatabase>>> {
        let params = vec![Param::bytes(account.as_bytes()), Param::bytes(root.as_bytes())];
        self.find(FIND, params, |row| read_database(row, 0)).await
    }

    async fn find_any_database(
        &self,
        account: AccountId,
    ) -> Result<Option<Unverified<TenantDatabase>>> {
        let params = vec![Param::bytes(account.as_bytes())];
        self.find(FIND_ANY, params, |row| read_database(row, 0)).await
    }

    async fn list_databases_of(
        &self,
        root: AccountId,
        accounts: &[AccountId],
    ) -> Result<Listed<TenantDatabase>> {
        let ids = accounts.iter().map(|id| &id.as_bytes()[..]);
        let params = vec![Param::many(ids), Param::bytes(root.as_bytes())];
        self.list(LIST_OF, params, listed).await
    }

    async fn list_databases(
        &self,
        root: Option<AccountId>,
        after: Option<AccountId>,
        limit: u32,
    ) -> Result<Listed<TenantDatabase>> {
        // Every id is greater than no bytes at all.
        let after = after.as_ref().map_or(&[][..], |id| id.as_bytes());
        let mut params = vec![Param::bytes(after), Param::number(limit)];
        match &root {
            Some(root) => {
                params.push(Param::bytes(root.as_bytes()));
                self.list(LIST_TREE, params, listed).await
            }
            None => self.list(LIST, params, listed).await,
        }
    }

    async fn list_due_databases(
        &self,
        now: Timestamp,
        limit: u32,
    ) -> Result<Listed<TenantDatabase>> {
        let params = vec![Param::number(now.micros()), Param::number(limit)];
        self.list(LIST_DUE, params, listed).await
    }

    async fn count_managed_databases(&self) -> Result<Vec<(Box<str>, u64)>> {
        self.list(COUNT, Vec::new(), |row| {
            let server = row.text(0).ok().flatten();
            let server = server.ok_or_else(|| Error::internal("a server without a name"))?;
            Ok((server.into(), u64::try_from(number(row, 1)?).unwrap_or(0)))
        })
        .await
    }
}

/// A row of a list, which keeps its place where it cannot be read.
fn listed(row: &Row) -> Result<([u8; 16], Result<Unverified<TenantDatabase>>)> {
    Ok((id(row)?, read_database(row, 0)))
}

fn update<'a>(work: &mut Work<'a>, database: &'a Sealed<TenantDatabase>) -> Result<()> {
    work.push(UPDATE, one(database_cells(database)?), Expect::Rows(Conflict::Changed));
    Ok(())
}
