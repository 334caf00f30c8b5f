//! What is behind the ports of `tenantry-core`: the stores, and fetching what issuers publish.
//!
//! A backend takes finished records and gives back unverified ones. It makes no choices, draws no
//! ids, reads no clock and knows no rule about who may do what. Row structs and SQL stay inside.
//!
//! `tests/conformance/` is the specification of every store method; each backend runs it.

pub mod archive;
pub mod checkpoint_file;
pub mod documents;
pub mod postgres;
pub mod redis;
mod rows;
pub mod sqlite;
pub mod tenant;
#[cfg(feature = "testing")]
pub mod testing;
