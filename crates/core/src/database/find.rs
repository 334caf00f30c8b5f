//! Reading what the plane knows of tenant databases.

use super::own_record::unavailable;
use super::record::TenantDatabase;
use super::servers::{Inspected, Names, Refused};
use crate::Plane;
use crate::actor::{Actor, Context};
use crate::error::{Denial, Error, Kind, Result};
use crate::ids::AccountId;
use crate::limits;
use crate::permissions::Right;
use crate::verify::believed;
use std::collections::HashMap;

/// A page of the tenant databases of all organizations.
#[derive(Debug)]
pub struct DatabasePage {
    /// The databases, by account.
    pub items: Vec<TenantDatabase>,
    /// The account after which the next page begins.
    pub next: Option<AccountId>,
}

/// A tenant database, and what its server says of it.
#[derive(Debug)]
pub struct InspectedDatabase {
    /// What is stored of it.
    pub database: TenantDatabase,
    /// What the server says; why it says nothing, in a word.
    pub server: Result<Inspected, &'static str>,
}

impl Plane {
    /// The database of an account; none for one that has none, and for one that is not there.
    pub(crate) async fn database_of(
        &self,
        root: AccountId,
        account: AccountId,
    ) -> Result<Option<TenantDatabase>> {
        // A root account has none.
        if root == account {
            return Ok(None);
        }
        let found = self.store.find_database(root, account).await?;
        let database = found.map(|row| row.open(&self.secrets)).transpose()?;
        Ok(database.filter(|database| database.acknowledged))
    }

    /// The databases of those of these sub-accounts of `root` that have one. Those whose row is damaged
    /// are left out.
    pub(crate) async fn databases_of(
        &self,
        root: AccountId,
        accounts: &[AccountId],
    ) -> Result<HashMap<AccountId, TenantDatabase>> {
        let mut databases = HashMap::new();
        for (_, row) in self.store.list_databases_of(root, accounts).await? {
            let database = believed(row.and_then(|row| row.open(&self.secrets)))?;
            databases.extend(database.map(|database| (database.account, database)));
        }
        Ok(databases)
    }

    /// What the plane knows of an account's database.
    ///
    /// # Errors
    /// Not found, also for an account without one; a missing permission.
    pub async fn find_database(&self, context: &Context, id: AccountId) -> Result<TenantDatabase> {
        self.database_in_reach(context, id, Right::DatabasesRead).await
    }

    pub(super) async fn database_in_reach(
        &self,
        context: &Context,
        id: AccountId,
        right: Right,
    ) -> Result<TenantDatabase> {
        let account = self.account_in_reach(context, id).await?;
        context.actor.require(right)?;
        let found = self.database_of(account.root(), account.id).await?;
        found.ok_or(Error::NotFound(Kind::Database))
    }

    /// The database of any account, for the operator.
    pub(super) async fn any_database(
        &self,
        context: &Context,
        id: AccountId,
    ) -> Result<TenantDatabase> {
        let Actor::Operator(operator) = context.actor else {
            return Err(Error::Forbidden(Denial::OperatorOnly));
        };
        let found = self.store.find_any_database(id).await?;
        let found = found.map(|row| row.open(&self.secrets)).transpose()?;
        found
            .filter(|database| operator.organization.is_none_or(|root| root == database.root))
            .filter(|database| database.acknowledged)
            .ok_or(Error::NotFound(Kind::Database))
    }

    /// What is known of an account's database, with what its server says.
    ///
    /// # Errors
    /// [`Denial::OperatorOnly`]; not found, also for an account without one. A server that does not
    /// answer is none.
    pub async fn inspect_database(
        &self,
        context: &Context,
        id: AccountId,
    ) -> Result<InspectedDatabase> {
        let database = self.any_database(context, id).await?;
        let server = self.inspect(&database).await?;
        Ok(InspectedDatabase { database, server })
    }

    async fn inspect(&self, database: &TenantDatabase) -> Result<Result<Inspected, &'static str>> {
        if Self::require_active(database).is_err() {
            return Ok(Err("not_active"));
        }
        let login = self.open_login(database)?;
        let servers = self.database_servers()?;
        let Ok(_turn) = self.databases.enter(database.account).await else {
            return Ok(Err("unreachable"));
        };
        let seen = servers.inspect(login.access(database), &Names::of(database)).await;
        self.databases.note(database.account, &seen);
        if let Err(refused) = &seen {
            let _logged: Error = unavailable(refused, database);
        }
        Ok(seen.map_err(|refused: Refused| refused.word()))
    }

    /// Tenant databases of every organization, or of the one that the operator names, by account.
    ///
    /// # Errors
    /// [`Denial::OperatorOnly`].
    pub async fn list_databases(
        &self,
        context: &Context,
        after: Option<AccountId>,
    ) -> Result<DatabasePage> {
        let Actor::Operator(operator) = context.actor else {
            return Err(Error::Forbidden(Denial::OperatorOnly));
        };
        let limit = limits::LIST_PAGE_MAX;
        let rows = self.store.list_databases(operator.organization, after, limit + 1).await?;
        let full = rows.len() > usize::try_from(limit).unwrap_or(usize::MAX);
        let mut items = Vec::new();
        let mut next = None;
        for (id, row) in rows.into_iter().take(usize::try_from(limit).unwrap_or(usize::MAX)) {
            next = Some(AccountId::from_bytes(id));
            items.extend(believed(row.and_then(|row| row.open(&self.secrets)))?);
        }
        items.retain(|database: &TenantDatabase| database.acknowledged);
        Ok(DatabasePage { items, next: next.filter(|_| full) })
    }
}
