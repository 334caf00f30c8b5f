//! The rules of Tenantry: what accounts, credentials and realms are, who may do what, and what a
//! verification answers.
//!
//! This crate decides; surfaces (`tenantry-http`, the command line) translate and backends
//! remember. It sees no HTTP, no SQL and no wire format, and none of its domain types implements
//! `Serialize`. Every use case is one method of [`Plane`] and exists once.

pub mod accounts;
pub mod actor;
pub mod audit;
pub mod clock;
pub mod cluster;
pub mod commit;
pub mod credentials;
pub mod database;
pub mod dialling;
pub mod error;
pub mod ids;
pub mod json;
pub mod jwt;
pub mod keys;
pub mod leads;
pub mod leases;
pub mod limits;
pub mod members;
pub mod oauth;
pub mod page;
pub mod permissions;
pub mod plane;
pub mod rates;
pub mod realms;
pub mod replay;
pub mod rng;
pub mod secrets;
pub mod service_accounts;
pub mod store;
pub mod text;
pub mod usage;
pub mod uses;
pub mod verify;

pub use error::{Error, Result};
pub use plane::Plane;
