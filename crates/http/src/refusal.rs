//! Refusals on their way out: raised anywhere below a route, given their family's shape in one
//! place.

use crate::dialects::{accounts, service_accounts, sub_accounts};
use crate::native::{self, rates};
use crate::oauth2;
use crate::routes::Family;
use crate::trace::TraceId;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use std::sync::Arc;
use std::time::Duration;
use tenantry_core::clock::Timestamp;
use tenantry_core::error::{Error, Unauthenticated};
use tenantry_core::limits;

/// When a client that met an overloaded server may come back.
const OVERLOAD_PAUSE: Duration = Duration::from_secs(1);

/// Why a request gets no ordinary answer: a refusal of the rules, or of HTTP itself.
#[derive(Clone, Debug)]
pub(crate) enum Refusal {
    /// The rules say no.
    Core(Arc<Error>),
    /// The path exists, but not with this method.
    MethodNotAllowed {
        /// The methods that it has.
        allow: String,
    },
    /// The body's media type is not read here.
    UnsupportedMediaType,
    /// No media type that the client accepts can be served.
    NotAcceptable,
    /// The body is larger than the route takes.
    BodyTooLarge,
    /// The body did not arrive in time.
    BodyTimeout,
    /// The request's target is longer than any path.
    UriTooLong,
    /// The head has more fields than a request needs.
    HeadTooLarge,
    /// More requests are under way than the server takes on. Nothing was done.
    Overloaded,
    /// `x-tenantid` is missing or not one UUID.
    InvalidTenant,
    /// The body has a member that this call does not take.
    BodyNotSupported,
    /// The body names nothing that this call changes.
    NoValidFields,
    /// The change took longer than a request may; whether it happened is not known.
    OutcomeUnknown,
}

impl Refusal {
    /// True where a cap or a budget refuses, which tells of many alike.
    pub(crate) fn tells_of_a_flood(&self) -> bool {
        let limited = |error: &Error| matches!(error, Error::RateLimited { .. });
        matches!(self, Self::Overloaded) || matches!(self, Self::Core(error) if limited(error))
    }

    /// True where a stranger has presented too many wrong credentials.
    pub(crate) fn is_of_a_guessing_stranger(&self) -> bool {
        let Self::Core(error) = self else { return false };
        matches!(&**error, Error::RateLimited { budget, .. } if budget.is_strangers())
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Core(Arc::new(error))
    }
}

impl IntoResponse for Refusal {
    /// An empty reply that carries the refusal; [`render`] gives it its shape.
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::empty());
        response.extensions_mut().insert(self);
        response
    }
}

/// What a request is called in the log.
#[derive(Clone, Copy)]
pub(crate) struct Ids<'a> {
    pub(crate) request: &'a str,
    pub(crate) trace: Option<TraceId>,
}

/// Gives a refusal the shape of its family, and logs the cause of what is not the caller's fault.
pub(crate) fn render(refusal: &Refusal, family: Family, ids: Ids<'_>, now: Timestamp) -> Response {
    if let Refusal::Core(error) = refusal {
        log(error, ids);
    }
    let mut response = match family {
        Family::Native => native::problem::render(refusal),
        Family::SubAccounts => sub_accounts::problem::render(refusal),
        Family::Accounts => accounts::problem::render(refusal),
        Family::ServiceAccounts => service_accounts::problem::render(refusal, now),
        Family::OAuth => oauth2::problem::render(refusal),
    };
    let headers = response.headers_mut();
    match refusal {
        Refusal::Core(error) => match &**error {
            // RFC 6749 §5.2, and RFC 7662 §2.1 for those who ask with a token.
            Error::NotAuthenticated(_) if family == Family::OAuth => {
                let basic = HeaderValue::from_static("Basic realm=\"tenantry\"");
                headers.append(header::WWW_AUTHENTICATE, basic);
                let bearer = HeaderValue::from_static("Bearer realm=\"tenantry\"");
                headers.append(header::WWW_AUTHENTICATE, bearer);
            }
            Error::NotAuthenticated(Unauthenticated::Missing) => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            // RFC 6750 §3.1: the error is named where a credential was presented.
            Error::NotAuthenticated(_) => {
                let value = HeaderValue::from_static("Bearer error=\"invalid_token\"");
                headers.insert(header::WWW_AUTHENTICATE, value);
            }
            Error::RateLimited { retry_after, .. } => {
                rates::insert_spent(headers, "wrong-credentials", *retry_after);
                insert_retry_after(headers, *retry_after);
            }
            Error::DialsExceeded { retry_after } => {
                rates::insert_spent(headers, "databases", *retry_after);
                insert_retry_after(headers, *retry_after);
            }
            Error::CallsExceeded { .. } => {
                rates::insert_spent(headers, "concurrency", limits::LEASE_RETRY_AFTER);
                insert_retry_after(headers, limits::LEASE_RETRY_AFTER);
            }
            Error::RatesExceeded(metered) => {
                rates::insert_fields(headers, metered);
                if let Some(wait) = rates::retry_after(metered) {
                    insert_retry_after(headers, wait);
                }
            }
            _ => {}
        },
        Refusal::Overloaded => insert_retry_after(headers, OVERLOAD_PAUSE),
        Refusal::MethodNotAllowed { allow } => {
            if let Ok(value) = HeaderValue::from_str(allow) {
                headers.insert(header::ALLOW, value);
            }
        }
        // The rest of the body is not read, so the connection cannot be used again.
        Refusal::BodyTooLarge | Refusal::BodyTimeout => {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        Refusal::UnsupportedMediaType
        | Refusal::NotAcceptable
        | Refusal::UriTooLong
        | Refusal::HeadTooLarge
        | Refusal::InvalidTenant
        | Refusal::BodyNotSupported
        | Refusal::NoValidFields
        | Refusal::OutcomeUnknown => {}
    }
    response
}

/// Whole seconds (RFC 9110 §10.2.3), never so few that the client comes too early.
fn insert_retry_after(headers: &mut HeaderMap, wait: Duration) {
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)));
}

fn log(error: &Error, ids: Ids<'_>) {
    let (request_id, trace_id) = (ids.request, ids.trace.map(tracing::field::display));
    match error {
        Error::Unavailable(cause) | Error::OutcomeUnknown(cause) | Error::Internal(cause) => {
            let cause = chain(&**cause);
            tracing::error!(request_id, trace_id, %error, cause, "a request failed");
        }
        Error::StorageFull => tracing::error!(request_id, trace_id, %error, "a request failed"),
        // The alarm was raised where the row was read.
        Error::Integrity { .. }
        | Error::NotAuthenticated(_)
        | Error::AmbiguousCredentials
        | Error::Forbidden(_)
        | Error::NotFound(_)
        | Error::Invalid(_)
        | Error::Parameter(_)
        | Error::Malformed(_)
        | Error::Conflict(_)
        | Error::SecretAlreadyDelivered { .. }
        | Error::LimitReached { .. }
        | Error::ConcurrencyExceeded { .. }
        | Error::CallsExceeded { .. }
        | Error::RatesExceeded(_)
        | Error::UsesExceeded
        | Error::LeaseEnded
        | Error::RateLimited { .. }
        | Error::Database(_)
        | Error::DialsExceeded { .. }
        | Error::TenantDatabaseUnavailable
        | Error::MigrationFailed { .. } => {}
    }
}

/// A cause and its own causes, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
