//! `/v1/accounts`

use super::keys::encode_created_key;
use super::rates;
use crate::app::AppState;
use crate::body::JsonBody;
use crate::caller::{Caller, PathSegment};
use crate::once::{Attempt, once};
use crate::query::Query;
use crate::refusal::Refusal;
use crate::reply;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::value::RawValue;
use tenantry_api::accounts as api;
use tenantry_api::list::List;
use tenantry_core::accounts::{
    Account, AccountLimits, ConcurrentCalls, CreatedAccount, FirstKey, NewAccount, NewPlacement,
    Profile,
};
use tenantry_core::clock::Timestamp;
use tenantry_core::database::{DatabaseParts, DatabasePort, DedicatedDatabase, NewDatabase};
use tenantry_core::error::{Error, Kind, Problem, Violation};
use tenantry_core::ids::AccountId;
use tenantry_core::json;
use tenantry_core::limits;
use tenantry_core::permissions::PermissionSet;
use tenantry_core::secrets::KeyFormat;
use tenantry_core::text::{Line, Metadata, Name};

/// `POST /v1/accounts`: a sub-account with its first key.
pub(crate) async fn create(
    State(state): State<AppState>,
    Caller(context): Caller,
    attempt: Attempt,
    body: JsonBody,
) -> Result<Response, Refusal> {
    let new = decode_new(super::decode(&body)?)?;
    let encode = |created: &CreatedAccount| {
        let reply = api::CreatedAccount {
            account: encode_account(&created.account)?,
            key: encode_created_key(&created.key, &created.secret)?,
        };
        reply::keepable(StatusCode::CREATED, reply::JSON, &reply)
    };
    once(&state, &context, &attempt, &body.bytes, &encode, async |once| {
        state.plane.create_account(&context, new, once).await
    })
    .await
}

/// `GET /v1/accounts`: a page of the caller's own account and those below it.
pub(crate) async fn list(
    State(state): State<AppState>,
    Caller(context): Caller,
    mut query: Query,
) -> Result<Response, Refusal> {
    let asked = query.page()?;
    query.finish()?;
    let page = state.plane.list_accounts(&context, &asked.request()?).await?;
    let data = page.items.iter().map(encode_account).collect::<Result<_, Error>>()?;
    let list = List { data, next_cursor: page.next };
    Ok(reply::json(StatusCode::OK, reply::JSON, &list))
}

/// `GET /v1/accounts/{id}`: the caller's own account, or one below it.
pub(crate) async fn find(
    State(state): State<AppState>,
    Caller(context): Caller,
    PathSegment(id): PathSegment,
) -> Result<Response, Refusal> {
    let id = AccountId::parse_any(&id).map_err(|_| Error::NotFound(Kind::Account))?;
    let account = state.plane.find_whole_account(&context, id).await?;
    Ok(reply::json(StatusCode::OK, reply::JSON, &encode_account(&account)?))
}

/// Collects what is wrong with a body, so that a caller learns of every fault at once.
pub(super) struct Violations(pub(super) Vec<Violation>);

impl Violations {
    pub(super) fn take<T>(&mut self, field: &str, outcome: Result<T, Problem>) -> Option<T> {
        outcome
            .map_err(|problem| self.0.push(Violation { field: field.to_owned().into(), problem }))
            .ok()
    }
}

pub(super) fn decode_new(body: api::CreateAccount<'_>) -> Result<NewAccount, Error> {
    let mut violations = Violations(Vec::new());
    let name = violations.take("name", Name::parse(&body.name));
    let profile = decode_profile(body.profile.unwrap_or_default(), &mut violations);
    let metadata = decode_metadata(body.metadata, &mut violations);
    let asked = body.limits.unwrap_or_default();
    let concurrent_calls = asked.concurrency.and_then(|number| {
        let max = limits::CONCURRENT_CALLS_MAX.into();
        let calls = ConcurrentCalls::new(number).ok_or(Problem::OutOfRange(1, max));
        violations.take("limits.concurrent_calls", calls)
    });
    let rates = rates::decode_rates("limits.rate", asked.rate.unwrap_or_default(), &mut violations);
    let placement = match body.database {
        None => Some(NewPlacement::Shared),
        Some(database) => decode_database(&database, &mut violations).map(NewPlacement::Dedicated),
    };
    let key = decode_first_key(body.key, &mut violations);
    match (name, metadata, placement) {
        (Some(name), Some(metadata), Some(placement)) if violations.0.is_empty() => {
            Ok(NewAccount {
                name,
                profile,
                metadata,
                limits: AccountLimits { concurrent_calls, rates, ..AccountLimits::default() },
                placement,
                key,
                entitlement: None,
            })
        }
        _ => Err(Error::Invalid(violations.0)),
    }
}

/// The caller's own object; absent and null are an empty one.
pub(super) fn decode_metadata(
    metadata: Option<&RawValue>,
    violations: &mut Violations,
) -> Option<Metadata> {
    match metadata.map(RawValue::get) {
        None | Some("null") => Some(Metadata::empty()),
        Some(text) => {
            let value = json::parse(text.as_bytes()).map_err(|_| Problem::Malformed);
            violations.take("metadata", value.and_then(|value| Metadata::from_json(&value)))
        }
    }
}

fn decode_profile(profile: api::Profile, violations: &mut Violations) -> Profile {
    let api::Profile { company, vat, country, address, city, state, zip_code } = profile;
    let values = [company, vat, country, address, city, state, zip_code];
    let mut profile = Profile::default();
    for (index, value) in values.into_iter().enumerate() {
        let field = format!("profile.{}", Profile::FIELDS[index]);
        let line = value.and_then(|value| violations.take(&field, Line::parse_paragraph(&value)));
        profile.set(index, line);
    }
    profile
}

fn decode_database(
    database: &api::Database,
    violations: &mut Violations,
) -> Option<DedicatedDatabase> {
    if database.managed == Some(true) {
        let api::Database { managed: _, host, port, name, user, password } = database;
        let named = [
            ("database.host", host.is_some()),
            ("database.port", port.is_some()),
            ("database.name", name.is_some()),
            ("database.user", user.is_some()),
            ("database.password", password.is_some()),
        ];
        // The operator's server says all of it.
        let before = violations.0.len();
        for (field, _) in named.iter().filter(|(_, named)| *named) {
            violations.take::<()>(field, Err(Problem::ServerSet));
        }
        return (violations.0.len() == before).then_some(DedicatedDatabase::Managed);
    }
    let port = match database.port {
        None => None,
        Some(number) => Some(violations.take("database.port", DatabasePort::from_number(number))?),
    };
    let parts = DatabaseParts {
        host: database.host.as_deref(),
        port,
        name: database.name.as_deref(),
        user: database.user.as_deref(),
        password: database.password.as_deref(),
    };
    let new = NewDatabase::parse(&parts).map_err(|more| violations.0.extend(more)).ok();
    new.map(DedicatedDatabase::Brought)
}

fn decode_first_key(
    key: Option<tenantry_api::keys::NewKey>,
    violations: &mut Violations,
) -> FirstKey {
    let mut first = FirstKey::usual(KeyFormat::Native);
    let Some(key) = key else {
        return first;
    };
    first.name = key.name.and_then(|name| violations.take("key.name", Name::parse(&name)));
    if let Some(texts) = key.permissions {
        let set = PermissionSet::parse(texts.iter().map(String::as_str));
        if let Some(set) = violations.take("key.permissions", set) {
            first.permissions = set;
        }
    }
    first.expires_at = key.expires_at.and_then(|text| {
        let time = Timestamp::parse_rfc3339(&text).ok_or(Problem::Malformed);
        violations.take("key.expires_at", time)
    });
    first
}

/// An account as the native API prints it.
pub(crate) fn encode_account(account: &Account) -> Result<api::Account<'_>, Error> {
    let mut values = account.profile.iter().map(|(_, value)| value.map(str::to_owned));
    let mut next = || values.next().flatten();
    // In the order of `Profile::FIELDS`.
    let profile = api::Profile {
        company: next(),
        vat: next(),
        country: next(),
        address: next(),
        city: next(),
        state: next(),
        zip_code: next(),
    };
    Ok(api::Account {
        id: account.id.to_string(),
        account_uuid: account.id.to_uuid(),
        parent_id: account.parent.map(|parent| parent.to_string()),
        name: account.name.as_str(),
        profile,
        metadata: raw(account.metadata.as_str())?,
        status: account.status.as_str(),
        limits: api::Limits {
            concurrency: account.limits.concurrent_calls.map(i64::from),
            rate: (!account.limits.rates.is_empty())
                .then(|| rates::encode_rates(&account.limits.rates)),
        },
        created_at: reply::time(account.created_at)?,
        updated_at: reply::time(account.updated_at)?,
    })
}

/// JSON text that goes into a reply as it is.
pub(crate) fn raw(text: &str) -> Result<&RawValue, Error> {
    serde_json::from_str(text).map_err(Error::internal)
}
