//! What the command line says of tenant databases.

use super::resources::At;
use super::{Printing, parse_seconds};
use clap::{ArgGroup, Args, Subcommand};

#[derive(Subcommand)]
pub(crate) enum Databases {
    /// Lists the tenant databases of all organizations, or of one
    List {
        /// Of this organization alone, `acc_…` or a UUID
        #[arg(long)]
        organization: Option<String>,
        #[command(flatten)]
        printing: Printing,
    },
    /// Shows a tenant database and what its server says of it
    Status {
        /// The sub-account, `acc_…` or a UUID
        account: String,
        #[command(flatten)]
        printing: Printing,
    },
    /// Prints what it takes to connect to a sub-account's database
    Credentials {
        /// The sub-account, `acc_…` or a UUID
        account: String,
        #[command(flatten)]
        at: At,
    },
    /// Gives a sub-account's database out under its other login, with a new password
    Rotate {
        /// The sub-account, `acc_…` or a UUID
        account: String,
        /// For how long the login before goes on: a number with s, m, h or d; at most 30d
        #[arg(long, default_value = "0s", value_parser = parse_seconds)]
        grace: u64,
        #[command(flatten)]
        at: At,
    },
    /// Brings the product's schema up to date: the files of --tenant-migrations that a database does not
    /// have yet
    Migrate(MigrateDatabases),
    /// Puts all that is sealed under the newest key-encryption key
    Rewrap {
        #[command(flatten)]
        printing: Printing,
    },
}

#[derive(Args)]
#[command(group = ArgGroup::new("which").required(true))]
pub(crate) struct MigrateDatabases {
    /// In every tenant database that is in use
    #[arg(long, group = "which")]
    pub(crate) all: bool,
    /// In the database of this sub-account, `acc_…` or a UUID
    #[arg(long, group = "which")]
    pub(crate) account: Option<String>,
    /// First in so many of them, and in the others only if all of those went well
    #[arg(long, default_value_t = 0, requires = "all")]
    pub(crate) canary: usize,
    /// In how many at once
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u8).range(1..=64))]
    pub(crate) concurrency: u8,
    #[command(flatten)]
    pub(crate) printing: Printing,
}
