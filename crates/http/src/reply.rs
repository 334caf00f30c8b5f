//! Replies with a body. Nothing that the plane answers is for a cache to keep.

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use serde::Serialize;
use tenantry_core::clock::Timestamp;
use tenantry_core::error::Error;
use zeroize::Zeroizing;

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

/// A reply that may be kept for a repetition of its request: status, media type and body, as
/// bytes that the rules store without reading.
pub(crate) fn keepable(
    status: StatusCode,
    media: &'static str,
    body: &impl Serialize,
) -> Result<Zeroizing<Vec<u8>>, Error> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(1024));
    bytes.extend_from_slice(&status.as_u16().to_be_bytes());
    bytes.push(u8::try_from(media.len()).map_err(Error::internal)?);
    bytes.extend_from_slice(media.as_bytes());
    serde_json::to_writer(&mut *bytes, body).map_err(Error::internal)?;
    Ok(bytes)
}

/// The reply that [`keepable`] wrote.
pub(crate) fn kept(bytes: &[u8]) -> Result<Response, Error> {
    let malformed = || Error::internal("a kept reply cannot be read");
    let (status, rest) = bytes.split_first_chunk::<2>().ok_or_else(malformed)?;
    let (length, rest) = rest.split_first().ok_or_else(malformed)?;
    let (media, body) = rest.split_at_checked((*length).into()).ok_or_else(malformed)?;
    let mut response = Response::new(Body::from(body.to_vec()));
    *response.status_mut() =
        StatusCode::from_u16(u16::from_be_bytes(*status)).map_err(Error::internal)?;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_bytes(media).map_err(Error::internal)?);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// A 200 that says the same to everybody and may be kept for a while.
pub(crate) fn public(media: &'static str, body: Bytes) -> Response {
    let mut response = Response::new(Body::from(body));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    response
}

/// A 200 whose body is JSON already.
pub(crate) fn json_bytes(bytes: Bytes) -> Response {
    bytes_reply(StatusCode::OK, JSON, bytes)
}

/// A 200 whose body is a text of the given media type.
pub(crate) fn text(media: &'static str, text: String) -> Response {
    bytes_reply(StatusCode::OK, media, text)
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
