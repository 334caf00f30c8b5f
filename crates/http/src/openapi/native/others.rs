//! Who calls, how the server is, and this description.

use crate::openapi::part::{Caller, Part};
use crate::reply::JSON;
use tenantry_api::keys::WhoAmI;
use utoipa::ToSchema;
use utoipa::openapi::path::HttpMethod::Get;

const TEXT: &str = "text/plain; charset=utf-8";

/// An OpenAPI 3.1 document.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what utoipa writes")]
struct OpenApiDocument {
    openapi: String,
    #[schema(value_type = Object)]
    info: (),
    #[schema(value_type = Object)]
    paths: (),
    #[schema(value_type = Object)]
    components: (),
}

pub(super) fn describe(part: &mut Part) {
    part.call(Get, "/v1/whoami", (Caller::Key, "The presented key itself"), |call| {
        call.gives::<WhoAmI<'_>>(200, JSON, "The key, its account and permissions")
    });
    part.call(Get, "/livez", (Caller::Anybody, "Does the process answer?"), |call| {
        call.gives_text(200, TEXT, "It does")
    });
    part.call(Get, "/readyz", (Caller::Anybody, "Does the server want requests?"), |call| {
        call.gives_text(200, TEXT, "It does").gives_text(503, TEXT, "It does not")
    });
    part.call(Get, "/readyz/writes", (Caller::Anybody, "Does the server take changes?"), |call| {
        call.gives_text(200, TEXT, "It does").gives_text(503, TEXT, "It does not")
    });
    part.call(Get, "/openapi.json", (Caller::Anybody, "This document"), |call| {
        call.gives::<OpenApiDocument>(200, JSON, "OpenAPI 3.1")
    });
    part.call(Get, "/docs", (Caller::Anybody, "This document, for people"), |call| {
        call.gives_text(200, "text/html; charset=utf-8", "A page that asks no other host")
    });
}
