//! Replies with a body. Nothing that the plane answers is for a cache to keep.

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use serde::Serialize;
use tenantry_core::clock::Timestamp;
use tenantry_core::error::Error;

/// `application/json`
pub(crate) const JSON: &str = "application/json";

/// A JSON reply of the given media type.
pub(crate) fn json(status: StatusCode, media: &'static str, body: &impl Serialize) -> Response {
    match serde_json::to_vec(body) {
        Ok(bytes) => bytes_reply(status, media, bytes),
        Err(error) => {
            // A body of plain structs always serializes; were it not to, nothing is leaked.
            tracing::error!(%error, "a reply could not be written");
            bytes_reply(StatusCode::INTERNAL_SERVER_ERROR, media, b"{}".to_vec())
        }
    }
}

/// A 200 whose body is JSON already.
pub(crate) fn json_bytes(bytes: Bytes) -> Response {
    bytes_reply(StatusCode::OK, JSON, bytes)
}

fn bytes_reply(status: StatusCode, media: &'static str, bytes: impl Into<Body>) -> Response {
    let mut response = Response::new(bytes.into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// RFC 3339 in UTC with microseconds.
pub(crate) fn time(at: Timestamp) -> Result<String, Error> {
    format(at, "%Y-%m-%dT%H:%M:%S.%6fZ")
}

/// A time in UTC by a pattern of the contracts.
pub(crate) fn format(at: Timestamp, pattern: &str) -> Result<String, Error> {
    let time = at.to_utc().ok_or_else(|| Error::internal("a time is outside the calendar"))?;
    Ok(time.strftime(pattern).to_string())
}
