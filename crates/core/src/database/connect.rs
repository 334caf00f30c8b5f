//! What a tenant database is there for: connecting to it, with credentials that reach nothing else.

use super::own_record::unavailable;
use super::record::{CredentialKind, TenantDatabase};
use super::saga::Stopped;
use crate::Plane;
use crate::actor::Context;
use crate::audit::{Action, Target};
use crate::clock::Timestamp;
use crate::commit::Commit;
use crate::error::{Conflict, Error, Result};
use crate::ids::AccountId;
use crate::keys::Grace;
use crate::permissions::Right;
use crate::replay::{Keep, Once};
use crate::secrets::Sealed;
use zeroize::Zeroizing;

/// What it takes to connect to a tenant database.
pub struct Connection {
    /// The database.
    pub database: TenantDatabase,
    /// The role.
    pub user: Box<str>,
    /// Its password, here and in no other answer.
    pub password: Zeroizing<String>,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Connection")
    }
}

/// A tenant database that is given out under another login, and how long the login before it goes on.
#[derive(Debug)]
pub struct RotatedDatabase {
    /// What it takes to connect to it from now on.
    pub connection: Connection,
    /// Until when what it took before goes on.
    pub overlap_until: Timestamp,
}

impl Plane {
    /// The credentials of an account's database. Each time is written into the audit trail first.
    ///
    /// # Errors
    /// Not found, also for an account without one; a missing permission; [`Conflict::Provisioning`].
    pub async fn connect_database(
        &self,
        context: &Context,
        id: AccountId,
        once: Once<'_, Connection>,
    ) -> Result<Connection> {
        let database = self.database_in_reach(context, id, Right::DatabasesConnect).await?;
        Self::require_active(&database)?;
        let connection = self.connection(database)?;
        let now = self.clock.now();
        let root = connection.database.root;
        let event = self
            .audit_event(context, root, now, Action::DatabaseConnected, Target::Account(id))
            .with("login", &connection.user);
        let mut commit = Commit::audited(self.seal(event));
        once.keep(self, &mut commit, id, Keep::Secret, &connection)?;
        self.store.insert_audit_event(commit).await?;
        Ok(connection)
    }

    fn connection(&self, database: TenantDatabase) -> Result<Connection> {
        let role = self.open_login(&database)?;
        Ok(Connection { database, user: role.name, password: role.password })
    }

    /// Gives the database out under its other login, with a new password; the login before goes on for
    /// `grace`, and then has a password that nobody knows.
    ///
    /// # Errors
    /// As [`Self::connect_database`]; [`Conflict::DatabaseGiven`] where the credentials are the
    /// customer's own; [`Conflict::Rotating`] while a login before goes on, unless `grace` is zero,
    /// which ends both; [`Error::TenantDatabaseUnavailable`].
    pub async fn rotate_database(
        &self,
        context: &Context,
        id: AccountId,
        Grace(grace): Grace,
        once: Once<'_, RotatedDatabase>,
    ) -> Result<RotatedDatabase> {
        let mut database = self.database_in_reach(context, id, Right::DatabasesWrite).await?;
        context.actor.require(Right::DatabasesConnect)?;
        Self::require_active(&database)?;
        if database.credential != Some(CredentialKind::Limited) {
            return Err(Error::Conflict(Conflict::DatabaseGiven));
        }
        let now = self.clock.now();
        let overlaps = database.overlap_until.is_some_and(|until| until > now);
        if overlaps && !grace.is_zero() {
            return Err(Error::Conflict(Conflict::Rotating));
        }
        let (old, new) = (database.login, database.login.other());
        let store = |stopped| match stopped {
            Stopped::Store(error) => error,
            other => Error::internal(format!("{other:?}")),
        };
        if let Err(refused) = self.change_password(&mut database, new).await.map_err(store)? {
            return Err(unavailable(&refused, &database));
        }
        let overlap_until = now.plus(grace);
        database.login = new;
        database.overlap_until = Some(overlap_until);
        // Now, where there is no grace: whoever is told of it finds it done, or soon done.
        database.due_at = Some(overlap_until);
        database.touch(now);
        let event = self
            .audit_event(context, database.root, now, Action::DatabaseRotated, Target::Account(id))
            .with("login", new.as_str())
            .with("overlap_until", overlap_until.seconds());
        let mut commit = Commit::audited(self.seal(event));
        let sealed = Sealed::new(database.clone(), &self.secrets);
        let rotated = RotatedDatabase { connection: self.connection(database)?, overlap_until };
        once.keep(self, &mut commit, id, Keep::Secret, &rotated)?;
        self.store.update_database(&sealed, Some(commit)).await?;
        if grace.is_zero() {
            let mut database = rotated.connection.database.clone();
            match self.change_password(&mut database, old).await {
                Ok(Ok(())) => {
                    database.overlap_until = None;
                    database.due_at = None;
                    self.save_database(&mut database).await.map_err(store)?;
                }
                // Whoever works on what is due goes on with it.
                outcome => tracing::warn!(account = %id, cause = ?outcome,
                    "the password that was replaced goes on for now"),
            }
        }
        Ok(rotated)
    }
}
