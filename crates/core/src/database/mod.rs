//! A database of a sub-account's own: how it is asked for, made or taken over, found, reached and
//! migrated.
//!
//! - [`NewDatabase`]: what a caller may say about one
//! - [`TenantDatabase`]: what the plane's store has of it, passwords sealed
//! - [`DatabaseServers`]: what is asked of the server that it is on
//! - `provision`, `saga`, `clean`: how it comes to be, whoever goes on with it, and how nothing is left
//!   behind
//! - `connect`, `own_record`: what it is there for

mod clean;
mod connect;
mod doors;
mod due;
mod find;
mod migrate;
mod new;
mod own_record;
mod policy;
mod provision;
mod record;
mod rewrap;
mod saga;
mod servers;

pub(crate) use doors::Doors;

pub use connect::{Connection, RotatedDatabase};
pub use find::{DatabasePage, InspectedDatabase};
pub use migrate::MigratedDatabase;
pub use new::{
    DatabaseHost, DatabaseIdentifier, DatabaseParts, DatabasePassword, DatabasePort, NewDatabase,
};
pub use own_record::OwnRecord;
pub use policy::{DatabasePolicy, ManagedServer};
pub use provision::{CreatedDatabase, DedicatedDatabase};
pub use record::{CredentialKind, DatabaseState, Login, Nonce, Origin, Step, TenantDatabase};
pub use rewrap::Rewrapped;
pub use servers::{
    Access, DatabaseServers, Existing, Inspected, Migration, MigrationSet, Names, Owner, Refused,
    Seen,
};
