//! Whether the process lives, and whether it wants requests.
//!
//! Verifications go on where changes cannot be made, so readiness has two questions, each with a
//! path of its own. A query would not do: whoever misspells it would be told of verifications.

use crate::app::AppState;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use tenantry_core::error::Error;

/// `GET /livez`: the process answers.
pub(crate) async fn live() -> Response {
    text(StatusCode::OK, "ok\n")
}

/// `GET /readyz`: the server is not stopping and its store is read. Says beside it whether changes
/// are accepted, and no more than that.
pub(crate) async fn ready(State(state): State<AppState>) -> Response {
    match check(&state).await {
        Err(refusal) => refusal,
        Ok(Writes::Accepted) => text(StatusCode::OK, "ready\nwrites: accepted\n"),
        Ok(Writes::Full) => text(StatusCode::OK, "ready\nwrites: refused (storage full)\n"),
        Ok(Writes::Failing) => text(StatusCode::OK, "ready\nwrites: refused (storage fails)\n"),
    }
}

/// `GET /readyz/writes`: the same, and changes are accepted too.
pub(crate) async fn ready_for_writes(State(state): State<AppState>) -> Response {
    let refused = StatusCode::SERVICE_UNAVAILABLE;
    match check(&state).await {
        Err(refusal) => refusal,
        Ok(Writes::Accepted) => text(StatusCode::OK, "writes: accepted\n"),
        Ok(Writes::Full) => text(refused, "writes: refused (storage full)\n"),
        Ok(Writes::Failing) => text(refused, "writes: refused (storage fails)\n"),
    }
}

/// What becomes of changes while the server is ready.
enum Writes {
    Accepted,
    Full,
    Failing,
}

/// What becomes of changes, or the reply of a server that is not ready for anything.
async fn check(state: &AppState) -> Result<Writes, Response> {
    if !state.readiness.is_ready() {
        return Err(text(StatusCode::SERVICE_UNAVAILABLE, "stopping\n"));
    }
    if let Err(error) = state.plane.check_ready().await {
        tracing::error!(%error, "the store does not answer");
        return Err(text(StatusCode::SERVICE_UNAVAILABLE, "not ready\n"));
    }
    // Why has been logged, once, when it turned.
    Ok(match state.plane.check_writes().await {
        Ok(()) => Writes::Accepted,
        Err(Error::StorageFull) => Writes::Full,
        Err(_) => Writes::Failing,
    })
}

fn text(status: StatusCode, text: &'static str) -> Response {
    let headers = [(CONTENT_TYPE, "text/plain; charset=utf-8"), (CACHE_CONTROL, "no-store")];
    (status, headers, text).into_response()
}
