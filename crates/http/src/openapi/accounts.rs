//! The accounts dialect.

use super::part::{Caller, Part};
use crate::dialects::accounts::api_keys::Document as ApiKey;
use crate::dialects::accounts::create::{AccountProfileAttributes, Document as Created};
use crate::dialects::accounts::media::MEDIA;
use crate::dialects::accounts::problem::Body as Refused;
use utoipa::ToSchema;
use utoipa::openapi::path::HttpMethod::{Get, Post};

/// A JSON:API document with an account to make.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what the handler reads member by member")]
struct CreateAccountDocument {
    data: NewAccountResource,
}

/// An account to make.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what the handler reads member by member")]
struct NewAccountResource {
    r#type: AccountsType,
    attributes: NewAccountAttributes,
}

/// The collection's type.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "describes the one word that the handler takes")]
enum AccountsType {
    Accounts,
}

/// Its attributes.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what the handler reads member by member")]
struct NewAccountAttributes {
    /// 1 to 100 characters.
    #[schema(min_length = 1, max_length = 100)]
    name: String,
    #[schema(inline)]
    #[serde(flatten)]
    profile: AccountProfileAttributes,
}

pub(super) fn describe() -> Part {
    let about = "The accounts contract, JSON:API 1.1.";
    let mut part = Part::new::<Refused>("accounts", about, MEDIA, 422);
    let media = [(406, "No acceptable media type"), (415, "Another media type is named")];
    part.call(Post, "/api/v1/accounts", (Caller::Key, "Make an account"), |call| {
        call.takes::<CreateAccountDocument>(MEDIA)
            .gives::<Created<'_>>(
                201,
                MEDIA,
                "The account, and its key with the secret, shown once",
            )
            .repeatable()
            .refuses(&media)
    });
    part.call(Get, "/api/v1/api_keys/{id}", (Caller::Key, "Read a key"), |call| {
        call.gives::<ApiKey<'_>>(200, MEDIA, "The key, without its secret").refuses(&media)
    });
    part
}
