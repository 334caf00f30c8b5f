//! The HTTP suite: the whole surface in process, on a real store, with a clock and randomness that
//! the tests own. Numbers in test names are the abuse cases of `docs/design/security.md`.

mod account_status;
mod accounts;
mod api_keys;
mod audit;
mod authentication;
mod bulk;
mod contracts;
mod coverage;
mod forgery;
mod grants;
mod hang_ups;
mod health;
mod idempotency;
mod imports;
mod input;
mod json_api;
mod key_rights;
mod keys;
mod matrix;
mod members;
mod misses;
mod openapi;
mod operator;
mod rotation;
mod rotation_laws;
mod service_account_life;
mod service_account_rights;
mod service_account_siblings;
mod service_accounts;
mod sub_accounts;
mod support;
mod tampering;
mod tenancy;
mod traces;
mod verification;
