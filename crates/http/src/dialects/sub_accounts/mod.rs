//! The sub-accounts contract: plain JSON, keys `sa-` and 32 hex digits.

pub(crate) mod account;
pub(crate) mod create;
pub(crate) mod list;
pub(crate) mod me;
pub(crate) mod problem;
pub(crate) mod usage;
