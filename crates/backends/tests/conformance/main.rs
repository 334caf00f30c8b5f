//! The specification of the store: every method of `tenantry_core::store` has functions here, in
//! the file of its feature, and every backend runs all of them.

#[macro_use]
mod suite;

mod accounts;
mod audit;
mod backend;
mod changes;
mod credentials;
mod databases;
mod foreign_keys;
mod given_calls;
mod health;
mod keys;
mod leads;
mod leases;
mod members;
mod nodes;
mod oauth;
mod on_postgres;
mod on_sqlite;
mod postgres;
mod realms;
mod replays;
mod rotations;
mod service_accounts;
#[path = "../support/mod.rs"]
mod support;
mod trail;
mod usage;
mod usage_sums;
mod uses;
mod versions;
