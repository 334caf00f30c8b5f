//! `Idempotency-Key` on calls that create something or show a secret: the same in every family.

use crate::app::AppState;
use crate::refusal::Refusal;
use crate::reply;
use axum::extract::FromRequestParts;
use axum::http::HeaderValue;
use axum::http::request::Parts;
use axum::response::Response;
use tenantry_core::actor::Context;
use tenantry_core::error::{Conflict, Error};
use tenantry_core::limits;
use tenantry_core::replay::{Begun, Encode, IdempotencyKey, Once, Request};

/// The request's header.
pub(crate) const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// On a reply that was sent before.
const IDEMPOTENT_REPLAYED: &str = "idempotent-replayed";

/// Whether a request says that it may be a repetition, and of which call.
pub(crate) struct Attempt {
    key: Option<IdempotencyKey>,
    call: String,
}

impl<S: Sync> FromRequestParts<S> for Attempt {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        let mut values = parts.headers.get_all(IDEMPOTENCY_KEY).iter();
        let key = match (values.next(), values.next()) {
            (None, _) => None,
            (Some(value), None) => {
                // What is not text is no key either, and gets the same refusal.
                Some(IdempotencyKey::parse(value.to_str().unwrap_or_default())?)
            }
            (Some(_), Some(_)) => {
                return Err(Error::Malformed("Idempotency-Key occurs twice").into());
            }
        };
        // With its query, which may say what is asked for.
        let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
        Ok(Self { key, call: format!("{} {target}", parts.method) })
    }
}

/// Carries a call out, or sends the reply that it had when it was carried out before. `body` is
/// the request's as it came; `act` is run at most once for each key.
pub(crate) async fn once<T>(
    state: &AppState,
    context: &Context,
    attempt: &Attempt,
    body: &[u8],
    encode: Encode<'_, T>,
    act: impl AsyncFnOnce(Once<'_, T>) -> Result<T, Error>,
) -> Result<Response, Refusal> {
    let Some(key) = &attempt.key else {
        let outcome = act(Once::unkept()).await?;
        return Ok(reply::kept(&encode(&outcome)?)?);
    };
    let request = Request { key, call: &attempt.call, body };
    let outcome = match state.plane.begin_once(context, &request).await? {
        Begun::Repeated(bytes) => return repeated(&bytes),
        Begun::First(ticket) => act(Once::kept(&ticket, encode)).await,
    };
    match outcome {
        Ok(outcome) => Ok(reply::kept(&encode(&outcome)?)?),
        // Another node was faster: what it answered is there now.
        Err(Error::Conflict(Conflict::Repeated)) => {
            match state.plane.begin_once(context, &request).await? {
                Begun::Repeated(bytes) => repeated(&bytes),
                Begun::First(_) => Err(Error::Conflict(Conflict::Repeated).into()),
            }
        }
        Err(error) => Err(error.into()),
    }
}

fn repeated(bytes: &[u8]) -> Result<Response, Refusal> {
    let mut response = reply::kept(bytes)?;
    response.headers_mut().insert(IDEMPOTENT_REPLAYED, HeaderValue::from_static("true"));
    Ok(response)
}

// A repetition waits for the first within the deadline of its own request.
const _: () = assert!(limits::IDEMPOTENCY_WAIT_MAX.as_secs() < 10);
