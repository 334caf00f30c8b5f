//! Making a sub-account with a database of its own.
//!
//! The database's place is taken in the store first, by one row and nothing else: until the caller is
//! answered that there is an account, there is none. It is made within [`limits::DATABASE_INLINE`], and
//! then account, key and reply are stored together; or it takes longer, and they are stored as
//! `provisioning`, which the caller is answered, while somebody goes on. Whoever is refused has left
//! nothing behind, here or there, and so has whoever died before the answer.

use super::new::{DatabaseHost, DatabaseIdentifier, DatabasePassword, DatabasePort, NewDatabase};
use super::own_record::OwnRecord;
use super::policy::ManagedServer;
use super::record::{DatabaseState, Login, Nonce, Step, TenantDatabase};
use super::saga::Stopped;
use super::servers::Refused;
use crate::Plane;
use crate::accounts::{AccountStatus, CreatedAccount};
use crate::actor::Context;
use crate::clock::Timestamp;
use crate::commit::Commit;
use crate::credentials::Credential;
use crate::error::{Conflict, DatabaseRefusal, Error, Result};
use crate::limits;
use crate::replay::{Keep, Once};
use crate::rng;
use crate::secrets::Sealed;
use std::collections::HashMap;
use tokio::time::Instant;

/// Which database a new sub-account is to have.
#[derive(Debug)]
pub enum DedicatedDatabase {
    /// One on a server that the caller names.
    Brought(NewDatabase),
    /// One on a server of the operator's.
    Managed,
}

/// The database that a new sub-account has, or will have.
#[derive(Clone, Debug)]
pub struct CreatedDatabase {
    /// What is stored of it.
    pub database: TenantDatabase,
    /// The password that the caller sent, for the reply to the caller and nobody else.
    pub password: Option<DatabasePassword>,
}

impl Plane {
    /// Makes a sub-account that was drafted, with its database.
    pub(crate) async fn create_dedicated(
        &self,
        context: &Context,
        wanted: DedicatedDatabase,
        mut made: CreatedAccount,
        (key, mut commit): (Sealed<Credential>, Commit),
        once: Once<'_, CreatedAccount>,
    ) -> Result<CreatedAccount> {
        let began = Instant::now();
        self.database_servers()?;
        let (mut database, password) = self.place(&made, wanted).await?;
        let record = OwnRecord::of(&made.account);
        let sent = password.as_ref().map(DatabasePassword::reveal);
        self.seal_request(&mut database, sent, &record)?;
        let reserved = Sealed::new(database.clone(), &self.secrets);
        self.store.insert_database(&reserved).await.map_err(|error| match error {
            Error::Conflict(Conflict::Taken) => DatabaseRefusal::Exists.into(),
            error => error,
        })?;
        let until = began + self.policy.databases.inline;
        match self.go_on(&mut database, Some(until)).await {
            Ok(()) => {
                put_to_use(&mut database);
                made.account.status = AccountStatus::Active;
            }
            Err(Stopped::Later | Stopped::OutOfTime) => {
                database.acknowledged = true;
                database.due_at = Some(self.clock.now());
                made.account.status = AccountStatus::Provisioning;
            }
            Err(Stopped::Refused(refused)) => {
                database.failure = Some(refused.word().into());
                return Err(self.refuse(context, database, refused, began).await);
            }
            Err(Stopped::Store(error)) => return Err(error),
        }
        database.touch(self.clock.now());
        let stored = Sealed::new(database.clone(), &self.secrets);
        made.database = Some(CreatedDatabase { database, password });
        let account = Sealed::new(OwnRecord::without(made.account.clone()), &self.secrets);
        once.keep(self, &mut commit, made.account.id, Keep::Secret, &made)?;
        let inserted = self.store.insert_database_account(&stored, &account, &key, commit);
        if let Err(error) = inserted.await {
            // A cap that was reached meanwhile, or the same request on another node: nobody is told of
            // an account, so there is to be none. What is not known is left to whoever comes next.
            let refused = matches!(error, Error::Conflict(_) | Error::ConcurrencyExceeded { .. });
            if let (true, Some(made)) = (refused, made.database) {
                let mut database = made.database;
                database.version -= 1;
                database.state = DatabaseState::Provisioning;
                database.acknowledged = false;
                self.clean_now(context, database).await;
            }
            return Err(error);
        }
        Ok(made)
    }

    /// Takes everything away again, and says what the caller is told.
    async fn refuse(
        &self,
        context: &Context,
        database: TenantDatabase,
        refused: Refused,
        began: Instant,
    ) -> Error {
        tracing::info!(account = %database.root, host = database.host.as_str(),
            port = database.port.get(), step = database.step.as_str(), why = refused.word(),
            cause = ?refused, "a tenant database is refused");
        if matches!(refused, Refused::NotAllowed) {
            tracing::warn!(
                host = database.host.as_str(),
                "the host has an address that customers may not have dialled: \
                 --allow-database-cidr would allow it"
            );
        }
        let dialled = database.step > Step::Requested;
        let managed = database.server.is_some();
        self.clean_now(context, database).await;
        if managed {
            // It is the operator's to know and to mend.
            let word = refused.word();
            return Error::unavailable(format!("a database server of the operator's: {word}"));
        }
        if !dialled {
            // What can be reached from here is not told by how long it took.
            tokio::time::sleep_until(began + self.policy.databases.dial_budget).await;
        }
        match refused {
            Refused::NotAllowed => DatabaseRefusal::HostNotAllowed,
            Refused::Exists => DatabaseRefusal::Exists,
            Refused::Rights => DatabaseRefusal::Rights,
            Refused::Unreachable(_) | Refused::Login => DatabaseRefusal::Unreachable,
            Refused::Migration { .. } | Refused::Failed(_) => DatabaseRefusal::Failed,
        }
        .into()
    }

    /// Takes everything away, now or, where that cannot be done now, later.
    async fn clean_now(&self, context: &Context, database: TenantDatabase) {
        let account = database.account;
        match self.clean_database(context, database).await {
            Ok(()) | Err(Stopped::Later) => {}
            Err(stopped) => {
                tracing::warn!(%account, cause = ?stopped,
                    "what was made for a tenant database is taken away later");
            }
        }
    }

    /// Where the database is to be, and the password that the caller sent for it.
    async fn place(
        &self,
        made: &CreatedAccount,
        wanted: DedicatedDatabase,
    ) -> Result<(TenantDatabase, Option<DatabasePassword>)> {
        let now = made.account.created_at;
        match wanted {
            DedicatedDatabase::Managed => {
                let server = self.least_used_server().await?;
                let id = crate::ids::to_base58(*made.account.id.as_bytes());
                let name = format!("tenant_{}", String::from_utf8_lossy(&id));
                let name = DatabaseIdentifier::parse(&name)
                    .map_err(|problem| Error::internal(format!("a database's name {problem}")))?;
                let place = (server.host.clone(), server.port, name, server.user.clone());
                Ok((self.new_database(made, place, Some(server.name.clone()), now)?, None))
            }
            DedicatedDatabase::Brought(new) => {
                if let Some(address) = new.host.address()
                    && !self.database_servers()?.permits(address)
                {
                    tracing::warn!(%address, "an address that customers may not have dialled: \
                        --allow-database-cidr would allow it");
                    return Err(DatabaseRefusal::HostNotAllowed.into());
                }
                let max = self.policy.databases.dials_per_minute;
                if let Err(retry_after) = self.databases.dial(made.root.id, max) {
                    return Err(Error::DialsExceeded { retry_after });
                }
                let place = (new.host, new.port, new.name, new.user);
                Ok((self.new_database(made, place, None, now)?, Some(new.password)))
            }
        }
    }

    fn new_database(
        &self,
        made: &CreatedAccount,
        (host, port, name, user): (
            DatabaseHost,
            DatabasePort,
            DatabaseIdentifier,
            DatabaseIdentifier,
        ),
        server: Option<Box<str>>,
        now: Timestamp,
    ) -> Result<TenantDatabase> {
        let (_, key) = self.secrets.draw_data_key(&*self.rng, made.account.id)?;
        Ok(TenantDatabase {
            account: made.account.id,
            root: made.root.id,
            host,
            port,
            name,
            server,
            user,
            nonce: Nonce(rng::draw(&*self.rng)),
            state: DatabaseState::Provisioning,
            step: Step::Requested,
            acknowledged: false,
            origin: None,
            credential: None,
            key,
            root_password: None,
            passwords: [None, None],
            next_password: None,
            login: Login::A,
            overlap_until: None,
            pending: None,
            schema_version: 0,
            failure: None,
            attempts: 0,
            due_at: Some(now.plus(limits::DATABASE_TURN)),
            created_at: now,
            updated_at: now,
            version: 1,
        })
    }

    /// The operator's server with the fewest databases; the first of several in the configuration.
    async fn least_used_server(&self) -> Result<&ManagedServer> {
        let counts = self.store.count_managed_databases().await?;
        let counts: HashMap<Box<str>, u64> = counts.into_iter().collect();
        let used = |server: &&ManagedServer| counts.get(&server.name).copied().unwrap_or(0);
        let servers = &self.policy.databases.servers;
        servers.iter().min_by_key(used).ok_or_else(|| DatabaseRefusal::NotOffered.into())
    }
}

/// The database is there: what only its making needed is erased.
pub(super) fn put_to_use(database: &mut TenantDatabase) {
    database.state = DatabaseState::Active;
    database.step = Step::Active;
    database.acknowledged = true;
    database.due_at = None;
    database.pending = None;
    database.failure = None;
    if database.credential != Some(super::record::CredentialKind::Given) {
        database.root_password = None;
    }
}
