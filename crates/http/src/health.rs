//! Whether the process lives, and whether it wants requests.

use crate::app::AppState;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};

/// `GET /livez`: the process answers.
pub(crate) async fn live() -> Response {
    text(StatusCode::OK, "ok\n")
}

/// `GET /readyz`: the server is not stopping and its store answers. Says no more than that.
pub(crate) async fn ready(State(state): State<AppState>) -> Response {
    if !state.readiness.is_ready() {
        return text(StatusCode::SERVICE_UNAVAILABLE, "stopping\n");
    }
    match state.plane.check_ready().await {
        Ok(()) => text(StatusCode::OK, "ready\n"),
        Err(error) => {
            tracing::error!(%error, "the store does not answer");
            text(StatusCode::SERVICE_UNAVAILABLE, "not ready\n")
        }
    }
}

fn text(status: StatusCode, text: &'static str) -> Response {
    let headers = [(CONTENT_TYPE, "text/plain; charset=utf-8"), (CACHE_CONTROL, "no-store")];
    (status, headers, text).into_response()
}
