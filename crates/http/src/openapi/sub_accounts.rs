//! The sub-accounts dialect.

use super::call::{Caller, Part};
use crate::dialects::sub_accounts::create::Reply as Created;
use crate::dialects::sub_accounts::problem::Body as Refused;
use crate::reply::JSON;
use utoipa::ToSchema;
use utoipa::openapi::path::HttpMethod::Post;

/// What a sub-account is made of.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what the handler reads member by member")]
struct CreateSubAccount {
    /// 1 to 100 characters.
    #[schema(min_length = 1, max_length = 100)]
    name: String,
    /// Whether it has a database of its own.
    multi_tenant: Option<bool>,
    /// Its host. Read only with `multi_tenant`.
    db_host: Option<String>,
    /// Its name.
    db_name: Option<String>,
    /// Its port, a number or digits; 5432 unless given.
    #[schema(value_type = Option<serde_json::Value>)]
    db_port: Option<String>,
    /// A user who may create it.
    db_user: Option<String>,
    /// That user's password.
    db_password: Option<String>,
    /// Concurrent calls; the organization's default unless given.
    #[schema(minimum = 1, maximum = 1_000_000)]
    allow_concurrent_calls: Option<u32>,
}

pub(super) fn describe() -> Part {
    let about = "The sub-accounts contract. Refusals are `{\"error\":400,\"message\":\"…\"}`.";
    let mut part = Part::new::<Refused<'_>>("sub-accounts", about, JSON);
    part.call(Post, "/sub-accounts/create", (Caller::Key, "Make a sub-account"), |call| {
        call.takes::<CreateSubAccount>(JSON)
            .gives::<Created<'_>>(200, JSON, "All fields of the contract; `api_key` is shown once")
            .repeatable()
            .refuses(&[(501, "A database of the account's own is asked for")])
    });
    part
}
