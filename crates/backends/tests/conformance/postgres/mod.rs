//! What only the store on PostgreSQL promises: its schema, its sessions, its lost commits.

mod commits;
mod gathered;
mod hints;
mod parity;
mod pooled;
mod schema;
mod servers;
mod sessions;
mod tls;

use crate::support::NOW;
use tenantry_backends::postgres::{PostgresOptions, PostgresStore};

async fn open(url: &str) -> PostgresStore {
    PostgresStore::open(&PostgresOptions::new(url, NOW)).await.expect("a store")
}
