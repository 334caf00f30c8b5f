//! Taking away what was made for a database that does not come to be.

use super::record::{DatabaseState, TenantDatabase};
use super::saga::Stopped;
use super::servers::Names;
use crate::Plane;
use crate::actor::Context;
use crate::audit::{Action, Target};
use crate::commit::Commit;
use crate::error::Result;
use crate::limits;

impl Plane {
    /// Takes away what was made, and then the record itself, or, where the caller was answered that
    /// there is such an account, leaves it as failed. What cannot be taken away now is taken away later.
    pub(super) async fn clean_database(
        &self,
        context: &Context,
        mut database: TenantDatabase,
    ) -> Result<(), Stopped> {
        if database.state != DatabaseState::Cleaning {
            database.state = DatabaseState::Cleaning;
            database.due_at = Some(self.clock.now().plus(limits::DATABASE_TURN));
            self.save_database(&mut database).await?;
        }
        // Before the server was looked at nothing can be there.
        if database.step > super::record::Step::Requested {
            self.take_away(&mut database).await?;
        }
        let now = self.clock.now();
        let mut event = self
            .audit_event(
                context,
                database.root,
                now,
                Action::DatabaseFailed,
                Target::Account(database.account),
            )
            .with("step", database.step.as_str());
        if let Some(failure) = &database.failure {
            event = event.with("reason", failure);
        }
        let commit = Commit::audited(self.seal(event));
        if database.acknowledged {
            database.state = DatabaseState::Failed;
            database.due_at = None;
            database.root_password = None;
            database.passwords = [None, None];
            database.touch(now);
            let sealed = crate::secrets::Sealed::new(database, &self.secrets);
            self.store.update_database(&sealed, Some(commit)).await.map_err(Stopped::Store)
        } else {
            self.store
                .delete_database(database.root, database.account, database.version, commit)
                .await
                .map_err(Stopped::Store)
        }
    }

    async fn take_away(&self, database: &mut TenantDatabase) -> Result<(), Stopped> {
        let names = Names::of(database);
        let root = self.open_root(database).map_err(Stopped::Store)?;
        let servers = self.database_servers().map_err(Stopped::Store)?;
        let cleaned = super::saga::within(
            limits::DATABASE_STEP_DEADLINE,
            servers.clean(root.access(database), &names),
        );
        let Err(refused) = cleaned.await else { return Ok(()) };
        if self.clock.now().minus(limits::DATABASE_CLEAN_FOR) > database.created_at {
            tracing::error!(alarm = "tenant_database_left_behind", account = %database.account,
                host = database.host.as_str(), nonce = %database.nonce,
                "what was made for a tenant database cannot be taken away; nobody tries any more");
            return Ok(());
        }
        tracing::warn!(account = %database.account, why = refused.word(), cause = ?refused,
            "what was made for a tenant database is taken away later");
        self.put_off(database, None).await?;
        Err(Stopped::Later)
    }
}
