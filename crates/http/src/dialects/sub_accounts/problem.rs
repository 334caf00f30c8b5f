//! Errors of the sub-accounts dialect: `{"error":400,"message":"…"}`.

use crate::refusal::Refusal;
use crate::reply;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use tenantry_core::error::{Denial, Error, Violation};

#[derive(Serialize)]
struct Body<'a> {
    error: u16,
    message: &'a str,
}

/// The body of a refusal.
pub(crate) fn render(refusal: &Refusal) -> Response {
    let (status, message) = describe(refusal);
    reply::json(status, reply::JSON, &Body { error: status.as_u16(), message: &message })
}

fn describe(refusal: &Refusal) -> (StatusCode, String) {
    let (status, message) = match refusal {
        Refusal::Core(error) => return describe_core(error),
        Refusal::MethodNotAllowed { .. } => (StatusCode::METHOD_NOT_ALLOWED, "Method not allowed"),
        Refusal::UnsupportedMediaType => {
            (StatusCode::UNSUPPORTED_MEDIA_TYPE, "Content-Type must be application/json")
        }
        Refusal::NotAcceptable => (StatusCode::NOT_ACCEPTABLE, "Not acceptable"),
        Refusal::BodyTooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "Request body too large"),
        Refusal::BodyTimeout => (StatusCode::REQUEST_TIMEOUT, "Request body timed out"),
        Refusal::UriTooLong => (StatusCode::URI_TOO_LONG, "Request target too long"),
        Refusal::InvalidTenant | Refusal::BodyNotSupported => {
            (StatusCode::BAD_REQUEST, "Invalid request")
        }
        Refusal::HeadTooLarge => {
            (StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "Too many header fields")
        }
        Refusal::Overloaded => (StatusCode::SERVICE_UNAVAILABLE, "Too many requests under way"),
        Refusal::OutcomeUnknown => {
            (StatusCode::SERVICE_UNAVAILABLE, "Timed out; the outcome is not known")
        }
    };
    (status, message.to_owned())
}

fn describe_core(error: &Error) -> (StatusCode, String) {
    let (status, message) = match error {
        Error::NotAuthenticated(_) => (StatusCode::UNAUTHORIZED, "Access denied"),
        Error::AmbiguousCredentials => (StatusCode::BAD_REQUEST, "Ambiguous credentials"),
        Error::Forbidden(denial) => (StatusCode::FORBIDDEN, denied(denial)),
        Error::NotFound(_) => (StatusCode::NOT_FOUND, "Not found"),
        Error::Invalid(violations) => return (StatusCode::BAD_REQUEST, sentences(violations)),
        Error::Malformed(problem) => (StatusCode::BAD_REQUEST, *problem),
        Error::Conflict(_) => (StatusCode::CONFLICT, "Conflict"),
        Error::LimitReached { .. } => (StatusCode::CONFLICT, "Limit reached"),
        Error::RateLimited { .. } => (StatusCode::TOO_MANY_REQUESTS, "Too many failed attempts"),
        Error::NotImplemented(_) => {
            (StatusCode::NOT_IMPLEMENTED, "A separate database is not available yet")
        }
        Error::StorageFull => (StatusCode::INSUFFICIENT_STORAGE, "Storage is full"),
        Error::Unavailable(_) => (StatusCode::SERVICE_UNAVAILABLE, "Service unavailable"),
        Error::Integrity { .. } | Error::Internal(_) => {
            (StatusCode::INTERNAL_SERVER_ERROR, "Internal server error")
        }
    };
    (status, message.to_owned())
}

const fn denied(denial: &Denial) -> &'static str {
    match denial {
        Denial::SubAccountsDoNotNest => "Sub-accounts cannot create sub-accounts",
        Denial::NotEntitled(_) => "Sub-accounts are not enabled for this organization",
        Denial::Permission(_)
        | Denial::GrantExceedsOwn
        | Denial::EndExceedsOwn
        | Denial::Role
        | Denial::TenantMismatch
        | Denial::OperatorOnly
        | Denial::NoOrganization
        | Denial::ClientGeneratedId => "Insufficient permissions",
    }
}

fn sentences(violations: &[Violation]) -> String {
    let sentence =
        |violation: &Violation| format!("{} {}", name(&violation.field), violation.problem);
    violations.iter().map(sentence).collect::<Vec<_>>().join("; ")
}

/// The contract's name of a field of the domain.
fn name(field: &str) -> &str {
    match field {
        "database.host" => "db_host",
        "database.port" => "db_port",
        "database.name" => "db_name",
        "database.user" => "db_user",
        "database.password" => "db_password",
        "limits.concurrent_calls" => "allow_concurrent_calls",
        field => field,
    }
}
