//! The words of Tenantry's native API and of its operator's socket: what goes over the wire, as
//! server and clients share it. No rules live here.
//!
//! Times are RFC 3339 in UTC with microseconds; ids are prefixed (`acc_`, `key_`, `svc_`, `sec_`, `rlm_`).
//! Unknown members of a request are ignored, members that only the server sets are refused.

pub mod accounts;
pub mod audit;
pub mod databases;
pub mod keys;
pub mod leases;
pub mod limits;
pub mod list;
pub mod operator;
pub mod patch;
pub mod problem;
pub mod realms;
pub mod service_accounts;
pub mod usage;
