//! OAuth 2 for service accounts: tokens, introspection, revocation, keys and metadata.

mod client;
mod form;
pub(crate) mod introspect;
pub(crate) mod metadata;
pub(crate) mod problem;
pub(crate) mod revoke;
pub(crate) mod token;
