//! The port to the servers that tenant databases are on.
//!
//! Every call dials anew: the host is resolved once, what it resolves to is looked at, and that is what
//! is dialled. Every call may be repeated: it looks at what is there and does what is missing, since
//! whoever made it last may have died before they could say so.

use super::own_record::OwnRecord;
use super::record::{CredentialKind, Login, Nonce, Origin, TenantDatabase};
use crate::dialling::NamedBy;
use crate::error::BoxError;
use crate::ids::AccountId;
use async_trait::async_trait;
use std::net::IpAddr;
use std::sync::Arc;

/// Where to log in, and as whom.
#[derive(Clone, Copy)]
pub struct Access<'a> {
    /// A host's name or address.
    pub host: &'a str,
    /// The TCP port.
    pub port: u16,
    /// The role.
    pub user: &'a str,
    /// Its password.
    pub password: &'a str,
    /// Whose word the host is.
    pub named_by: NamedBy,
}

impl std::fmt::Debug for Access<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Access")
    }
}

/// The names of a tenant database and of what was made for it.
#[derive(Clone, Debug)]
pub struct Names {
    /// The account, for the marker.
    pub account: AccountId,
    /// The root account, for the account's record.
    pub root: AccountId,
    /// Which making of it.
    pub nonce: Nonce,
    /// The database.
    pub database: Box<str>,
    /// Its name while it is made. Holds the nonce, as the roles' names do: whatever has such a name was
    /// made for this database, and nothing else is ever dropped.
    pub temporary: Box<str>,
    /// The role that owns the database; nobody logs in as it.
    pub owner: Box<str>,
    /// The two roles that log in, members of the owner.
    pub logins: [Box<str>; 2],
    /// Whether it was made or taken over.
    pub origin: Option<Origin>,
    /// Whether the roles are used.
    pub credential: Option<CredentialKind>,
}

impl Names {
    /// The names of what belongs to `database`.
    #[must_use]
    pub fn of(database: &TenantDatabase) -> Self {
        let id = crate::ids::to_base58(*database.account.as_bytes());
        let id = String::from_utf8_lossy(&id);
        let ours = format!("svc_{id}_{}", database.nonce);
        Self {
            account: database.account,
            root: database.root,
            nonce: database.nonce,
            database: database.name.as_str().into(),
            logins: Login::BOTH.map(|login| format!("{ours}_{}", login.as_str()).into()),
            temporary: ours.clone().into(),
            owner: ours.into(),
            origin: database.origin,
            credential: database.credential,
        }
    }

    /// The name of a login.
    #[must_use]
    pub fn login(&self, login: Login) -> &str {
        &self.logins[login.index()]
    }
}

/// What was found on a server.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The user may make roles.
    pub may_make_roles: bool,
    /// The user may make databases.
    pub may_make_databases: bool,
    /// A database of the name, where there is one.
    pub existing: Option<Existing>,
}

/// A database that was there before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// It is empty and the user's own.
    Adoptable,
    /// It is somebody's, or in use, or an account's.
    Foreign,
}

/// Why a server did not do what it was asked. None of it is the server's own text.
#[derive(Debug)]
pub enum Refused {
    /// An address that may not be dialled.
    NotAllowed,
    /// It cannot be reached, or does not speak as it should. The cause is for the operator's log.
    Unreachable(BoxError),
    /// It does not take the user and the password.
    Login,
    /// A database of this name is there, and is not to be touched.
    Exists,
    /// The user may not do what is needed.
    Rights,
    /// A file of the product's schema fails.
    Migration {
        /// Its version.
        version: u64,
        /// The SQLSTATE.
        code: Box<str>,
    },
    /// Something else failed; the same may succeed later.
    Failed(BoxError),
}

impl Refused {
    /// The word that is stored and logged.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::NotAllowed => "host_not_allowed",
            Self::Unreachable(_) => "unreachable",
            Self::Login => "login",
            Self::Exists => "exists",
            Self::Rights => "rights",
            Self::Migration { .. } => "migration",
            Self::Failed(_) => "failed",
        }
    }

    /// Whether trying again may help, where it went well so far.
    #[must_use]
    pub const fn may_pass(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::Failed(_))
    }
}

/// A file of the product's schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Migration {
    /// The number that its name begins with.
    pub version: u64,
    /// The rest of its name.
    pub name: Box<str>,
    /// Its text.
    pub sql: Box<str>,
    /// SHA-256 of its text.
    pub checksum: [u8; 32],
}

/// The product's schema: files in the order of their versions.
#[derive(Clone, Debug, Default)]
pub struct MigrationSet(pub Arc<[Migration]>);

impl MigrationSet {
    /// The version of the last file; 0 where there is none.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.0.last().map_or(0, |migration| migration.version)
    }
}

/// Who a migration makes things as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// As whoever is logged in.
    Login,
    /// As the role that owns the database.
    Role,
}

/// What a tenant database is like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspected {
    /// The server's `server_version_num`.
    pub server_version: u32,
    /// Bytes on the server's disk.
    pub size: u64,
    /// The version of the product's schema.
    pub schema_version: u64,
    /// How many other databases of the server the login may connect to, as PUBLIC may.
    pub reachable: u64,
}

/// What is asked of servers.
#[async_trait]
pub trait DatabaseServers: Send + Sync {
    /// Whether a customer may have this address dialled.
    fn permits(&self, address: IpAddr) -> bool;

    /// Looks at what the user may do and whether there is a database of the name.
    async fn look(&self, at: Access<'_>, names: &Names) -> Result<Seen, Refused>;

    /// Makes the owner and the two logins, which have these passwords from then on.
    async fn make_roles(
        &self,
        at: Access<'_>,
        names: &Names,
        passwords: [&str; 2],
    ) -> Result<(), Refused>;

    /// Makes the database under its temporary name.
    async fn make_database(&self, at: Access<'_>, names: &Names) -> Result<(), Refused>;

    /// Puts into the database what belongs there: the schema `tenantry` with a marker and the account's
    /// record, and the product's schema. A database that is taken over has its own name and is claimed
    /// by the marker, if it is still empty.
    async fn furnish(
        &self,
        at: Access<'_>,
        names: &Names,
        record: &OwnRecord,
        migrations: &MigrationSet,
    ) -> Result<(), Refused>;

    /// Gives the database its name.
    async fn rename(&self, at: Access<'_>, names: &Names) -> Result<(), Refused>;

    /// Gives the database to its owner, and takes PUBLIC's way into it.
    async fn give(&self, at: Access<'_>, names: &Names) -> Result<(), Refused>;

    /// Takes away what carries the nonce: databases, roles, and out of a database that was taken over
    /// what was put there.
    async fn clean(&self, at: Access<'_>, names: &Names) -> Result<(), Refused>;

    /// Reads the account's record.
    async fn read_record(&self, at: Access<'_>, names: &Names) -> Result<OwnRecord, Refused>;

    /// Replaces the account's record.
    async fn write_record(
        &self,
        at: Access<'_>,
        names: &Names,
        record: &OwnRecord,
    ) -> Result<(), Refused>;

    /// Gives the role that is logged in another password.
    async fn set_password(
        &self,
        at: Access<'_>,
        names: &Names,
        password: &str,
    ) -> Result<(), Refused>;

    /// Applies the files that were not applied, in their order, each with the note of it in one
    /// transaction; answers the version that the database has then, and how many files it took.
    async fn migrate(
        &self,
        at: Access<'_>,
        names: &Names,
        migrations: &MigrationSet,
    ) -> Result<(u64, u64), Refused>;

    /// Looks at a database that is in use.
    async fn inspect(&self, at: Access<'_>, names: &Names) -> Result<Inspected, Refused>;
}
