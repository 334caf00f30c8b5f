//! `POST /oauth2/revoke` (RFC 7009)

use super::client;
use super::form::{self, Form};
use crate::app::AppState;
use crate::caller;
use crate::refusal::Refusal;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Response};

/// Ends a token of the client that asks. Whatever else it presents is none of its tokens, and gets
/// the same reply.
pub(crate) async fn revoke(
    State(state): State<AppState>,
    request: Request,
) -> Result<Response, Refusal> {
    let (parts, body) = request.into_parts();
    let bytes = form::read(&state, &parts.headers, body).await?;
    let form = Form::parse(&bytes)?;
    let peer = caller::peer(&parts)?;
    let client = client::authenticate(&state, peer, &parts.headers, &form).await?;
    let context = caller::context(&parts, client.to_actor())?;
    state.plane.revoke_access_token(&context, &client, form.require("token")?).await?;
    let mut response = ().into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}
