//! The accounts contract: JSON:API 1.1, ids and keys in base58.

pub(crate) mod api_keys;
pub(crate) mod create;
pub(crate) mod media;
pub(crate) mod problem;
