//! Errors of the sub-accounts dialect: `{"error":400,"message":"…"}`.

use crate::refusal::Refusal;
use crate::reply;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use tenantry_core::error::{Conflict, DatabaseRefusal, Denial, Error, Violation};
use utoipa::ToSchema;

#[derive(Serialize, ToSchema)]
#[schema(as = SubAccountsError)]
pub(crate) struct Body<'a> {
    error: u16,
    message: &'a str,
}

/// A body that names nothing to change, in the contract's own words.
#[derive(Serialize, ToSchema)]
#[schema(as = SubAccountsNoValidFields)]
pub(crate) struct NoValidFields {
    error: &'static str,
    status: &'static str,
}

/// More concurrent calls than the account has to give, in the contract's own words.
#[derive(Serialize, ToSchema)]
#[schema(as = SubAccountsConcurrencyExceeded)]
pub(crate) struct ConcurrencyExceeded {
    message: &'static str,
    details: ConcurrencyDetails,
}

#[derive(Serialize, ToSchema)]
#[schema(as = SubAccountsConcurrencyDetails)]
struct ConcurrencyDetails {
    requested: u32,
    available: u32,
    account_limit: u32,
    subaccount_usage: u32,
}

/// The body of a refusal.
pub(crate) fn render(refusal: &Refusal) -> Response {
    if let Refusal::NoValidFields = refusal {
        let body = NoValidFields { error: "No valid fields provided", status: "failure" };
        return reply::json(StatusCode::BAD_REQUEST, reply::JSON, &body);
    }
    if let Refusal::Core(error) = refusal
        && let Error::ConcurrencyExceeded { requested, available, account_limit, given } = **error
    {
        let details =
            ConcurrencyDetails { requested, available, account_limit, subaccount_usage: given };
        let body = ConcurrencyExceeded { message: "Concurrency limit exceeded", details };
        return reply::json(StatusCode::BAD_REQUEST, reply::JSON, &body);
    }
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
        Refusal::InvalidTenant | Refusal::BodyNotSupported | Refusal::NoValidFields => {
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
        Error::Parameter(violation) => {
            return (StatusCode::BAD_REQUEST, sentences(std::slice::from_ref(violation)));
        }
        Error::Malformed(problem) => (StatusCode::BAD_REQUEST, *problem),
        Error::Conflict(Conflict::IdempotencyKeyReused) => {
            (StatusCode::BAD_REQUEST, "Idempotency-Key was used with another body")
        }
        Error::Conflict(Conflict::IdempotencyKeyInUse | Conflict::Repeated) => {
            (StatusCode::CONFLICT, "A request with this Idempotency-Key is under way")
        }
        error @ Error::SecretAlreadyDelivered { .. } => {
            return (StatusCode::CONFLICT, error.to_string());
        }
        Error::Conflict(_) => (StatusCode::CONFLICT, "Conflict"),
        Error::LimitReached { .. } => (StatusCode::CONFLICT, "Limit reached"),
        Error::ConcurrencyExceeded { .. } => {
            (StatusCode::BAD_REQUEST, "Concurrency limit exceeded")
        }
        Error::CallsExceeded { .. } => {
            (StatusCode::TOO_MANY_REQUESTS, "Concurrency limit exceeded")
        }
        Error::LeaseEnded => (StatusCode::GONE, "The lease has ended"),
        Error::RateLimited { .. } => (StatusCode::TOO_MANY_REQUESTS, "Too many failed attempts"),
        Error::RatesExceeded(_) => (StatusCode::TOO_MANY_REQUESTS, "Rate limit exceeded"),
        Error::UsesExceeded => (StatusCode::TOO_MANY_REQUESTS, "No uses are left"),
        Error::Database(refusal) => database_refusal(*refusal),
        Error::DialsExceeded { .. } => {
            (StatusCode::TOO_MANY_REQUESTS, "Too many databases were asked for")
        }
        Error::TenantDatabaseUnavailable | Error::MigrationFailed { .. } => {
            (StatusCode::SERVICE_UNAVAILABLE, "The sub-account's database is unavailable")
        }
        Error::StorageFull => (StatusCode::INSUFFICIENT_STORAGE, "Storage is full"),
        Error::Unavailable(_) => (StatusCode::SERVICE_UNAVAILABLE, "Service unavailable"),
        Error::OutcomeUnknown(_) => {
            (StatusCode::SERVICE_UNAVAILABLE, "Timed out; the outcome is not known")
        }
        Error::Integrity { .. } | Error::Internal(_) => {
            (StatusCode::INTERNAL_SERVER_ERROR, "Internal server error")
        }
    };
    (status, message.to_owned())
}

/// What the contract calls validation is 400 here.
const fn database_refusal(refusal: DatabaseRefusal) -> (StatusCode, &'static str) {
    match refusal {
        DatabaseRefusal::HostNotAllowed => (StatusCode::BAD_REQUEST, "db_host is not allowed"),
        DatabaseRefusal::Unreachable => (
            StatusCode::BAD_REQUEST,
            "The database cannot be reached, or does not take db_user and db_password",
        ),
        DatabaseRefusal::Exists => {
            (StatusCode::CONFLICT, "The database exists and cannot be taken over")
        }
        DatabaseRefusal::Rights => (StatusCode::BAD_REQUEST, "db_user may not make the database"),
        DatabaseRefusal::NotOffered => (StatusCode::BAD_REQUEST, "db_host is required"),
        DatabaseRefusal::Failed => {
            (StatusCode::SERVICE_UNAVAILABLE, "The database could not be made")
        }
    }
}

const fn denied(denial: &Denial) -> &'static str {
    match denial {
        Denial::SubAccountsDoNotNest => "Sub-accounts cannot create sub-accounts",
        Denial::NotEntitled(_) => "Sub-accounts are not enabled for this organization",
        Denial::Permission(_)
        | Denial::GrantExceedsOwn
        | Denial::EndExceedsOwn
        | Denial::LimitsExceedOwn
        | Denial::Role
        | Denial::TenantMismatch
        | Denial::OwnAccount
        | Denial::OperatorOnly
        | Denial::OrganizationsOwn
        | Denial::CredentialRefused(_)
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
