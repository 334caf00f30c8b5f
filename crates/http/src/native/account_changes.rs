//! `PATCH /v1/accounts/{id}`, and its suspending, resuming and closing.

use super::accounts::encode_account;
use super::effective::Wait;
use crate::app::AppState;
use crate::body::JsonBody;
use crate::caller::{Caller, PathSegment};
use crate::query::Query;
use crate::refusal::Refusal;
use crate::reply;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use tenantry_api::accounts as api;
use tenantry_api::patch::Patch;
use tenantry_core::accounts::{AccountChanges, Profile};
use tenantry_core::error::{Error, Kind, Problem, Violation};
use tenantry_core::ids::AccountId;
use tenantry_core::json;
use tenantry_core::text::{Line, Metadata, Name};

/// `PATCH /v1/accounts/{id}`: name, profile and metadata.
pub(crate) async fn update(
    State(state): State<AppState>,
    Caller(context): Caller,
    PathSegment(id): PathSegment,
    body: JsonBody,
) -> Result<Response, Refusal> {
    let changes = decode(super::decode(&body)?)?;
    let account = state.plane.update_account(&context, parse(&id)?, &changes).await?;
    Ok(reply::json(StatusCode::OK, reply::JSON, &encode_account(&account)?))
}

/// `POST /v1/accounts/{id}/suspend`
pub(crate) async fn suspend(
    State(state): State<AppState>,
    Caller(context): Caller,
    PathSegment(id): PathSegment,
    query: Query,
) -> Result<Response, Refusal> {
    let wait = Wait::take(query)?;
    let (_, effective) = state.plane.suspend_account(&context, parse(&id)?).await?;
    wait.answer(&state, effective).await
}

/// `POST /v1/accounts/{id}/resume`
pub(crate) async fn resume(
    State(state): State<AppState>,
    Caller(context): Caller,
    PathSegment(id): PathSegment,
    query: Query,
) -> Result<Response, Refusal> {
    let wait = Wait::take(query)?;
    let (_, effective) = state.plane.resume_account(&context, parse(&id)?).await?;
    wait.answer(&state, effective).await
}

/// `POST /v1/accounts/{id}/close`
pub(crate) async fn close(
    State(state): State<AppState>,
    Caller(context): Caller,
    PathSegment(id): PathSegment,
    query: Query,
) -> Result<Response, Refusal> {
    let wait = Wait::take(query)?;
    let (_, effective) = state.plane.close_account(&context, parse(&id)?).await?;
    wait.answer(&state, effective).await
}

fn parse(id: &str) -> Result<AccountId, Error> {
    AccountId::parse_any(id).map_err(|_| Error::NotFound(Kind::Account))
}

fn decode(body: api::UpdateAccount<'_>) -> Result<AccountChanges, Error> {
    let mut violations: Vec<Violation> = Vec::new();
    let mut refuse = |field: String, problem: Problem| {
        violations.push(Violation { field: field.into(), problem });
    };
    let mut changes = AccountChanges::default();
    match body.name {
        Patch::Keep => {}
        Patch::Clear => refuse("name".to_owned(), Problem::Missing),
        Patch::Set(name) => match Name::parse(&name) {
            Ok(name) => changes.name = Some(name),
            Err(problem) => refuse("name".to_owned(), problem),
        },
    }
    for (index, value) in profile(body.profile).into_iter().enumerate() {
        match value {
            Patch::Keep => {}
            Patch::Clear => changes.profile.push((index, None)),
            Patch::Set(value) => match Line::parse_paragraph(&value) {
                Ok(line) => changes.profile.push((index, Some(line))),
                Err(problem) => refuse(format!("profile.{}", Profile::FIELDS[index]), problem),
            },
        }
    }
    match body.metadata {
        Patch::Keep => {}
        Patch::Clear => changes.metadata = Some(Metadata::empty()),
        Patch::Set(text) => {
            let value = json::parse(text.get().as_bytes()).map_err(|_| Problem::Malformed);
            match value.and_then(|value| Metadata::from_json(&value)) {
                Ok(metadata) => changes.metadata = Some(metadata),
                Err(problem) => refuse("metadata".to_owned(), problem),
            }
        }
    }
    if violations.is_empty() { Ok(changes) } else { Err(Error::Invalid(violations)) }
}

/// The attributes in the order of [`Profile::FIELDS`]; a profile of null has none left.
fn profile(profile: Patch<api::UpdateProfile>) -> [Patch<String>; Profile::FIELDS.len()] {
    match profile {
        Patch::Keep => Default::default(),
        Patch::Clear => std::array::from_fn(|_| Patch::Clear),
        Patch::Set(api::UpdateProfile {
            company,
            vat,
            country,
            address,
            city,
            state,
            zip_code,
        }) => [company, vat, country, address, city, state, zip_code],
    }
}
