//! Platform keys.

use super::take;
use crate::app::AppState;
use crate::body::JsonBody;
use crate::caller::Operator;
use crate::native::{self, keys};
use crate::once::{Attempt, once};
use crate::query::Query;
use crate::refusal::Refusal;
use crate::reply;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use tenantry_api::operator as api;
use tenantry_core::error::Error;
use tenantry_core::keys::CreatedPlatformKey;
use tenantry_core::text::Name;

/// Makes a platform key.
pub(crate) async fn create(
    State(state): State<AppState>,
    Operator(context): Operator,
    attempt: Attempt,
    body: JsonBody,
) -> Result<Response, Refusal> {
    let wanted: api::CreatePlatformKey = native::decode(&body)?;
    let mut violations = Vec::new();
    let name = wanted.name.and_then(|name| take(&mut violations, "name", Name::parse(&name)));
    if !violations.is_empty() {
        return Err(Error::Invalid(violations).into());
    }
    let encode = |created: &CreatedPlatformKey| {
        let reply = keys::encode_created_key(&created.key, &created.secret)?;
        reply::keepable(StatusCode::CREATED, reply::JSON, &reply)
    };
    once(&state, &context, &attempt, &body.bytes, &encode, async |once| {
        state.plane.create_platform_key(&context, name, once).await
    })
    .await
}

/// A page of platform keys.
pub(crate) async fn list(
    State(state): State<AppState>,
    Operator(context): Operator,
    mut query: Query,
) -> Result<Response, Refusal> {
    let asked = query.page()?;
    query.finish()?;
    let page = state.plane.list_platform_keys(&context, &asked.request()?).await?;
    Ok(reply::json(StatusCode::OK, reply::JSON, &keys::encode_keys(&page)?))
}
