//! `POST /oauth2/introspect` (RFC 7662)

use super::client;
use super::form::Form;
use crate::app::AppState;
use crate::caller;
use crate::refusal::Refusal;
use crate::reply;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use tenantry_core::clock::Timestamp;
use tenantry_core::oauth::{Introspected, Introspector};
use tenantry_core::verify::Kind;
use utoipa::ToSchema;

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
pub(crate) async fn introspect(
    State(state): State<AppState>,
    request: Request,
) -> Result<Response, Refusal> {
    let (parts, body) = request.into_parts();
    let form = Form::read(Request::from_parts(parts.clone(), body), &state).await?;
    let operator = caller::peer(&parts)?.address().is_none();
    let asks = if operator || client::names_bearer(&parts.headers) {
        let peer = caller::peer(&parts)?;
        Introspector::bearer(caller::verifier(&state, &parts.headers, peer).await?)?
    } else {
        Introspector::client(&client::authenticate(&state, &parts, &form).await?)
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
