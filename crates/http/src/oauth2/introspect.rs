//! `POST /oauth2/introspect` (RFC 7662)

use super::client;
use super::form::{self, Form};
use crate::app::{AppState, Peer};
use crate::body::RequestBody;
use crate::caller;
use crate::refusal::Refusal;
use crate::reply;
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tenantry_core::clock::Timestamp;
use tenantry_core::oauth::{Introspected, Introspector};
use tenantry_core::verify::Kind;
use utoipa::ToSchema;

/// The route of [`answer`], for the short-cut.
pub(crate) const PATH: &str = "/oauth2/introspect";

/// What an active token or key is; for everything else `active` alone.
#[derive(Default, Serialize, ToSchema)]
pub(crate) struct IntrospectionReply<'a> {
    active: bool,
    /// Permissions with blanks between.
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exp: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    iat: Option<i64>,
    /// The client of a token, the id of a key.
    #[serde(skip_serializing_if = "Option::is_none")]
    sub: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    aud: Option<Audience<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    iss: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jti: Option<&'a str>,
    /// `access_token` or `api_key`.
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    /// `acc_…`
    #[serde(skip_serializing_if = "Option::is_none")]
    account_id: Option<String>,
}

/// A string for one, an array for several (RFC 7519 §4.1.3).
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum Audience<'a> {
    One(&'a str),
    Several(Vec<&'a str>),
}

/// What is this token, or key?
pub(crate) async fn introspect(state: AppState, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    match caller::peer(&parts) {
        Ok(peer) => answer(&state, peer, &parts.headers, body).await,
        Err(error) => Refusal::from(error).into_response(),
    }
}

/// Answers whoever may ask.
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
    let operator = peer.address().is_none();
    let asks = if operator || client::names_bearer(headers) {
        Introspector::bearer(caller::verifier(state, headers, peer).await?)?
    } else {
        Introspector::client(&client::authenticate(state, peer, headers, &form).await?)
    };
    let token = form.require("token")?;
    let found = state.plane.introspect(asks, token).await?;
    let body = found
        .as_ref()
        .map_or_else(IntrospectionReply::default, |found| encode(found, state.plane.issuer()));
    Ok(reply::json(StatusCode::OK, reply::JSON, &body))
}

fn encode<'a>(found: &'a Introspected, issuer: &'a str) -> IntrospectionReply<'a> {
    let known = &found.known;
    let mut body = IntrospectionReply {
        active: true,
        scope: found.scope.as_deref(),
        client_id: None,
        token_type: Some("Bearer"),
        exp: known.expires_at().map(Timestamp::seconds),
        iss: Some(issuer),
        kind: Some(known.kind().as_str()),
        account_id: known.account().map(|account| account.id.to_string()),
        ..IntrospectionReply::default()
    };
    match (known.kind(), known.access_token()) {
        (Kind::AccessToken, Some(token)) => {
            body.client_id = Some(&token.client_id);
            body.sub = Some(token.client_id.to_string());
            body.iat = Some(token.issued_at);
            body.jti = Some(&token.id);
            body.aud = Some(match &token.audience[..] {
                [one] => Audience::One(one),
                several => Audience::Several(several.iter().map(|one| &**one).collect()),
            });
        }
        _ => body.sub = Some(known.id.to_string()),
    }
    body
}
