//! `/sub-accounts/{uuid}`

use super::create::{decode_concurrent_calls, encode, violation};
use crate::app::AppState;
use crate::body::{self, JsonBody};
use crate::caller::{Caller, PathSegment};
use crate::refusal::Refusal;
use crate::reply;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use tenantry_core::accounts::AccountChanges;
use tenantry_core::error::{Error, Kind, Problem};
use tenantry_core::ids::AccountId;
use tenantry_core::json::Json;
use tenantry_core::text::Name;
use utoipa::ToSchema;

/// A sub-account, with the fields of its creation and without its secrets.
pub(crate) async fn find(
    State(state): State<AppState>,
    Caller(context): Caller,
    PathSegment(id): PathSegment,
) -> Result<Response, Refusal> {
    let found = state.plane.find_sub_account(&context, parse(&id)?).await?;
    let reply = encode(&found.account, &found.root, found.database.as_ref())?;
    Ok(reply::json(StatusCode::OK, reply::JSON, &reply))
}

/// Changes a sub-account's name and concurrent calls.
pub(crate) async fn update(
    State(state): State<AppState>,
    Caller(context): Caller,
    PathSegment(id): PathSegment,
    body: JsonBody,
) -> Result<Response, Refusal> {
    let changes = decode(&body.value)?;
    state.plane.update_sub_account(&context, parse(&id)?, &changes).await?;
    Ok(done("updated"))
}

/// Closes a sub-account; its keys refuse from then on.
pub(crate) async fn delete(
    State(state): State<AppState>,
    Caller(context): Caller,
    PathSegment(id): PathSegment,
) -> Result<Response, Refusal> {
    state.plane.close_sub_account(&context, parse(&id)?).await?;
    Ok(done("deleted"))
}

/// Ids in this dialect are UUIDs.
pub(super) fn parse(id: &str) -> Result<AccountId, Error> {
    AccountId::parse_uuid(id).map_err(|_| Error::NotFound(Kind::Account))
}

/// What became of a sub-account.
#[derive(Serialize, ToSchema)]
#[schema(as = SubAccountChanged)]
pub(crate) struct Done {
    /// `success`
    message: &'static str,
    /// `updated` or `deleted`
    state: &'static str,
}

fn done(state: &'static str) -> Response {
    reply::json(StatusCode::OK, reply::JSON, &Done { message: "success", state })
}

/// Members that are null count as absent, as they do where a sub-account is made.
fn decode(body: &Json) -> Result<AccountChanges, Refusal> {
    if !matches!(body, Json::Object(_)) {
        return Err(Error::Malformed("the body is not a JSON object").into());
    }
    let mut violations = body::server_set(body, "");
    let name = match body.get("name") {
        None | Some(Json::Null) => Ok(None),
        Some(Json::String(text)) => Name::parse(text).map(Some),
        Some(_) => Err(Problem::WrongType("a string")),
    };
    let name = name.map_err(|problem| violations.push(violation("name", problem)));
    let calls = decode_concurrent_calls(body)
        .map_err(|problem| violations.push(violation("limits.concurrent_calls", problem)));
    match (name, calls) {
        (Ok(None), Ok(None)) if violations.is_empty() => Err(Refusal::NoValidFields),
        (Ok(name), Ok(concurrent_calls)) if violations.is_empty() => {
            Ok(AccountChanges { name, concurrent_calls, ..AccountChanges::default() })
        }
        _ => Err(Error::Invalid(violations).into()),
    }
}
