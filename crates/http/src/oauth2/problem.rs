//! Errors of the family: RFC 6749 §5.2.

use crate::refusal::Refusal;
use crate::reply;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use tenantry_core::error::{Conflict, Denial, Error, Violation};
use utoipa::ToSchema;

#[derive(Serialize, ToSchema)]
#[schema(as = OAuthError)]
pub(crate) struct Body {
    error: &'static str,
    error_description: String,
}

/// The error of a refusal.
pub(crate) fn render(refusal: &Refusal) -> Response {
    let (status, error, description) = match refusal {
        Refusal::Core(error) => describe_core(error),
        refusal => describe(refusal),
    };
    reply::json(status, reply::JSON, &Body { error, error_description: plain(&description) })
}

/// What `error_description` may be made of (RFC 6749 §5.2).
fn plain(text: &str) -> String {
    let allowed = |c: &char| matches!(c, ' ' | '!' | '#'..='[' | ']'..='~');
    text.chars().filter(allowed).collect()
}

type Description = (StatusCode, &'static str, String);

const INVALID_REQUEST: &str = "invalid_request";
const UNAVAILABLE: &str = "temporarily_unavailable";

fn describe(refusal: &Refusal) -> Description {
    let (status, error, description) = match refusal {
        Refusal::Core(error) => return describe_core(error),
        Refusal::MethodNotAllowed { .. } => {
            (StatusCode::METHOD_NOT_ALLOWED, INVALID_REQUEST, "the path does not take this method")
        }
        Refusal::UnsupportedMediaType => (
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            INVALID_REQUEST,
            "the body must be application/x-www-form-urlencoded",
        ),
        Refusal::NotAcceptable => {
            (StatusCode::NOT_ACCEPTABLE, INVALID_REQUEST, "no acceptable media type can be served")
        }
        Refusal::BodyTooLarge => {
            (StatusCode::PAYLOAD_TOO_LARGE, INVALID_REQUEST, "the body is larger than 64 kB")
        }
        Refusal::BodyTimeout => {
            (StatusCode::REQUEST_TIMEOUT, INVALID_REQUEST, "the body did not arrive in time")
        }
        Refusal::UriTooLong => {
            (StatusCode::URI_TOO_LONG, INVALID_REQUEST, "the target is longer than 8 kB")
        }
        Refusal::InvalidTenant | Refusal::BodyNotSupported | Refusal::NoValidFields => {
            (StatusCode::BAD_REQUEST, INVALID_REQUEST, "the request cannot be carried out")
        }
        Refusal::HeadTooLarge => (
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            INVALID_REQUEST,
            "the request has more than 100 header fields",
        ),
        Refusal::Overloaded => {
            (StatusCode::SERVICE_UNAVAILABLE, UNAVAILABLE, "too many requests are under way")
        }
        Refusal::OutcomeUnknown => {
            (StatusCode::SERVICE_UNAVAILABLE, UNAVAILABLE, "the outcome is not known")
        }
    };
    (status, error, description.to_owned())
}

fn describe_core(error: &Error) -> Description {
    let (status, code) = match error {
        Error::NotAuthenticated(_) => (StatusCode::UNAUTHORIZED, "invalid_client"),
        Error::AmbiguousCredentials | Error::Malformed(_) | Error::Parameter(_) => {
            (StatusCode::BAD_REQUEST, INVALID_REQUEST)
        }
        // RFC 6750 §3.1: what a bearer gets who may not ask.
        Error::Forbidden(Denial::Permission(_)) => (StatusCode::FORBIDDEN, "insufficient_scope"),
        Error::Forbidden(_) => (StatusCode::FORBIDDEN, "access_denied"),
        Error::NotFound(_) => (StatusCode::NOT_FOUND, "not_found"),
        Error::Invalid(violations) => (StatusCode::BAD_REQUEST, invalid(violations)),
        Error::Conflict(Conflict::IdempotencyKeyReused) => {
            (StatusCode::UNPROCESSABLE_ENTITY, INVALID_REQUEST)
        }
        Error::Conflict(_)
        | Error::SecretAlreadyDelivered { .. }
        | Error::LimitReached { .. }
        | Error::LeaseEnded
        | Error::Database(_)
        | Error::MigrationFailed { .. }
        | Error::ConcurrencyExceeded { .. } => (StatusCode::CONFLICT, INVALID_REQUEST),
        Error::RateLimited { .. }
        | Error::CallsExceeded { .. }
        | Error::RatesExceeded(_)
        | Error::DialsExceeded { .. }
        | Error::UsesExceeded => (StatusCode::TOO_MANY_REQUESTS, UNAVAILABLE),
        Error::StorageFull => (StatusCode::INSUFFICIENT_STORAGE, "server_error"),
        Error::Unavailable(_) | Error::TenantDatabaseUnavailable | Error::OutcomeUnknown(_) => {
            (StatusCode::SERVICE_UNAVAILABLE, UNAVAILABLE)
        }
        Error::Integrity { .. } | Error::Internal(_) => {
            (StatusCode::INTERNAL_SERVER_ERROR, "server_error")
        }
    };
    let description = match error {
        Error::NotAuthenticated(_) => "the client is not authenticated".to_owned(),
        // Which row is the operator's to know.
        Error::Integrity { .. } => "internal error".to_owned(),
        error => error.to_string(),
    };
    (status, code, description)
}

/// The code of a broken parameter: some have their own.
fn invalid(violations: &[Violation]) -> &'static str {
    let violation = violations.first().map(|violation| (&*violation.field, violation.problem));
    match violation {
        Some(("grant_type", problem)) if problem != tenantry_core::error::Problem::Missing => {
            "unsupported_grant_type"
        }
        Some(("scope", _)) => "invalid_scope",
        // RFC 8707 §2
        Some(("resource", _)) => "invalid_target",
        _ => INVALID_REQUEST,
    }
}
