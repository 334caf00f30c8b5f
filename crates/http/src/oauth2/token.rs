//! `POST /oauth2/token` (RFC 6749 §4.4)

use super::client;
use super::form::{self, Form};
use crate::app::{AppState, Peer};
use crate::body::RequestBody;
use crate::caller;
use crate::refusal::Refusal;
use crate::reply;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tenantry_core::error::{Error, Problem};
use tenantry_core::oauth::TokenRequest;
use utoipa::ToSchema;

/// A token, and what it is good for.
#[derive(Serialize, ToSchema)]
pub(crate) struct TokenReply<'a> {
    access_token: &'a str,
    token_type: &'static str,
    /// Seconds.
    expires_in: u64,
    /// Permissions with blanks between.
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<&'a str>,
}

/// An access token for the client that asks.
pub(crate) async fn issue(state: AppState, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    match caller::peer(&parts) {
        Ok(peer) => answer(&state, peer, &parts.headers, body).await,
        Err(error) => Refusal::from(error).into_response(),
    }
}

/// Answers a client.
pub(crate) async fn answer(
    state: &AppState,
    peer: Peer,
    headers: &HeaderMap,
    body: impl RequestBody,
) -> Response {
    decide(state, peer, headers, body).await.unwrap_or_else(IntoResponse::into_response)
}

async fn decide(
    state: &AppState,
    peer: Peer,
    headers: &HeaderMap,
    body: impl RequestBody,
) -> Result<Response, Refusal> {
    let bytes = form::read(state, headers, body).await?;
    let form = Form::parse(&bytes)?;
    let client = client::authenticate(state, peer, headers, &form).await?;
    if form.require("grant_type")? != "client_credentials" {
        return Err(Error::invalid("grant_type", Problem::Malformed).into());
    }
    let resources = form.resources();
    let wanted = TokenRequest { scope: form.get("scope"), resources: &resources };
    let token = state.plane.issue_access_token(&client, &wanted).await?;
    let body = TokenReply {
        access_token: token.reveal(),
        token_type: "Bearer",
        expires_in: token.lifetime.as_secs(),
        scope: token.scope.as_deref(),
    };
    let mut response = reply::json(StatusCode::OK, reply::JSON, &body);
    // RFC 6749 §5.1, for caches of HTTP/1.0.
    response.headers_mut().insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
    Ok(response)
}
