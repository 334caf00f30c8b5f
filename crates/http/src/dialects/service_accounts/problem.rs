//! Errors of the service-accounts dialect: the contract's *Error* column in its envelope.

use crate::refusal::Refusal;
use crate::reply;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use tenantry_core::clock::Timestamp;
use tenantry_core::error::{Conflict, Error, Violation};
use utoipa::ToSchema;

#[derive(Serialize, ToSchema)]
#[schema(as = ServiceAccountsError)]
pub(crate) struct Body<'a> {
    success: bool,
    message: &'a str,
    error: &'static str,
    timestamp: String,
}

/// The envelope of a refusal.
pub(crate) fn render(refusal: &Refusal, now: Timestamp) -> Response {
    let (status, message, error) = describe(refusal);
    let named = match refusal {
        Refusal::Core(error) => match &**error {
            error @ Error::SecretAlreadyDelivered { .. } => Some(error.to_string()),
            Error::Invalid(violations) => violations.first().map(name),
            Error::Parameter(violation) => Some(name(violation)),
            _ => None,
        },
        _ => None,
    };
    let message = named.as_deref().unwrap_or(message);
    let timestamp = super::envelope::time(now).unwrap_or_default();
    reply::json(status, reply::JSON, &Body { success: false, message, error, timestamp })
}

/// The field in the dialect's spelling, and what is wrong with it.
fn name(violation: &Violation) -> String {
    let field = match &*violation.field {
        "page_size" => "pageSize",
        field => field,
    };
    format!("{field} {}", violation.problem)
}

const fn invalid(message: &'static str) -> (StatusCode, &'static str, &'static str) {
    (StatusCode::BAD_REQUEST, message, "INVALID_REQUEST")
}

fn describe(refusal: &Refusal) -> (StatusCode, &'static str, &'static str) {
    match refusal {
        Refusal::Core(error) => describe_core(error),
        Refusal::MethodNotAllowed { .. } => {
            (StatusCode::METHOD_NOT_ALLOWED, "Method not allowed", "INVALID_REQUEST")
        }
        Refusal::UnsupportedMediaType => {
            (StatusCode::UNSUPPORTED_MEDIA_TYPE, "Unsupported media type", "UNSUPPORTED_MEDIA_TYPE")
        }
        Refusal::NotAcceptable => (StatusCode::NOT_ACCEPTABLE, "Not acceptable", "INVALID_REQUEST"),
        Refusal::BodyTooLarge => {
            (StatusCode::PAYLOAD_TOO_LARGE, "Request body too large", "INVALID_REQUEST")
        }
        Refusal::BodyTimeout => {
            (StatusCode::REQUEST_TIMEOUT, "Request body timed out", "INVALID_REQUEST")
        }
        Refusal::UriTooLong => {
            (StatusCode::URI_TOO_LONG, "Request target too long", "INVALID_REQUEST")
        }
        Refusal::NoValidFields => invalid("No valid fields provided"),
        Refusal::InvalidTenant => invalid("x-tenantid must be one UUID"),
        Refusal::BodyNotSupported => (
            StatusCode::BAD_REQUEST,
            "Name, permissions and fields set by the server cannot be sent",
            "BODY_NOT_SUPPORTED",
        ),
        Refusal::HeadTooLarge => (
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            "Too many header fields",
            "INVALID_REQUEST",
        ),
        Refusal::Overloaded => {
            (StatusCode::SERVICE_UNAVAILABLE, "Too many requests under way", "SERVER_ERROR")
        }
        Refusal::OutcomeUnknown => {
            (StatusCode::SERVICE_UNAVAILABLE, "Timed out; the outcome is not known", "SERVER_ERROR")
        }
    }
}

fn describe_core(error: &Error) -> (StatusCode, &'static str, &'static str) {
    match error {
        Error::NotAuthenticated(_) => {
            (StatusCode::UNAUTHORIZED, "Authentication failed", "UNAUTHORIZED")
        }
        Error::AmbiguousCredentials => invalid("Ambiguous credentials"),
        Error::Forbidden(_) => (StatusCode::FORBIDDEN, "Insufficient permissions", "FORBIDDEN"),
        Error::NotFound(_) => (StatusCode::NOT_FOUND, "Not found", "INVALID_REQUEST"),
        Error::Invalid(_) | Error::Parameter(_) | Error::Database(_) => invalid("Invalid request"),
        Error::Malformed(message) => invalid(message),
        Error::Conflict(Conflict::IdempotencyKeyReused) => {
            invalid("Idempotency-Key was used with another body")
        }
        Error::SecretAlreadyDelivered { .. } => {
            (StatusCode::CONFLICT, "Secret already delivered", "SECRET_ALREADY_DELIVERED")
        }
        Error::Conflict(_) => (StatusCode::CONFLICT, "Conflict", "INVALID_REQUEST"),
        Error::LimitReached { .. } | Error::ConcurrencyExceeded { .. } => {
            (StatusCode::CONFLICT, "Limit reached", "LIMIT_REACHED")
        }
        Error::CallsExceeded { .. } | Error::RatesExceeded(_) | Error::UsesExceeded => {
            (StatusCode::TOO_MANY_REQUESTS, "Limit reached", "LIMIT_REACHED")
        }
        Error::LeaseEnded => (StatusCode::GONE, "Gone", "INVALID_REQUEST"),
        Error::RateLimited { .. } => {
            (StatusCode::TOO_MANY_REQUESTS, "Too many failed attempts", "RATE_LIMITED")
        }
        Error::DialsExceeded { .. } => {
            (StatusCode::TOO_MANY_REQUESTS, "Limit reached", "RATE_LIMITED")
        }
        Error::TenantDatabaseUnavailable | Error::MigrationFailed { .. } => {
            (StatusCode::SERVICE_UNAVAILABLE, "Server error", "SERVER_ERROR")
        }
        Error::StorageFull => (StatusCode::INSUFFICIENT_STORAGE, "Server error", "SERVER_ERROR"),
        Error::Unavailable(_) => (StatusCode::SERVICE_UNAVAILABLE, "Server error", "SERVER_ERROR"),
        Error::OutcomeUnknown(_) => {
            (StatusCode::SERVICE_UNAVAILABLE, "Timed out; the outcome is not known", "SERVER_ERROR")
        }
        Error::Integrity { .. } | Error::Internal(_) => {
            (StatusCode::INTERNAL_SERVER_ERROR, "Server error", "SERVER_ERROR")
        }
    }
}
