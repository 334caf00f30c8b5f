//! OAuth 2: tokens for service accounts.

use super::part::{Caller, Part};
use crate::oauth2::introspect::IntrospectionReply;
use crate::oauth2::metadata::{JWK_SET, JwkSet, ResourceMetadata, ServerMetadata};
use crate::oauth2::problem::Body as Refused;
use crate::oauth2::token::TokenReply;
use crate::reply::JSON;
use utoipa::ToSchema;
use utoipa::openapi::path::HttpMethod::{Get, Post};

const FORM: &str = "application/x-www-form-urlencoded";

/// How a client authenticates that does not in the header: in exactly one way.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what is read from a form")]
struct TokenForm {
    /// `client_credentials`
    grant_type: String,
    /// Permissions with blanks between; all of the service account's unless given.
    scope: Option<String>,
    /// Whom the token is for, an absolute URI, up to five times; Tenantry itself unless given
    /// (RFC 8707).
    resource: Option<Vec<String>>,
    client_id: Option<String>,
    client_secret: Option<String>,
    /// `urn:ietf:params:oauth:client-assertion-type:jwt-bearer`
    client_assertion_type: Option<String>,
    /// A JWT for the issuer, signed with a registered key (RFC 7523).
    client_assertion: Option<String>,
}

/// A token or key, and how a client authenticates that does not in the header.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what is read from a form")]
struct PresentedForm {
    token: String,
    /// Not looked at.
    token_type_hint: Option<String>,
    client_id: Option<String>,
    client_secret: Option<String>,
    /// `urn:ietf:params:oauth:client-assertion-type:jwt-bearer`
    client_assertion_type: Option<String>,
    /// A JWT for the issuer, signed with a registered key (RFC 7523).
    client_assertion: Option<String>,
}

pub(super) fn describe() -> Part {
    let about = "OAuth 2 for service accounts. Refusals are those of RFC 6749, section 5.2.";
    let mut part = Part::new::<Refused>("oauth2", about, JSON, 400);
    part.call(Post, "/oauth2/token", (Caller::Client, "Get an access token"), |call| {
        call.takes::<TokenForm>(FORM).gives::<TokenReply<'_>>(200, JSON, "A signed access token")
    });
    part.call(
        Post,
        "/oauth2/introspect",
        (Caller::Client, "What is this token, or API key?"),
        |call| {
            call.about(
                "For clients, and for holders of a key or token with `tenantry.keys:verify`. A \
                 client without that permission is told of its own tokens alone.",
            )
            .takes::<PresentedForm>(FORM)
            .gives::<IntrospectionReply<'_>>(
                200,
                JSON,
                "`active` alone unless it is good",
            )
        },
    );
    part.call(Post, "/oauth2/revoke", (Caller::Client, "End a token of one's own"), |call| {
        call.takes::<PresentedForm>(FORM)
            .gives_nothing(200, "It is ended, or was none of the client's; no body")
            .changes()
    });
    part.call(Get, "/oauth2/jwks.json", (Caller::Anybody, "The keys that sign"), |call| {
        call.gives::<JwkSet>(200, JWK_SET, "Public keys, for five minutes")
    });
    part.call(
        Get,
        "/.well-known/oauth-authorization-server",
        (Caller::Anybody, "Where everything is (RFC 8414)"),
        |call| call.gives::<ServerMetadata>(200, JSON, "The metadata"),
    );
    part.call(
        Get,
        "/.well-known/oauth-protected-resource",
        (Caller::Anybody, "Whose tokens the native API takes (RFC 9728)"),
        |call| call.gives::<ResourceMetadata>(200, JSON, "The metadata"),
    );
    part
}
