//! OAuth 2: tokens for service accounts.

mod assertions;
mod bearer;
mod forged;
mod introspection;
mod requests;
mod revocation;
mod signing_keys;
