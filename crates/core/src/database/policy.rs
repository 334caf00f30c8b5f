//! What the operator says about tenant databases.

use super::new::{DatabaseHost, DatabaseIdentifier, DatabasePassword, DatabasePort};
use super::servers::MigrationSet;
use crate::limits;
use std::time::Duration;

/// What the operator says about tenant databases.
#[derive(Clone, Debug)]
pub struct DatabasePolicy {
    /// Servers that databases are made on where the caller brings none.
    pub servers: Vec<ManagedServer>,
    /// The product's schema.
    pub migrations: MigrationSet,
    /// How often in a minute the servers that one root account names are dialled, on a node.
    pub dials_per_minute: u32,
    /// How long a server may take to be looked at; every refusal of one that was not reached takes as
    /// long.
    pub dial_budget: Duration,
    /// How long a caller waits for a database; what takes longer goes on without.
    pub inline: Duration,
}

impl Default for DatabasePolicy {
    fn default() -> Self {
        Self {
            servers: Vec::new(),
            migrations: MigrationSet::default(),
            dials_per_minute: limits::DATABASE_DIALS_PER_MINUTE,
            dial_budget: limits::DATABASE_DIAL_BUDGET,
            inline: limits::DATABASE_INLINE,
        }
    }
}

/// A server of the operator's, on which databases are made.
#[derive(Clone, Debug)]
pub struct ManagedServer {
    /// What it is called in the configuration and in replies.
    pub name: Box<str>,
    /// Its host.
    pub host: DatabaseHost,
    /// Its port.
    pub port: DatabasePort,
    /// A user who may make roles and databases.
    pub user: DatabaseIdentifier,
    /// That user's password, which the store never has.
    pub password: DatabasePassword,
}

impl DatabasePolicy {
    /// The server of this name.
    #[must_use]
    pub fn server(&self, name: &str) -> Option<&ManagedServer> {
        self.servers.iter().find(|server| &*server.name == name)
    }
}
