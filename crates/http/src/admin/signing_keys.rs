//! The keys that sign access tokens.

use crate::app::AppState;
use crate::caller::Operator;
use crate::refusal::Refusal;
use crate::reply;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use tenantry_api::operator as api;
use tenantry_core::error::Error;
use tenantry_core::oauth::SigningKeyView;

/// The keys that are published, the newest first.
pub(crate) async fn list(
    State(state): State<AppState>,
    Operator(context): Operator,
) -> Result<Response, Refusal> {
    answer(StatusCode::OK, &state.plane.list_signing_keys(&context).await?)
}

/// Makes the next key.
pub(crate) async fn rotate(
    State(state): State<AppState>,
    Operator(context): Operator,
) -> Result<Response, Refusal> {
    answer(StatusCode::CREATED, &state.plane.rotate_signing_key(&context).await?)
}

fn answer(status: StatusCode, keys: &[SigningKeyView]) -> Result<Response, Refusal> {
    let encode = |key: &SigningKeyView| {
        Ok(api::SigningKey {
            kid: key.kid.to_string(),
            algorithm: key.algorithm.as_str().to_owned(),
            state: key.state.as_str().to_owned(),
            created_at: reply::time(key.created_at)?,
            signs_from: reply::time(key.signs_from)?,
            signs_until: key.signs_until.map(reply::time).transpose()?,
        })
    };
    let data = keys.iter().map(encode).collect::<Result<_, Error>>()?;
    Ok(reply::json(status, reply::JSON, &api::SigningKeys { data }))
}
