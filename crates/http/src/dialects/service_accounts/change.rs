//! Changing, switching and deleting a service account.

use super::envelope;
use super::tenant::Administrator;
use crate::app::AppState;
use crate::body::{self, JsonBody};
use crate::caller::PathSegment;
use crate::query::Query;
use crate::refusal::Refusal;
use axum::extract::State;
use axum::response::Response;
use tenantry_core::actor::Context;
use tenantry_core::error::{Error, Problem, Violation};
use tenantry_core::json::Json;
use tenantry_core::permissions::PermissionSet;
use tenantry_core::service_accounts::{ServiceAccountChanges, ServiceAccountDetails, Switch};
use tenantry_core::text::Name;

/// `PATCH /api/v1/admin/service-account/{id}`: name, permissions and status.
pub(crate) async fn update(
    State(state): State<AppState>,
    Administrator(context): Administrator,
    PathSegment(id): PathSegment,
    query: Query,
    body: JsonBody,
) -> Result<Response, Refusal> {
    query.finish()?;
    let id = envelope::parse_id(&id)?;
    let changes = decode(&body.value)?;
    let updated = state.plane.update_service_account(&context, id, &changes).await?;
    reply(&state, "Service account updated successfully", &updated)
}

/// `DELETE /api/v1/admin/service-account/{id}`
pub(crate) async fn delete(
    State(state): State<AppState>,
    Administrator(context): Administrator,
    PathSegment(id): PathSegment,
    query: Query,
) -> Result<Response, Refusal> {
    query.finish()?;
    let id = envelope::parse_id(&id)?;
    let (deleted, _) = state.plane.delete_service_account(&context, id).await?;
    reply(&state, "Service account deleted successfully", &deleted)
}

/// `POST /api/v1/admin/service-account/{id}/enable`
pub(crate) async fn enable(
    State(state): State<AppState>,
    Administrator(context): Administrator,
    PathSegment(id): PathSegment,
    query: Query,
) -> Result<Response, Refusal> {
    query.finish()?;
    let enabled = switch(&state, &context, &id, Switch::On).await?;
    reply(&state, "Service account enabled successfully", &enabled)
}

/// `POST /api/v1/admin/service-account/{id}/disable`
pub(crate) async fn disable(
    State(state): State<AppState>,
    Administrator(context): Administrator,
    PathSegment(id): PathSegment,
    query: Query,
) -> Result<Response, Refusal> {
    query.finish()?;
    let disabled = switch(&state, &context, &id, Switch::Off).await?;
    reply(&state, "Service account disabled successfully", &disabled)
}

async fn switch(
    state: &AppState,
    context: &Context,
    id: &str,
    switch: Switch,
) -> Result<ServiceAccountDetails, Error> {
    let id = envelope::parse_id(id)?;
    let (details, _) = state.plane.switch_service_account(context, id, switch).await?;
    Ok(details)
}

fn reply(
    state: &AppState,
    message: &'static str,
    details: &ServiceAccountDetails,
) -> Result<Response, Refusal> {
    let data = envelope::encode(details, None)?;
    Ok(envelope::reply(message, data, state.plane.clock().now())?)
}

/// Members that only the server sets are refused, unless this call sets them; others are ignored.
fn decode(body: &Json) -> Result<ServiceAccountChanges, Error> {
    const CHANGED: [&str; 3] = ["name", "permissions", "status"];
    let Json::Object(members) = body else {
        return Err(Error::Malformed("the body is not a JSON object"));
    };
    let mut violations = body::server_set(body, "");
    violations.retain(|violation| !CHANGED.contains(&&*violation.field));
    let mut changes = ServiceAccountChanges::default();
    for (name, value) in members {
        let outcome = match name.as_str() {
            "name" => text(value).and_then(Name::parse).map(|name| changes.name = Some(name)),
            "permissions" => permissions(value).map(|set| changes.permissions = Some(set)),
            "status" => status(value).map(|switch| changes.switch = Some(switch)),
            _ => Ok(()),
        };
        if let Err(problem) = outcome {
            violations.push(Violation { field: name.clone().into(), problem });
        }
    }
    if !violations.is_empty() {
        return Err(Error::Invalid(violations));
    }
    if members.iter().any(|(name, _)| CHANGED.contains(&name.as_str())) {
        Ok(changes)
    } else {
        Err(Error::Malformed("No valid fields provided"))
    }
}

fn text(value: &Json) -> Result<&str, Problem> {
    value.as_str().ok_or(Problem::WrongType("a string"))
}

fn status(value: &Json) -> Result<Switch, Problem> {
    match text(value)? {
        "active" => Ok(Switch::On),
        "disabled" => Ok(Switch::Off),
        _ => Err(Problem::Malformed),
    }
}

fn permissions(value: &Json) -> Result<PermissionSet, Problem> {
    let wrong = Problem::WrongType("an array of strings");
    let Json::Array(values) = value else {
        return Err(wrong);
    };
    let texts: Option<Vec<&str>> = values.iter().map(Json::as_str).collect();
    PermissionSet::parse(texts.ok_or(wrong)?)
}
