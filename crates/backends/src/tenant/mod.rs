//! Servers that tenant databases are on: reached with care, since most of them are strangers'.
//!
//! - [`dial`]: which address is dialled, and the session that comes of it
//! - `guard`: what a server may say before and after it has proved that it knows the password
//! - `session`: statements with a deadline each
//! - `files`: the product's schema, from a directory
//! - [`servers`]: the port of the rules; `provision`, `furnish`, `clean`, `own_record`, `schema` behind it

mod clean;
pub mod dial;
mod files;
mod furnish;
mod guard;
mod own_record;
mod provision;
mod schema;
pub mod servers;
mod session;
mod sql;

pub use files::read_migrations;
