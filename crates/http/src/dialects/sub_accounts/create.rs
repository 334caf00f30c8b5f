//! `POST /sub-accounts/create`

use crate::app::AppState;
use crate::body::{self, JsonBody};
use crate::caller::Caller;
use crate::once::{Attempt, once};
use crate::refusal::Refusal;
use crate::reply;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use tenantry_core::accounts::{
    Account, AccountLimits, AccountStatus, ConcurrentCalls, CreatedAccount, Entitlement, FirstKey,
    NewAccount, NewPlacement, Profile,
};
use tenantry_core::database::{
    DatabaseParts, DatabasePassword, DatabasePort, DedicatedDatabase, NewDatabase, TenantDatabase,
};
use tenantry_core::error::{Error, Problem, Violation};
use tenantry_core::json::Json;
use tenantry_core::limits;
use tenantry_core::secrets::KeyFormat;
use tenantry_core::text::{Metadata, Name};
use utoipa::ToSchema;

/// Makes a sub-account. 200, not 201: the contract's own status.
pub(crate) async fn create(
    State(state): State<AppState>,
    Caller(context): Caller,
    attempt: Attempt,
    body: JsonBody,
) -> Result<Response, Refusal> {
    let new = decode(&body.value)?;
    let encode = |created: &CreatedAccount| {
        let CreatedAccount { account, root, secret, database, .. } = created;
        let mut reply = encode(account, root, database.as_ref().map(|created| &created.database))?;
        reply.api_key = Some(secret.reveal());
        // To whoever sent it, and nobody else.
        let password = database.as_ref().and_then(|created| created.password.as_ref());
        reply.db_password = password.map(DatabasePassword::reveal);
        reply::keepable(StatusCode::OK, reply::JSON, &reply)
    };
    once(&state, &context, &attempt, &body.bytes, &encode, async |once| {
        state.plane.create_account(&context, new, once).await
    })
    .await
}

fn decode(body: &Json) -> Result<NewAccount, Error> {
    if !matches!(body, Json::Object(_)) {
        return Err(Error::Malformed("the body is not a JSON object"));
    }
    let mut violations = body::server_set(body, "");
    let name = match body.get("name") {
        None => Err(Problem::Missing),
        Some(Json::String(text)) => Name::parse(text),
        Some(_) => Err(Problem::WrongType("a string")),
    };
    let name = name.map_err(|problem| violations.push(violation("name", problem))).ok();
    let own_database = match body.get("multi_tenant") {
        None | Some(Json::Null) => false,
        Some(Json::Bool(value)) => *value,
        Some(_) => {
            violations.push(violation("multi_tenant", Problem::WrongType("a boolean")));
            false
        }
    };
    let placement = if own_database {
        let database = decode_database(body, &mut violations);
        database.map(|database| NewPlacement::Dedicated(DedicatedDatabase::Brought(database)))
    } else {
        // The contract's own example sends database fields with `multi_tenant: false`: they are
        // neither looked at nor kept.
        Some(NewPlacement::Shared)
    };
    let calls = decode_concurrent_calls(body)
        .map_err(|problem| violations.push(violation("limits.concurrent_calls", problem)))
        .unwrap_or_default();
    match (name, placement) {
        (Some(name), Some(placement)) if violations.is_empty() => Ok(NewAccount {
            name,
            profile: Profile::default(),
            metadata: Metadata::empty(),
            limits: AccountLimits { concurrent_calls: calls, ..AccountLimits::default() },
            placement,
            key: FirstKey::usual(KeyFormat::SubAccount),
            entitlement: Some(Entitlement::SubAccounts),
        }),
        _ => Err(Error::Invalid(violations)),
    }
}

pub(super) fn violation(field: &'static str, problem: Problem) -> Violation {
    Violation { field: field.into(), problem }
}

pub(super) fn decode_concurrent_calls(body: &Json) -> Result<Option<ConcurrentCalls>, Problem> {
    let range = Problem::OutOfRange(1, limits::CONCURRENT_CALLS_MAX.into());
    match body.get("allow_concurrent_calls") {
        None | Some(Json::Null) => Ok(None),
        // A number with a fraction or exponent is not an integer, whatever its value.
        Some(Json::Number(number)) if number.is_f64() => Err(Problem::WrongType("an integer")),
        Some(Json::Number(number)) => {
            number.as_i64().and_then(ConcurrentCalls::new).map(Some).ok_or(range)
        }
        Some(_) => Err(Problem::WrongType("an integer")),
    }
}

fn decode_database(body: &Json, violations: &mut Vec<Violation>) -> Option<NewDatabase> {
    let before = violations.len();
    let mut text = |member: &str, field: &'static str| match body.get(member) {
        None | Some(Json::Null) => None,
        Some(Json::String(text)) => Some(text.as_str()),
        Some(_) => {
            violations.push(violation(field, Problem::WrongType("a string")));
            None
        }
    };
    let host = text("db_host", "database.host");
    let name = text("db_name", "database.name");
    let user = text("db_user", "database.user");
    let password = text("db_password", "database.password");
    let port = match body.get("db_port") {
        None | Some(Json::Null) => Ok(None),
        Some(Json::String(text)) => DatabasePort::parse(text).map(Some),
        Some(Json::Number(number)) => number
            .as_i64()
            .ok_or(Problem::WrongType("an integer or a string of digits"))
            .and_then(DatabasePort::from_number)
            .map(Some),
        Some(_) => Err(Problem::WrongType("an integer or a string of digits")),
    };
    let port = port
        .map_err(|problem| violations.push(violation("database.port", problem)))
        .unwrap_or_default();
    let wrong: Vec<_> = violations[before..].iter().map(|v| v.field.clone()).collect();
    let parts = DatabaseParts { host, port, name, user, password };
    match NewDatabase::parse(&parts) {
        Ok(database) if violations.len() == before => Some(database),
        Ok(_) => None,
        Err(more) => {
            // A field of another type was named already; it is not missing as well.
            violations.extend(more.into_iter().filter(|v| !wrong.contains(&v.field)));
            None
        }
    }
}

/// All fields of the contract, in its order.
#[derive(Serialize, ToSchema)]
#[schema(as = SubAccount)]
pub(crate) struct Reply<'a> {
    #[schema(format = "uuid")]
    id: String,
    name: &'a str,
    #[schema(format = "uuid")]
    user_id: String,
    #[schema(format = "uuid")]
    organization_id: String,
    #[schema(required)]
    api_key: Option<&'a str>,
    multi_tenant: bool,
    #[schema(required)]
    db_host: Option<&'a str>,
    #[schema(required)]
    db_name: Option<&'a str>,
    #[schema(required)]
    db_port: Option<String>,
    #[schema(required)]
    db_user: Option<&'a str>,
    #[schema(required)]
    db_password: Option<&'a str>,
    allow_concurrent_calls: u32,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    updated_at: String,
    /// `provisioning` while its database is being made, and its key refuses until then; else absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'static str>,
}

/// A sub-account under `root`, without its secrets.
pub(super) fn encode<'a>(
    account: &'a Account,
    root: &Account,
    database: Option<&'a TenantDatabase>,
) -> Result<Reply<'a>, Error> {
    let provisioning = account.status == AccountStatus::Provisioning;
    let time = |at| reply::format(at, "%Y-%m-%dT%H:%M:%SZ");
    Ok(Reply {
        id: account.id.to_uuid(),
        name: account.name.as_str(),
        user_id: account.created_by.to_uuid(),
        organization_id: root.id.to_uuid(),
        api_key: None,
        multi_tenant: database.is_some(),
        db_host: database.map(|database| database.host.as_str()),
        db_name: database.map(|database| database.name.as_str()),
        db_port: database.map(|database| database.port.get().to_string()),
        db_user: database.map(|database| database.user.as_str()),
        db_password: None,
        allow_concurrent_calls: account.limits.effective_concurrent_calls(&root.limits).get(),
        created_at: time(account.created_at)?,
        updated_at: time(account.updated_at)?,
        status: provisioning.then(|| account.status.as_str()),
    })
}
