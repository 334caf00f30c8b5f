//! Going on with what others left: databases that are being made or taken away, and passwords whose time
//! is over.

use super::provision::put_to_use;
use super::record::{DatabaseState, TenantDatabase};
use super::saga::Stopped;
use crate::Plane;
use crate::accounts::{Account, AccountStatus};
use crate::actor::{Actor, Context, OperatorActor};
use crate::audit::{Action, Target};
use crate::commit::{Change, Commit, Subject};
use crate::error::{Conflict, Error, Result};
use crate::limits;
use crate::secrets::Sealed;
use crate::verify::believed;

impl Plane {
    /// Takes the databases about which something is to be done, and does it. To be called every
    /// [`limits::DATABASES_DUE_EVERY`] on every node; answers how many there were.
    ///
    /// # Errors
    /// What the store says. What becomes of one database is not an error.
    pub async fn work_on_databases(&self) -> Result<usize> {
        if self.database_servers().is_err() {
            return Ok(0);
        }
        let due =
            self.store.list_due_databases(self.clock.now(), limits::DATABASES_DUE_MAX).await?;
        let count = due.len();
        let each = due.into_iter().map(|(_, row)| async {
            let Some(database) = believed(row.and_then(|row| row.open(&self.secrets)))? else {
                return Ok(());
            };
            let account = database.account;
            match self.work_on(database).await {
                // Of a record that has changed: somebody else is at it.
                Ok(())
                | Err(
                    Stopped::Later
                    | Stopped::OutOfTime
                    | Stopped::Store(Error::Conflict(Conflict::Changed)),
                ) => {}
                Err(stopped) => {
                    tracing::warn!(%account, cause = ?stopped, "a tenant database is left for later");
                }
            }
            Ok::<(), Error>(())
        });
        for outcome in futures_util::future::join_all(each).await {
            outcome?;
        }
        Ok(count)
    }

    async fn work_on(&self, mut database: TenantDatabase) -> Result<(), Stopped> {
        // Nobody else comes for a while.
        database.due_at = Some(self.clock.now().plus(limits::DATABASE_TURN));
        self.save_database(&mut database).await?;
        let context = Self::own_context(&database);
        match database.state {
            DatabaseState::Active => self.end_overlap(database).await,
            // Nobody was told of it: whoever asked has died or was never answered.
            DatabaseState::Provisioning if !database.acknowledged => {
                database.failure = Some("interrupted".into());
                self.clean_database(&context, database).await
            }
            DatabaseState::Provisioning => self.finish(&context, database).await,
            DatabaseState::Cleaning => self.clean_database(&context, database).await,
            DatabaseState::Failed => {
                database.due_at = None;
                self.save_database(&mut database).await
            }
        }
    }

    /// Goes on with a database whose account is there already.
    async fn finish(&self, context: &Context, mut database: TenantDatabase) -> Result<(), Stopped> {
        let account = self.account_of(&database).await.map_err(Stopped::Store)?;
        // Closed meanwhile, or tried for long enough.
        if account.status != AccountStatus::Provisioning {
            database.failure = Some("closed".into());
            return self.clean_database(context, database).await;
        }
        if self.clock.now().minus(limits::DATABASE_MADE_FOR) > database.created_at {
            return self.clean_database(context, database).await;
        }
        match self.go_on(&mut database, None).await {
            Ok(()) => {}
            Err(Stopped::Refused(refused)) => {
                tracing::warn!(account = %database.account, step = database.step.as_str(),
                    why = refused.word(), cause = ?refused, "a tenant database will not be made");
                database.failure = Some(refused.word().into());
                return self.clean_database(context, database).await;
            }
            Err(stopped) => return Err(stopped),
        }
        self.activate(context, database, account).await
    }

    async fn activate(
        &self,
        context: &Context,
        mut database: TenantDatabase,
        mut account: Account,
    ) -> Result<(), Stopped> {
        let epoch = self.cluster.cache.epoch();
        let now = self.clock.now();
        let (root, id) = (database.root, database.account);
        put_to_use(&mut database);
        database.touch(now);
        account.status = AccountStatus::Active;
        account.touch(now);
        let event = self
            .audit_event(context, root, now, Action::DatabaseMade, Target::Account(id))
            .with_version(account.version);
        let log = Change::new(&*self.rng, root, [Subject::Account(id)]);
        let commit = Commit::changing(self.seal(event), log.clone());
        let stored = Sealed::new(database, &self.secrets);
        let account = Sealed::new(account, &self.secrets);
        let outcome = self.store.update_database_account(&stored, &account, commit).await;
        let effective = self.publish(&log, outcome).map_err(Stopped::Store)?;
        self.cluster.note_account(account.record(), &log, effective, epoch);
        Ok(())
    }

    /// After a rotation, ends the password that was given out before: another is set, and nobody is
    /// told it.
    async fn end_overlap(&self, mut database: TenantDatabase) -> Result<(), Stopped> {
        let old = database.login.other();
        if let Err(refused) = self.change_password(&mut database, old).await? {
            tracing::warn!(account = %database.account, why = refused.word(), cause = ?refused,
                "the password that was replaced goes on for now");
            return self.put_off(&mut database, Some(&refused)).await;
        }
        database.overlap_until = None;
        database.due_at = None;
        database.attempts = 0;
        database.failure = None;
        self.save_database(&mut database).await
    }

    async fn account_of(&self, database: &TenantDatabase) -> Result<Account> {
        let found = self.store.find_account(database.root, database.account).await?;
        found
            .ok_or_else(|| Error::internal("a tenant database has no account"))?
            .open(&self.secrets)
    }

    /// On whose behalf the plane goes on.
    fn own_context(database: &TenantDatabase) -> Context {
        Context {
            actor: Actor::Operator(OperatorActor { organization: Some(database.root) }),
            request_id: "provisioning".into(),
            address: None,
        }
    }
}
