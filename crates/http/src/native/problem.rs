//! Errors of the native API: RFC 9457 documents with stable codes.

use crate::refusal::Refusal;
use crate::reply;
use axum::http::StatusCode;
use axum::response::Response;
use tenantry_api::problem::{FieldProblem, Problem};
use tenantry_core::error::{Conflict, DatabaseRefusal, Denial, Error, Unauthenticated, Violation};

const MEDIA: &str = "application/problem+json";

/// The document of a refusal.
pub(crate) fn render(refusal: &Refusal) -> Response {
    let (status, problem) = match refusal {
        Refusal::Core(error) => of(error),
        refusal => document(describe(refusal), &[]),
    };
    reply::json(status, MEDIA, &problem)
}

/// What the document of a refusal by the rules says.
pub(crate) fn of(error: &Error) -> (StatusCode, Problem) {
    let violations = match error {
        Error::Invalid(violations) => &violations[..],
        _ => &[],
    };
    let (status, mut problem) = document(describe_core(error), violations);
    let of_calls = match *error {
        Error::CallsExceeded { limit, in_use } => {
            Some((1, limit.saturating_sub(in_use), limit, in_use))
        }
        Error::ConcurrencyExceeded { requested, available, account_limit, given } => {
            Some((requested, available, account_limit, given))
        }
        _ => None,
    };
    if let Some((requested, available, limit, in_use)) = of_calls {
        problem.requested = Some(requested);
        problem.available = Some(available);
        problem.account_limit = Some(limit);
        problem.in_use = Some(in_use);
    }
    (status, problem)
}

type Description = (StatusCode, &'static str, String);

fn document(description: Description, violations: &[Violation]) -> (StatusCode, Problem) {
    let (status, code, detail) = description;
    let problem = Problem {
        kind: format!("urn:tenantry:error:{code}"),
        title: code.replace('_', " "),
        status: status.as_u16(),
        code: code.to_owned(),
        detail,
        errors: violations.iter().map(field_problem).collect(),
        requested: None,
        available: None,
        account_limit: None,
        in_use: None,
    };
    (status, problem)
}

fn field_problem(violation: &Violation) -> FieldProblem {
    FieldProblem { pointer: pointer(&violation.field), detail: violation.problem.to_string() }
}

/// Domain names are the API's own names, save three.
fn pointer(field: &str) -> String {
    let field = match field {
        "limits.concurrent_calls" => "limits.concurrency",
        "limits.sub_account_concurrent_calls" => "sub_account_concurrency",
        "ttl" => "ttl_seconds",
        field => field,
    };
    field.split('.').fold(String::new(), |pointer, name| format!("{pointer}/{name}"))
}

fn describe(refusal: &Refusal) -> Description {
    let (status, code, detail) = match refusal {
        Refusal::Core(error) => return describe_core(error),
        Refusal::MethodNotAllowed { .. } => (
            StatusCode::METHOD_NOT_ALLOWED,
            "method_not_allowed",
            "the path does not take this method",
        ),
        Refusal::UnsupportedMediaType => (
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            "the body must be application/json without a content coding",
        ),
        Refusal::NotAcceptable => {
            (StatusCode::NOT_ACCEPTABLE, "not_acceptable", "no acceptable media type can be served")
        }
        Refusal::BodyTooLarge => {
            (StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", "the body is larger than 64 kB")
        }
        Refusal::BodyTimeout => {
            (StatusCode::REQUEST_TIMEOUT, "body_timeout", "the body did not arrive in time")
        }
        Refusal::UriTooLong => {
            (StatusCode::URI_TOO_LONG, "uri_too_long", "the target is longer than 8 kB")
        }
        Refusal::InvalidTenant => {
            (StatusCode::BAD_REQUEST, "invalid_tenant", "x-tenantid must be one UUID")
        }
        Refusal::BodyNotSupported => {
            (StatusCode::BAD_REQUEST, "body_not_supported", "this call takes no such member")
        }
        Refusal::NoValidFields => {
            (StatusCode::BAD_REQUEST, "no_valid_fields", "the body names nothing to change")
        }
        Refusal::HeadTooLarge => (
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            "head_too_large",
            "the request has more than 100 header fields",
        ),
        Refusal::Overloaded => (
            StatusCode::SERVICE_UNAVAILABLE,
            "overloaded",
            "too many requests are under way; nothing was done",
        ),
        Refusal::OutcomeUnknown => (
            StatusCode::SERVICE_UNAVAILABLE,
            "outcome_unknown",
            "the change took too long; whether it was made is not known",
        ),
    };
    (status, code, detail.to_owned())
}

fn describe_core(error: &Error) -> Description {
    let (status, code) = match error {
        Error::NotAuthenticated(Unauthenticated::Missing) => {
            (StatusCode::UNAUTHORIZED, "missing_credentials")
        }
        Error::NotAuthenticated(Unauthenticated::Invalid) => {
            (StatusCode::UNAUTHORIZED, "invalid_credentials")
        }
        Error::NotAuthenticated(Unauthenticated::TokenTooLongLived) => {
            (StatusCode::UNAUTHORIZED, "token_too_long_lived")
        }
        Error::AmbiguousCredentials => (StatusCode::BAD_REQUEST, "ambiguous_credentials"),
        Error::Forbidden(denial) => (StatusCode::FORBIDDEN, denial_code(denial)),
        Error::NotFound(_) => (StatusCode::NOT_FOUND, "not_found"),
        Error::Invalid(_) => (StatusCode::UNPROCESSABLE_ENTITY, "validation_failed"),
        Error::Parameter(_) => (StatusCode::BAD_REQUEST, "invalid_parameter"),
        Error::Malformed(_) => (StatusCode::BAD_REQUEST, "malformed_request"),
        Error::Conflict(conflict @ Conflict::IdempotencyKeyReused) => {
            (StatusCode::UNPROCESSABLE_ENTITY, conflict_code(*conflict))
        }
        Error::Conflict(conflict) => (StatusCode::CONFLICT, conflict_code(*conflict)),
        Error::SecretAlreadyDelivered { .. } => (StatusCode::CONFLICT, "secret_already_delivered"),
        Error::LimitReached { .. } => (StatusCode::CONFLICT, "limit_reached"),
        Error::ConcurrencyExceeded { .. } => (StatusCode::CONFLICT, "concurrency_exceeded"),
        Error::CallsExceeded { .. } => (StatusCode::TOO_MANY_REQUESTS, "concurrency_exceeded"),
        Error::UsesExceeded => (StatusCode::TOO_MANY_REQUESTS, "usage_exceeded"),
        Error::LeaseEnded => (StatusCode::GONE, "lease_ended"),
        Error::RateLimited { .. } | Error::RatesExceeded(_) => {
            (StatusCode::TOO_MANY_REQUESTS, "rate_limited")
        }
        Error::Database(refusal) => database_refusal(*refusal),
        Error::DialsExceeded { .. } => (StatusCode::TOO_MANY_REQUESTS, "rate_limited"),
        Error::TenantDatabaseUnavailable => {
            (StatusCode::SERVICE_UNAVAILABLE, "tenant_database_unavailable")
        }
        Error::MigrationFailed { .. } => (StatusCode::CONFLICT, "migration_failed"),
        Error::StorageFull => (StatusCode::INSUFFICIENT_STORAGE, "storage_full"),
        Error::Unavailable(_) => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
        Error::OutcomeUnknown(_) => (StatusCode::SERVICE_UNAVAILABLE, "outcome_unknown"),
        Error::Integrity { .. } | Error::Internal(_) => {
            (StatusCode::INTERNAL_SERVER_ERROR, "internal_error")
        }
    };
    let detail = match error {
        // The two are the same bytes for whatever does not exist or is somebody else's.
        Error::Invalid(_) => "some fields break a rule".to_owned(),
        // Which row is the operator's to know.
        Error::Integrity { .. } => "internal error".to_owned(),
        error => error.to_string(),
    };
    (status, code, detail)
}

const fn database_refusal(refusal: DatabaseRefusal) -> (StatusCode, &'static str) {
    match refusal {
        DatabaseRefusal::HostNotAllowed => {
            (StatusCode::UNPROCESSABLE_ENTITY, "db_host_not_allowed")
        }
        DatabaseRefusal::Unreachable => {
            (StatusCode::UNPROCESSABLE_ENTITY, "tenant_database_unreachable")
        }
        DatabaseRefusal::Exists => (StatusCode::CONFLICT, "database_exists"),
        DatabaseRefusal::Rights => (StatusCode::UNPROCESSABLE_ENTITY, "database_rights_missing"),
        DatabaseRefusal::NotOffered => (StatusCode::UNPROCESSABLE_ENTITY, "database_not_offered"),
        DatabaseRefusal::Failed => (StatusCode::SERVICE_UNAVAILABLE, "tenant_database_failed"),
    }
}

const fn denial_code(denial: &Denial) -> &'static str {
    match denial {
        Denial::Permission(_) | Denial::Role => "insufficient_permissions",
        Denial::SubAccountsDoNotNest => "subaccounts_cannot_nest",
        Denial::NotEntitled(_) => "not_entitled",
        Denial::GrantExceedsOwn | Denial::EndExceedsOwn | Denial::LimitsExceedOwn => {
            "grant_exceeds_own"
        }
        Denial::TenantMismatch => "tenant_mismatch",
        Denial::OperatorOnly => "operator_only",
        Denial::OwnAccount => "own_account",
        Denial::OrganizationsOwn => "organization_only",
        Denial::CredentialRefused(_) => "credential_refused",
        Denial::NoOrganization => "no_organization",
        Denial::ClientGeneratedId => "client_generated_id",
    }
}

const fn conflict_code(conflict: Conflict) -> &'static str {
    match conflict {
        Conflict::Changed => "changed",
        Conflict::Taken => "taken",
        Conflict::AlreadyInitialized => "already_initialized",
        Conflict::Closed => "account_closed",
        Conflict::Suspended => "account_suspended",
        Conflict::GivenAway => "concurrency_given_away",
        Conflict::Provisioning => "account_provisioning",
        Conflict::NotActive => "organization_not_active",
        Conflict::DatabaseGiven => "database_credentials_given",
        Conflict::Rotating => "database_rotating",
        Conflict::IdempotencyKeyReused => "idempotency_key_reused",
        Conflict::IdempotencyKeyInUse | Conflict::Repeated => "idempotency_key_in_use",
        Conflict::KeyRevoked => "key_revoked",
        Conflict::KeyExpired => "key_expired",
        Conflict::KeySuperseded => "key_superseded",
        Conflict::KeyPending => "key_pending",
        Conflict::WrongType => "wrong_type",
    }
}
