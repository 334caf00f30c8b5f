//! The port of the rules to tenant databases' servers.

use super::dial::{DialError, DialSettings, Dialler};
use super::session::{Session, StatementError};
use super::{clean, furnish, own_record, provision, schema};
use crate::postgres::OpenError;
use async_trait::async_trait;
use std::net::{IpAddr, SocketAddr};
use tenantry_core::database::{
    Access, CredentialKind, DatabaseServers, Inspected, MigrationSet, Names, Origin, OwnRecord,
    Owner, Refused, Seen,
};
use tenantry_core::dialling::NamedBy;

/// Databases that one always has somewhere to log in to.
const MAINTENANCE: [&str; 2] = ["postgres", "template1"];

/// Servers that tenant databases are on.
pub struct TenantServers {
    dialler: Dialler,
}

impl TenantServers {
    /// Servers that are dialled as `settings` say.
    ///
    /// # Errors
    /// A file of CAs that cannot be used.
    pub fn new(settings: DialSettings) -> Result<Self, OpenError> {
        Ok(Self { dialler: Dialler::new(settings)? })
    }

    /// A session with one database.
    pub(super) async fn open(&self, at: Access<'_>, database: &str) -> Result<Session, Refused> {
        self.dialler.connect(at, database).await.map_err(of_dial)
    }

    /// A session with some database, for what is done to others.
    pub(super) async fn open_beside(
        &self,
        at: Access<'_>,
        names: &Names,
    ) -> Result<Session, Refused> {
        let mut refused = None;
        for database in MAINTENANCE.into_iter().chain([&*names.database]) {
            match self.dialler.connect(at, database).await {
                Ok(session) => return Ok(session),
                // It is not there, or not for this user: another may be.
                Err(DialError::Refused(code)) if matches!(&*code, "3D000" | "42501" | "28000") => {
                    refused = Some(DialError::Refused(code));
                }
                Err(error) => return Err(of_dial(error)),
            }
        }
        Err(refused.map_or(Refused::Login, of_dial))
    }
}

fn of_dial(error: DialError) -> Refused {
    match error {
        DialError::NotAllowed => Refused::NotAllowed,
        DialError::Unreachable(cause) => Refused::Unreachable(cause),
        DialError::Refused(code) if code.starts_with("28") => Refused::Login,
        DialError::Refused(code) => Refused::Unreachable(format!("SQLSTATE {code}").into()),
    }
}

/// What a statement's failure means where nothing more is known of it.
pub(super) fn of_statement(error: &StatementError) -> Refused {
    match error.code() {
        Some("42501") => Refused::Rights,
        Some(code) => Refused::Failed(format!("SQLSTATE {code}").into()),
        None => Refused::Unreachable(format!("{error:?}").into()),
    }
}

/// Who things in the database belong to.
pub(super) fn owner(names: &Names) -> Owner {
    match names.credential {
        Some(CredentialKind::Limited) => Owner::Role,
        _ => Owner::Login,
    }
}

/// The name that the database has while it is made.
pub(super) fn name_in_making(names: &Names) -> &str {
    match names.origin {
        Some(Origin::Adopted) => &names.database,
        _ => &names.temporary,
    }
}

#[async_trait]
impl DatabaseServers for TenantServers {
    fn permits(&self, address: IpAddr) -> bool {
        self.dialler.settings.rules.permit(address, NamedBy::Customer)
    }

    async fn look(&self, at: Access<'_>, names: &Names) -> Result<Seen, Refused> {
        provision::look(self, at, names).await
    }

    async fn make_roles(
        &self,
        at: Access<'_>,
        names: &Names,
        passwords: [&str; 2],
    ) -> Result<(), Refused> {
        provision::make_roles(self, at, names, passwords).await
    }

    async fn make_database(&self, at: Access<'_>, names: &Names) -> Result<(), Refused> {
        provision::make_database(self, at, names).await
    }

    async fn furnish(
        &self,
        at: Access<'_>,
        names: &Names,
        record: &OwnRecord,
        migrations: &MigrationSet,
    ) -> Result<(), Refused> {
        let session = self.open(at, name_in_making(names)).await?;
        let furnished = async {
            furnish::furnish(&session, names, record).await?;
            schema::apply(&session, names, migrations).await.map(drop)
        };
        let outcome = furnished.await;
        // Renaming needs nobody to be there.
        session.close().await;
        outcome
    }

    async fn rename(&self, at: Access<'_>, names: &Names) -> Result<(), Refused> {
        provision::rename(self, at, names).await
    }

    async fn give(&self, at: Access<'_>, names: &Names) -> Result<(), Refused> {
        provision::give(self, at, names).await
    }

    async fn clean(&self, at: Access<'_>, names: &Names) -> Result<(), Refused> {
        clean::clean(self, at, names).await
    }

    async fn read_record(&self, at: Access<'_>, names: &Names) -> Result<OwnRecord, Refused> {
        own_record::read(&self.open(at, &names.database).await?).await
    }

    async fn write_record(
        &self,
        at: Access<'_>,
        names: &Names,
        record: &OwnRecord,
    ) -> Result<(), Refused> {
        own_record::write(&self.open(at, &names.database).await?, record).await
    }

    async fn set_password(
        &self,
        at: Access<'_>,
        names: &Names,
        password: &str,
    ) -> Result<(), Refused> {
        provision::set_password(&self.open(at, &names.database).await?, at.user, password).await
    }

    async fn migrate(
        &self,
        at: Access<'_>,
        names: &Names,
        migrations: &MigrationSet,
    ) -> Result<(u64, u64), Refused> {
        schema::apply(&self.open(at, &names.database).await?, names, migrations).await
    }

    async fn inspect(&self, at: Access<'_>, names: &Names) -> Result<Inspected, Refused> {
        schema::inspect(&self.open(at, &names.database).await?).await
    }
}

/// What the plane's own addresses are, so that no customer has them dialled.
#[must_use]
pub fn canonical(addresses: impl IntoIterator<Item = SocketAddr>) -> Vec<SocketAddr> {
    let canonical =
        |address: SocketAddr| SocketAddr::new(address.ip().to_canonical(), address.port());
    addresses.into_iter().map(canonical).collect()
}
