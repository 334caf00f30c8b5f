//! `POST /api/v1/admin/service-account/{id}/rotate`

use super::envelope;
use super::tenant::Administrator;
use crate::app::AppState;
use crate::body::{self, OptionalJsonBody};
use crate::caller::PathSegment;
use crate::once::{Attempt, once};
use crate::query::Query;
use crate::refusal::Refusal;
use axum::extract::State;
use axum::response::Response;
use tenantry_core::error::{Error, Problem};
use tenantry_core::json::Json;
use tenantry_core::keys::Grace;
use tenantry_core::service_accounts::RotatedSecret;

/// A new client secret, shown once. The old one lives for `gracePeriodSeconds` at most, which is
/// none where no body says otherwise.
pub(crate) async fn rotate(
    State(state): State<AppState>,
    Administrator(context): Administrator,
    PathSegment(id): PathSegment,
    query: Query,
    attempt: Attempt,
    OptionalJsonBody(bytes, body): OptionalJsonBody,
) -> Result<Response, Refusal> {
    query.finish()?;
    let id = envelope::parse_id(&id)?;
    let grace = decode(body.as_ref())?;
    let now = state.plane.clock().now();
    let encode = |rotated: &RotatedSecret| {
        let data = envelope::encode(&rotated.details, Some(&rotated.secret))?;
        envelope::keepable("Client secret rotated successfully", data, now)
    };
    once(&state, &context, &attempt, &bytes, &encode, async |once| {
        state.plane.rotate_client_secret(&context, id, grace, once).await
    })
    .await
}

fn decode(body: Option<&Json>) -> Result<Grace, Error> {
    let body = match body {
        None => return Ok(Grace::NONE),
        Some(body @ Json::Object(_)) => body,
        Some(_) => return Err(Error::Malformed("the body is not a JSON object")),
    };
    let violations = body::server_set(body, "");
    if !violations.is_empty() {
        return Err(Error::Invalid(violations));
    }
    let grace = match body.get("gracePeriodSeconds") {
        None => Ok(Grace::NONE),
        // A number with a fraction or exponent is not an integer, whatever its value.
        Some(Json::Number(number)) if !number.is_f64() => {
            Grace::from_seconds(number.as_i64().unwrap_or(i64::MAX))
        }
        Some(_) => Err(Problem::WrongType("an integer")),
    };
    grace.map_err(|problem| Error::invalid("gracePeriodSeconds", problem))
}
