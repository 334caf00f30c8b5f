//! `GET /api/v1/admin/service-account/{id}`

use super::envelope;
use super::tenant::Administrator;
use crate::app::AppState;
use crate::caller::PathSegment;
use crate::query::Query;
use crate::refusal::Refusal;
use axum::extract::State;
use axum::response::Response;

/// A service account of the tenant.
pub(crate) async fn find(
    State(state): State<AppState>,
    Administrator(context): Administrator,
    PathSegment(id): PathSegment,
    query: Query,
) -> Result<Response, Refusal> {
    query.finish()?;
    let id = envelope::parse_id(&id)?;
    let found = state.plane.find_service_account(&context, id).await?;
    let data = envelope::encode(&found, None)?;
    let now = state.plane.clock().now();
    Ok(envelope::reply("Service account retrieved successfully", data, now)?)
}
