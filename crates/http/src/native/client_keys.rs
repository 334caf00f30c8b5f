//! `/v1/service-accounts/{id}/jwks` and `/v1/service-accounts/{id}/revoke-tokens`

use super::effective::Wait;
use super::service_accounts::service_account_id;
use crate::app::AppState;
use crate::body::JsonBody;
use crate::caller::{Caller, PathSegment};
use crate::query::Query;
use crate::refusal::Refusal;
use crate::reply;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use tenantry_api::service_accounts as api;
use tenantry_core::error::{Error, Problem, Violation};
use tenantry_core::json::Json;
use tenantry_core::oauth::{ClientKey, ClientSettings, NewClientKeys};

/// `GET /v1/service-accounts/{id}/jwks`
pub(crate) async fn find(
    State(state): State<AppState>,
    Caller(context): Caller,
    PathSegment(id): PathSegment,
    query: Query,
) -> Result<Response, Refusal> {
    query.finish()?;
    let settings = state.plane.find_client_keys(&context, service_account_id(&id)?).await?;
    Ok(reply::json(StatusCode::OK, reply::JSON, &encode(&settings)))
}

/// `PUT /v1/service-accounts/{id}/jwks`: the keys as they are then.
pub(crate) async fn replace(
    State(state): State<AppState>,
    Caller(context): Caller,
    PathSegment(id): PathSegment,
    query: Query,
    body: JsonBody,
) -> Result<Response, Refusal> {
    let wait = Wait::take(query)?;
    let id = service_account_id(&id)?;
    let (settings, _) = state.plane.set_client_keys(&context, id, &decode(&body.value)?).await?;
    wait.hold(&state, &context).await?;
    Ok(reply::json(StatusCode::OK, reply::JSON, &encode(&settings)))
}

/// `POST /v1/service-accounts/{id}/revoke-tokens`
pub(crate) async fn revoke_tokens(
    State(state): State<AppState>,
    Caller(context): Caller,
    PathSegment(id): PathSegment,
    query: Query,
) -> Result<Response, Refusal> {
    let wait = Wait::take(query)?;
    let id = service_account_id(&id)?;
    let effective = state.plane.revoke_client_tokens(&context, id).await?;
    wait.answer(&state, effective).await
}

fn decode(body: &Json) -> Result<NewClientKeys, Error> {
    if !matches!(body, Json::Object(_)) {
        return Err(Error::Malformed("the body is not a JSON object"));
    }
    let jwks = match body.get("keys") {
        Some(Json::Array(jwks)) => jwks,
        Some(_) => return Err(Error::invalid("keys", Problem::WrongType("an array"))),
        None => return Err(Error::invalid("keys", Problem::Missing)),
    };
    let token_endpoint_audience = match body.get("token_endpoint_audience") {
        None | Some(Json::Null) => false,
        Some(Json::Bool(flag)) => *flag,
        Some(_) => {
            let problem = Problem::WrongType("true or false");
            return Err(Error::invalid("token_endpoint_audience", problem));
        }
    };
    let mut violations = Vec::new();
    let mut keys = Vec::with_capacity(jwks.len());
    for (index, jwk) in jwks.iter().enumerate() {
        match ClientKey::parse(jwk) {
            Ok(key) => keys.push(key),
            Err(problem) => {
                violations.push(Violation { field: format!("keys.{index}").into(), problem });
            }
        }
    }
    if violations.is_empty() {
        Ok(NewClientKeys { keys, token_endpoint_audience })
    } else {
        Err(Error::Invalid(violations))
    }
}

fn encode(settings: &ClientSettings) -> api::ClientKeys {
    api::ClientKeys {
        keys: settings.keys.iter().map(|key| key.members().into_iter().collect()).collect(),
        token_endpoint_audience: settings.token_endpoint_audience,
    }
}
