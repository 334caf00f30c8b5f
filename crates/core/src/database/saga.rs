//! How a tenant database comes to be, step by step.
//!
//! Each step looks at what is there and does what is missing, so whoever comes next goes on where the
//! last one died: with the same outcome, whether that was before or after the step was noted. The record
//! is taken for a while ([`TenantDatabase::due_at`]) by whoever works on it, and each of its changes
//! names the version that it was read with: of two that go on at once only one gets further.

use super::own_record::{OwnRecord, PENDING};
use super::record::{CredentialKind, DatabaseState, Login, Origin, Step, TenantDatabase};
use super::servers::{Access, DatabaseServers, Existing, Names, Refused, Seen};
use crate::Plane;
use crate::dialling::NamedBy;
use crate::error::{Error, Result};
use crate::limits;
use crate::rng;
use crate::secrets::Sealed;
use std::future::Future;
use std::time::Duration;
use tokio::time::Instant;
use zeroize::Zeroizing;

/// Letters of the passwords that are drawn.
const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
/// How many of them a password has: 190 bits.
const PASSWORD_LETTERS: usize = 32;
/// The names that passwords are sealed under.
const ROOT: &str = "root_password";
const LOGINS: [&str; 2] = ["password_a", "password_b"];
const NEXT: &str = "next_password";

/// Why nobody goes on for now.
#[derive(Debug)]
pub(super) enum Stopped {
    /// It will not come to be.
    Refused(Refused),
    /// It was put off.
    Later,
    /// The time that there was for it is over; nothing is wrong.
    OutOfTime,
    /// The plane's store, or the record.
    Store(Error),
}

/// A role with its password.
pub(super) struct Role {
    pub(super) name: Box<str>,
    pub(super) password: Zeroizing<String>,
    pub(super) named_by: NamedBy,
}

impl Role {
    pub(super) fn access<'a>(&'a self, database: &'a TenantDatabase) -> Access<'a> {
        Access {
            host: database.host.as_str(),
            port: database.port.get(),
            user: &self.name,
            password: &self.password,
            named_by: self.named_by,
        }
    }
}

/// What a server answers in time.
pub(super) async fn within<T>(
    deadline: Duration,
    asked: impl Future<Output = Result<T, Refused>> + Send,
) -> Result<T, Refused> {
    match tokio::time::timeout(deadline, asked).await {
        Ok(outcome) => outcome,
        Err(_) => Err(Refused::Unreachable("it took too long".into())),
    }
}

impl Plane {
    /// Goes on with a database that is being made, until it is ready to be put to use
    /// ([`Step::Owned`]) or `until` has come.
    pub(super) async fn go_on(
        &self,
        database: &mut TenantDatabase,
        until: Option<Instant>,
    ) -> Result<(), Stopped> {
        while database.step < Step::Owned {
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                return Err(Stopped::OutOfTime);
            }
            // Whoever works on it has it for longer than a step may take.
            database.due_at = Some(self.clock.now().plus(limits::DATABASE_TURN));
            let limit = match database.step {
                Step::Requested => self.policy.databases.dial_budget,
                _ => limits::DATABASE_STEP_DEADLINE,
            };
            let limit = left.map_or(limit, |left| left.min(limit));
            match self.take_step(database, limit).await {
                Ok(()) => database.failure = None,
                Err(Stopped::Refused(refused))
                    if refused.may_pass() && database.step > Step::Requested =>
                {
                    if until.is_some_and(|until| until <= Instant::now()) {
                        return Err(Stopped::OutOfTime);
                    }
                    tracing::warn!(account = %database.account, step = database.step.as_str(),
                        why = refused.word(), cause = ?refused, "a tenant database is made later");
                    self.put_off(database, Some(&refused)).await?;
                    return Err(Stopped::Later);
                }
                Err(stopped) => return Err(stopped),
            }
            self.save_database(database).await?;
        }
        Ok(())
    }

    /// Takes the step after the last one that is done, and notes it in the record, which is not saved.
    async fn take_step(
        &self,
        database: &mut TenantDatabase,
        limit: Duration,
    ) -> Result<(), Stopped> {
        let servers = self.database_servers().map_err(Stopped::Store)?;
        let root = self.open_root(database).map_err(Stopped::Store)?;
        let names = Names::of(database);
        let at = root.access(database);
        let limited = database.credential == Some(CredentialKind::Limited);
        let made = database.origin == Some(Origin::Made);
        let done = match database.step {
            Step::Requested => {
                let seen = within(limit, servers.look(at, &names)).await;
                let seen = seen.map_err(Stopped::Refused)?;
                drop(names);
                self.decide(database, &seen)?;
                return Ok(());
            }
            Step::Dialled if limited => {
                let passwords = self.open_passwords(database).map_err(Stopped::Store)?;
                let [a, b] = &passwords;
                within(limit, servers.make_roles(at, &names, [a, b])).await
            }
            Step::Roles if made => within(limit, servers.make_database(at, &names)).await,
            Step::Made => {
                let record = self.own_record(database).await.map_err(Stopped::Store)?;
                let set = &self.policy.databases.migrations;
                let furnished = within(limit, servers.furnish(at, &names, &record, set)).await;
                if furnished.is_ok() {
                    database.schema_version = set.version();
                }
                furnished
            }
            Step::Migrated if made => within(limit, servers.rename(at, &names)).await,
            Step::Renamed if limited => self.hand_over(servers, database, limit).await?,
            _ => Ok(()),
        };
        done.map_err(Stopped::Refused)?;
        let next = Step::ALL.iter().find(|step| **step > database.step);
        database.step = *next.unwrap_or(&Step::Active);
        Ok(())
    }

    /// Gives the database to its role, and tries the login that the plane has from then on.
    async fn hand_over(
        &self,
        servers: &dyn DatabaseServers,
        database: &TenantDatabase,
        limit: Duration,
    ) -> Result<Result<(), Refused>, Stopped> {
        let root = self.open_root(database).map_err(Stopped::Store)?;
        let names = Names::of(database);
        let given = async {
            servers.give(root.access(database), &names).await?;
            let login = self.open_login(database).map_err(|error| Refused::Failed(error.into()))?;
            servers.read_record(login.access(database), &names).await.map(drop)
        };
        Ok(within(limit, given).await)
    }

    /// Decides how the database is to come to be on a server that was looked at.
    fn decide(&self, database: &mut TenantDatabase, seen: &Seen) -> Result<(), Stopped> {
        let origin = match seen.existing {
            Some(Existing::Foreign) => return Err(Stopped::Refused(Refused::Exists)),
            // A name of the plane's own making is nobody else's to have.
            Some(Existing::Adoptable) if database.server.is_some() => {
                return Err(Stopped::Refused(Refused::Exists));
            }
            Some(Existing::Adoptable) => Origin::Adopted,
            None if seen.may_make_databases => Origin::Made,
            None => return Err(Stopped::Refused(Refused::Rights)),
        };
        // Giving a database away takes both.
        let credential = if seen.may_make_roles && seen.may_make_databases {
            CredentialKind::Limited
        } else {
            CredentialKind::Given
        };
        if credential == CredentialKind::Given && database.server.is_some() {
            return Err(Stopped::Refused(Refused::Rights));
        }
        if credential == CredentialKind::Limited {
            // Before any role has one of them, so that whoever goes on has the same.
            let key = self.secrets.open_data_key(database.account, &database.key);
            let key = key.map_err(Stopped::Store)?;
            for login in Login::BOTH {
                let password = self.draw_password();
                let field = LOGINS[login.index()];
                let sealed = key.seal(&*self.rng, database.account, field, password.as_bytes());
                database.passwords[login.index()] = Some(sealed.map_err(Stopped::Store)?);
            }
        }
        database.origin = Some(origin);
        database.credential = Some(credential);
        database.step = Step::Dialled;
        Ok(())
    }

    /// Leaves the record to whoever comes later, the later the more often that was done.
    pub(super) async fn put_off(
        &self,
        database: &mut TenantDatabase,
        why: Option<&Refused>,
    ) -> Result<(), Stopped> {
        if let Some(refused) = why {
            database.failure = Some(refused.word().into());
        }
        let pause = limits::DATABASE_RETRY_MIN * 2_u32.saturating_pow(database.attempts.min(16));
        let pause = pause.min(limits::DATABASE_RETRY_MAX);
        // Not all at once, where a server was away for all of them.
        let [chance] = rng::draw::<1>(&*self.rng);
        let pause = pause + pause.mul_f64(f64::from(chance) / 1024.0);
        database.attempts = database.attempts.saturating_add(1);
        database.due_at = Some(self.clock.now().plus(pause));
        self.save_database(database).await
    }

    /// Stores the record's next version.
    pub(super) async fn save_database(&self, database: &mut TenantDatabase) -> Result<(), Stopped> {
        database.touch(self.clock.now());
        let sealed = Sealed::new(database.clone(), &self.secrets);
        self.store.update_database(&sealed, None).await.map_err(Stopped::Store)
    }

    pub(super) fn draw_password(&self) -> Zeroizing<String> {
        rng::draw_text(&*self.rng, LETTERS, PASSWORD_LETTERS)
    }

    /// Seals the root user's password, and the account's record on its way.
    pub(super) fn seal_request(
        &self,
        database: &mut TenantDatabase,
        password: Option<&str>,
        record: &OwnRecord,
    ) -> Result<()> {
        let key = self.secrets.open_data_key(database.account, &database.key)?;
        let seal = |field, value: &[u8]| key.seal(&*self.rng, database.account, field, value);
        database.root_password = password.map(|text| seal(ROOT, text.as_bytes())).transpose()?;
        database.pending = Some(seal(PENDING, record.to_text().as_bytes())?);
        Ok(())
    }

    /// The user that a database is made with.
    pub(super) fn open_root(&self, database: &TenantDatabase) -> Result<Role> {
        if let Some(server) = &database.server {
            let server = self.policy.databases.server(server).ok_or_else(|| {
                tracing::error!(
                    server = &**server,
                    "a tenant database is on a server that the configuration does not name"
                );
                Error::TenantDatabaseUnavailable
            })?;
            return Ok(Role {
                name: server.user.as_str().into(),
                password: Zeroizing::new(server.password.reveal().to_owned()),
                named_by: NamedBy::Operator,
            });
        }
        let password = database.root_password.as_deref();
        self.open_role(database, database.user.as_str(), ROOT, password)
    }

    /// The role that the plane uses once the database is there.
    pub(super) fn open_login(&self, database: &TenantDatabase) -> Result<Role> {
        match database.credential {
            Some(CredentialKind::Limited) => self.open_turn(database, database.login),
            _ => self.open_root(database),
        }
    }

    /// One of the two logins.
    pub(super) fn open_turn(&self, database: &TenantDatabase, login: Login) -> Result<Role> {
        let names = Names::of(database);
        let sealed = database.passwords[login.index()].as_deref();
        self.open_role(database, names.login(login), LOGINS[login.index()], sealed)
    }

    fn open_passwords(&self, database: &TenantDatabase) -> Result<[Zeroizing<String>; 2]> {
        let [a, b] = Login::BOTH.map(|login| self.open_turn(database, login));
        Ok([a?.password, b?.password])
    }

    fn open_role(
        &self,
        database: &TenantDatabase,
        name: &str,
        field: &'static str,
        sealed: Option<&[u8]>,
    ) -> Result<Role> {
        let sealed = sealed.ok_or_else(|| Error::internal("a password is not there any more"))?;
        let key = self.secrets.open_data_key(database.account, &database.key)?;
        let opened = key.open(database.account, field, sealed)?;
        let text = std::str::from_utf8(&opened).map_err(Error::internal)?;
        let named_by = match database.server {
            Some(_) => NamedBy::Operator,
            None => NamedBy::Customer,
        };
        Ok(Role { name: name.into(), password: Zeroizing::new(text.to_owned()), named_by })
    }

    /// Gives one of the two logins another password. Noted before it is set, so that whoever goes on
    /// knows both that it may have.
    pub(super) async fn change_password(
        &self,
        database: &mut TenantDatabase,
        login: Login,
    ) -> Result<Result<(), Refused>, Stopped> {
        let account = database.account;
        let key = self.secrets.open_data_key(account, &database.key).map_err(Stopped::Store)?;
        if database.next_password.is_none() {
            let drawn = self.draw_password();
            let sealed = key.seal(&*self.rng, account, NEXT, drawn.as_bytes());
            database.next_password = Some(sealed.map_err(Stopped::Store)?);
            self.save_database(database).await?;
        }
        let names = Names::of(database);
        let name = names.login(login);
        let next = database.next_password.as_deref();
        let next = self.open_role(database, name, NEXT, next).map_err(Stopped::Store)?;
        let now = self.open_turn(database, login).map_err(Stopped::Store)?;
        let servers = self.database_servers().map_err(Stopped::Store)?;
        let turn = self.databases.enter(account).await.map_err(Stopped::Store)?;
        let set = servers.set_password(now.access(database), &names, &next.password).await;
        let set = match set {
            // It has the next one already, or neither.
            Err(Refused::Login) => {
                servers.set_password(next.access(database), &names, &next.password).await
            }
            set => set,
        };
        self.databases.note(account, &set);
        drop(turn);
        if set.is_ok() {
            let field = LOGINS[login.index()];
            let sealed = key.seal(&*self.rng, account, field, next.password.as_bytes());
            database.passwords[login.index()] = Some(sealed.map_err(Stopped::Store)?);
            database.next_password = None;
        }
        Ok(set)
    }

    /// Whether a record is of a database that can be used.
    pub(super) fn require_active(database: &TenantDatabase) -> Result<()> {
        match database.state {
            DatabaseState::Active => Ok(()),
            _ => Err(Error::Conflict(crate::error::Conflict::Provisioning)),
        }
    }
}
