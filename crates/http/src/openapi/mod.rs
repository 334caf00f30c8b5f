//! The published description: one OpenAPI 3.1 document per family, made from the types that the
//! handlers read and write, and all of them in one. Tests hold it and `ROUTES` together, both ways.

mod accounts;
mod call;
mod native;
mod oauth;
mod page;
mod part;
mod service_accounts;
mod sub_accounts;
mod values;

use crate::refusal::Refusal;
use crate::reply;
use crate::routes::Family;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use bytes::Bytes;
use part::Part;
use std::sync::LazyLock;
use tenantry_core::error::Error;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{
    ComponentsBuilder, InfoBuilder, OpenApi, OpenApiBuilder, PathsBuilder, tag::TagBuilder,
};

/// The document of one family.
#[must_use]
pub fn document_of(family: Family) -> OpenApi {
    assemble([part(family)])
}

/// The document of all families.
#[must_use]
pub fn document() -> OpenApi {
    assemble(Family::ALL.map(part))
}

fn part(family: Family) -> Part {
    match family {
        Family::Native => native::describe(),
        Family::SubAccounts => sub_accounts::describe(),
        Family::Accounts => accounts::describe(),
        Family::ServiceAccounts => service_accounts::describe(),
        Family::OAuth => oauth::describe(),
    }
}

/// Schemes by which callers are known; a call names one of them.
const API_KEY: &str = "api_key";
const ADMIN_TOKEN: &str = "admin_token";
const CLIENT: &str = "client";

fn assemble(parts: impl IntoIterator<Item = Part>) -> OpenApi {
    let bearer = |description: &str| {
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer);
        SecurityScheme::Http(scheme.description(Some(description)).build())
    };
    let client = HttpBuilder::new().scheme(HttpAuthScheme::Basic).description(Some(
        "A service account's client id and secret, each form-encoded; or in the body, or a JWT \
         signed with one of its keys there.",
    ));
    let client = SecurityScheme::Http(client.build());
    let mut components = ComponentsBuilder::new()
        .security_scheme(API_KEY, bearer("An API key or platform key, in any of its formats."))
        .security_scheme(CLIENT, client)
        .security_scheme(ADMIN_TOKEN, bearer("An administrator's JWT, of a configured realm."));
    let mut paths = PathsBuilder::new();
    let mut tags = Vec::new();
    for part in parts {
        tags.push(TagBuilder::new().name(part.tag).description(Some(part.about)).build());
        for (path, item) in part.paths.paths {
            paths = paths.path(path, item);
        }
        for (name, schema) in part.schemas {
            components = components.schema(name, schema);
        }
    }
    let info = InfoBuilder::new()
        .title("Tenantry")
        .description(Some(
            "Accounts, API keys and service accounts of a multi-tenant API product, and the answer \
             to \"may this key do this, now?\".",
        ))
        .version(env!("CARGO_PKG_VERSION"));
    OpenApiBuilder::new()
        .info(info)
        .tags(Some(tags))
        .paths(paths)
        .components(Some(components.build()))
        .build()
}

/// Names of the schemas of a family.
#[must_use]
pub fn schema_names(family: Family) -> Vec<String> {
    part(family).schemas.into_keys().collect()
}

/// `GET /openapi.json`
pub(crate) async fn json() -> Result<Response, Refusal> {
    static TEXT: LazyLock<Option<Bytes>> =
        LazyLock::new(|| document().to_json().ok().map(Bytes::from));
    let text = TEXT.clone().ok_or_else(|| Error::internal("the document cannot be written"))?;
    Ok(reply::public(reply::JSON, text))
}

/// `GET /docs`: the same for people. One page that asks no other host for anything.
pub(crate) async fn html() -> Result<Response, Refusal> {
    static TEXT: LazyLock<Option<Bytes>> =
        LazyLock::new(|| page::render(&document()).ok().map(Bytes::from));
    let text = TEXT.clone().ok_or_else(|| Error::internal("the page cannot be written"))?;
    let mut response = reply::public("text/html; charset=utf-8", text);
    let headers = response.headers_mut();
    let policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; \
                  base-uri 'none'; form-action 'none'";
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    Ok(response)
}
