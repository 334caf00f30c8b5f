//! The sub-accounts contract: plain JSON, keys `sa-` and 32 hex digits.

pub(crate) mod create;
pub(crate) mod problem;
