//! The published contracts, held against the started binary: each contract's own cURL lines, each
//! refusal that it documents, and what a newcomer's first minutes with the command line promise.
//!
//! Requests are made by the real curl, which `TENANTRY_TEST_CURL` names.

mod accounts;
mod command_line;
mod draining;
mod first_start;
mod metrics;
mod nesting;
mod off_loopback;
mod remote;
mod revocation;
mod service_accounts;
mod sub_accounts;
mod support;
mod verbs;
mod verification;
