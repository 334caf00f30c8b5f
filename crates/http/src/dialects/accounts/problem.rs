//! Errors of the accounts dialect: JSON:API error objects (§7.2).

use super::media::MEDIA;
use crate::refusal::Refusal;
use crate::reply;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use tenantry_core::error::{Conflict, Denial, Error, Unauthenticated, Violation};
use utoipa::ToSchema;

#[derive(Serialize, ToSchema)]
#[schema(as = JsonApiErrors)]
pub(crate) struct Body {
    errors: Vec<ErrorObject>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = JsonApiError)]
struct ErrorObject {
    status: String,
    code: &'static str,
    title: &'static str,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<Source>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = JsonApiErrorSource)]
struct Source {
    pointer: String,
}

/// The document of a refusal.
pub(crate) fn render(refusal: &Refusal) -> Response {
    let (status, code, title, detail) = describe(refusal);
    let object = |detail: String, source: Option<Source>| ErrorObject {
        status: status.as_u16().to_string(),
        code,
        title,
        detail,
        source,
    };
    let errors = match violations(refusal) {
        [] => vec![object(detail, None)],
        violations => violations
            .iter()
            .map(|violation| {
                let pointer = pointer(&violation.field);
                object(violation.to_string(), Some(Source { pointer }))
            })
            .collect(),
    };
    reply::json(status, MEDIA, &Body { errors })
}

fn violations(refusal: &Refusal) -> &[Violation] {
    match refusal {
        Refusal::Core(error) => match &**error {
            Error::Invalid(violations) => violations,
            _ => &[],
        },
        _ => &[],
    }
}

/// Members of the resource itself are named with their path, attributes without.
fn pointer(field: &str) -> String {
    match field.strip_prefix("data.") {
        Some(member) => format!("/data/{member}"),
        None => format!("/data/attributes/{field}"),
    }
}

type Description = (StatusCode, &'static str, &'static str, String);

fn describe(refusal: &Refusal) -> Description {
    let (status, code, title, detail) = match refusal {
        Refusal::Core(error) => return describe_core(error),
        Refusal::MethodNotAllowed { .. } => (
            StatusCode::METHOD_NOT_ALLOWED,
            "method_not_allowed",
            "Method not allowed",
            "the path does not take this method; accounts are not read, listed or updated here",
        ),
        Refusal::UnsupportedMediaType => (
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            "Unsupported media type",
            "the body must be application/vnd.api+json without parameters other than profile",
        ),
        Refusal::NotAcceptable => (
            StatusCode::NOT_ACCEPTABLE,
            "not_acceptable",
            "Not acceptable",
            "replies are application/vnd.api+json without parameters",
        ),
        Refusal::BodyTooLarge => (
            StatusCode::PAYLOAD_TOO_LARGE,
            "body_too_large",
            "Body too large",
            "the body is larger than 64 kB",
        ),
        Refusal::BodyTimeout => (
            StatusCode::REQUEST_TIMEOUT,
            "body_timeout",
            "Body timed out",
            "the body did not arrive in time",
        ),
        Refusal::UriTooLong => (
            StatusCode::URI_TOO_LONG,
            "uri_too_long",
            "Target too long",
            "the request's target is longer than 8 kB",
        ),
        Refusal::InvalidTenant | Refusal::BodyNotSupported | Refusal::NoValidFields => (
            StatusCode::BAD_REQUEST,
            "invalid_request",
            "Invalid request",
            "the request is invalid",
        ),
        Refusal::HeadTooLarge => (
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            "head_too_large",
            "Head too large",
            "the request has more than 100 header fields",
        ),
        Refusal::Overloaded => (
            StatusCode::SERVICE_UNAVAILABLE,
            "overloaded",
            "Overloaded",
            "too many requests are under way; nothing was done",
        ),
        Refusal::OutcomeUnknown => (
            StatusCode::SERVICE_UNAVAILABLE,
            "outcome_unknown",
            "Outcome unknown",
            "the change took too long; whether it was made is not known",
        ),
    };
    (status, code, title, detail.to_owned())
}

fn describe_core(error: &Error) -> Description {
    let (status, code, title) = match error {
        Error::NotAuthenticated(Unauthenticated::Missing) => {
            (StatusCode::UNAUTHORIZED, "missing_credentials", "Unauthorized")
        }
        Error::NotAuthenticated(_) => {
            (StatusCode::UNAUTHORIZED, "invalid_credentials", "Unauthorized")
        }
        Error::AmbiguousCredentials => {
            (StatusCode::BAD_REQUEST, "ambiguous_credentials", "Bad request")
        }
        Error::Forbidden(Denial::SubAccountsDoNotNest) => {
            (StatusCode::FORBIDDEN, "subaccounts_cannot_nest", "Forbidden")
        }
        Error::Forbidden(Denial::ClientGeneratedId) => {
            (StatusCode::FORBIDDEN, "client_generated_id", "Forbidden")
        }
        Error::Forbidden(_) => (StatusCode::FORBIDDEN, "insufficient_permissions", "Forbidden"),
        Error::NotFound(_) => (StatusCode::NOT_FOUND, "not_found", "Not found"),
        Error::Invalid(_) | Error::Database(_) => {
            (StatusCode::UNPROCESSABLE_ENTITY, "validation_failed", "Validation failed")
        }
        Error::Parameter(_) => (StatusCode::BAD_REQUEST, "invalid_parameter", "Bad request"),
        Error::Malformed(_) => (StatusCode::BAD_REQUEST, "malformed_request", "Bad request"),
        Error::Conflict(Conflict::IdempotencyKeyReused) => {
            (StatusCode::UNPROCESSABLE_ENTITY, "idempotency_key_reused", "Idempotency-Key reused")
        }
        Error::Conflict(Conflict::IdempotencyKeyInUse | Conflict::Repeated) => {
            (StatusCode::CONFLICT, "idempotency_key_in_use", "Conflict")
        }
        Error::SecretAlreadyDelivered { .. } => {
            (StatusCode::CONFLICT, "secret_already_delivered", "Conflict")
        }
        Error::Conflict(_) => (StatusCode::CONFLICT, "conflict", "Conflict"),
        Error::LimitReached { .. } => (StatusCode::CONFLICT, "limit_reached", "Limit reached"),
        Error::ConcurrencyExceeded { .. } => {
            (StatusCode::CONFLICT, "concurrency_exceeded", "Limit exceeded")
        }
        Error::CallsExceeded { .. } => {
            (StatusCode::TOO_MANY_REQUESTS, "concurrency_exceeded", "Limit exceeded")
        }
        Error::LeaseEnded => (StatusCode::GONE, "lease_ended", "Gone"),
        Error::UsesExceeded => (StatusCode::TOO_MANY_REQUESTS, "usage_exceeded", "Limit exceeded"),
        Error::RateLimited { .. } | Error::RatesExceeded(_) | Error::DialsExceeded { .. } => {
            (StatusCode::TOO_MANY_REQUESTS, "rate_limited", "Too many requests")
        }
        Error::StorageFull => (StatusCode::INSUFFICIENT_STORAGE, "storage_full", "Storage full"),
        Error::Unavailable(_)
        | Error::TenantDatabaseUnavailable
        | Error::MigrationFailed { .. } => {
            (StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Service unavailable")
        }
        Error::OutcomeUnknown(_) => {
            (StatusCode::SERVICE_UNAVAILABLE, "outcome_unknown", "Outcome unknown")
        }
        Error::Integrity { .. } | Error::Internal(_) => {
            let detail = "internal error".to_owned();
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            return (status, "internal_error", "Internal server error", detail);
        }
    };
    (status, code, title, error.to_string())
}
