//! The product's schema in a tenant database that is in use.

use super::own_record::unavailable;
use super::record::TenantDatabase;
use super::servers::{Names, Refused};
use crate::Plane;
use crate::actor::Context;
use crate::audit::{Action, Target};
use crate::commit::Commit;
use crate::error::{Conflict, Error, Result};
use crate::ids::AccountId;
use crate::limits;
use crate::secrets::Sealed;

/// What became of a tenant database's schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MigratedDatabase {
    /// The version that it has.
    pub version: u64,
    /// How many files that took.
    pub applied: u64,
}

impl Plane {
    /// Applies the files of the product's schema that a tenant database does not have yet. Each is one
    /// transaction with the note of it: one that was interrupted is applied again or not at all.
    ///
    /// # Errors
    /// [`crate::error::Denial::OperatorOnly`]; not found; [`Conflict::Provisioning`];
    /// [`Error::TenantDatabaseUnavailable`]; [`Error::MigrationFailed`].
    pub async fn migrate_database(
        &self,
        context: &Context,
        id: AccountId,
    ) -> Result<MigratedDatabase> {
        let database = self.any_database(context, id).await?;
        Self::require_active(&database)?;
        let login = self.open_login(&database)?;
        let servers = self.database_servers()?;
        let migrated = {
            let _turn = self.databases.enter(database.account).await?;
            let (names, set) = (Names::of(&database), &self.policy.databases.migrations);
            let asked = servers.migrate(login.access(&database), &names, set);
            let migrated = super::saga::within(limits::DATABASE_MIGRATION_DEADLINE, asked).await;
            self.databases.note(database.account, &migrated);
            migrated
        };
        let (version, applied) = migrated.map_err(|refused| match refused {
            Refused::Migration { version, code } => Error::MigrationFailed { version, code },
            refused => unavailable(&refused, &database),
        })?;
        if database.schema_version != version || applied > 0 {
            self.note_schema(context, database, version, applied).await?;
        }
        Ok(MigratedDatabase { version, applied })
    }

    /// Notes the version. The database itself says which files it has: this is for lists.
    async fn note_schema(
        &self,
        context: &Context,
        mut database: TenantDatabase,
        version: u64,
        applied: u64,
    ) -> Result<()> {
        let (root, id) = (database.root, database.account);
        for _ in 0..limits::RETRIES_MAX {
            let now = self.clock.now();
            let event = self
                .audit_event(context, root, now, Action::DatabaseMigrated, Target::Account(id))
                .with("schema_version", version)
                .with("applied", applied);
            database.schema_version = version;
            database.touch(now);
            let sealed = Sealed::new(database, &self.secrets);
            let commit = Commit::audited(self.seal(event));
            match self.store.update_database(&sealed, Some(commit)).await {
                Err(Error::Conflict(Conflict::Changed)) => {}
                outcome => return outcome,
            }
            let found = self.store.find_database(root, id).await?;
            let Some(row) = found else { return Ok(()) };
            database = row.open(&self.secrets)?;
        }
        Err(Error::Conflict(Conflict::Changed))
    }
}
