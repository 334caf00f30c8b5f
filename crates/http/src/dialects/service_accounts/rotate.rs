//! `POST /api/v1/admin/service-account/{id}/rotate`

use super::envelope;
use super::tenant::Administrator;
use crate::app::AppState;
use crate::body::{self, OptionalJsonBody};
use crate::caller::PathSegment;
use crate::query::Query;
use crate::refusal::Refusal;
use axum::extract::State;
use axum::response::Response;
use tenantry_core::error::{Error, Problem};
use tenantry_core::json::Json;
use tenantry_core::keys::Grace;

/// A new client secret, shown once. The old one lives for `gracePeriodSeconds` at most, which is
/// none where no body says otherwise.
pub(crate) async fn rotate(
    State(state): State<AppState>,
    Administrator(context): Administrator,
    PathSegment(id): PathSegment,
    query: Query,
    OptionalJsonBody(_, body): OptionalJsonBody,
) -> Result<Response, Refusal> {
    query.finish()?;
    let id = envelope::parse_id(&id)?;
    let grace = decode(body.as_ref())?;
    let rotated = state.plane.rotate_client_secret(&context, id, grace).await?;
    let data = envelope::encode(&rotated.details, Some(&rotated.secret))?;
    let now = state.plane.clock().now();
    Ok(envelope::reply("Client secret rotated successfully", data, now)?)
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
