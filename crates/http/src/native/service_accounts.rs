//! `/v1/accounts/{id}/service-accounts` and `/v1/service-accounts/{id}`

use super::accounts::Violations;
use super::effective::Wait;
use super::keys::account_id;
use crate::app::AppState;
use crate::body::{JsonBody, OptionalJsonBody};
use crate::caller::{Caller, PathSegment, PathSegments};
use crate::once::{Attempt, once};
use crate::query::Query;
use crate::refusal::Refusal;
use crate::reply;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use bytes::Bytes;
use serde::Deserialize;
use tenantry_api::list::List;
use tenantry_api::patch::Patch;
use tenantry_api::service_accounts as api;
use tenantry_core::clock::Timestamp;
use tenantry_core::credentials::Credential;
use tenantry_core::error::{Error, Kind, Problem};
use tenantry_core::ids::{CredentialId, ServiceAccountId};
use tenantry_core::json::Json;
use tenantry_core::permissions::PermissionSet;
use tenantry_core::secrets::PlainSecret;
use tenantry_core::service_accounts::{
    CreatedSecret, CreatedServiceAccount, NewServiceAccount, ServiceAccountChanges,
    ServiceAccountDetails, Switch,
};
use tenantry_core::text::Name;

/// `POST /v1/accounts/{id}/service-accounts`: a service account with its first secret.
pub(crate) async fn create(
    State(state): State<AppState>,
    Caller(context): Caller,
    PathSegment(id): PathSegment,
    attempt: Attempt,
    OptionalJsonBody(bytes, value): OptionalJsonBody,
) -> Result<Response, Refusal> {
    let account = account_id(&id)?;
    let encode = |created: &CreatedServiceAccount| {
        let secrets = &created.details.secrets;
        let credential = secrets.first().ok_or_else(|| Error::internal("no secret was made"))?;
        let reply = api::CreatedServiceAccount {
            service_account: encode(&created.details)?,
            secret: encode_created_secret(credential, &created.secret)?,
        };
        reply::keepable(StatusCode::CREATED, reply::JSON, &reply)
    };
    let new = decode_new(decode_optional(&bytes, value)?)?;
    once(&state, &context, &attempt, &bytes, &encode, async |once| {
        state.plane.create_service_account(&context, account, new, once).await
    })
    .await
}

/// `GET /v1/accounts/{id}/service-accounts`: a page of an account's service accounts.
pub(crate) async fn list(
    State(state): State<AppState>,
    Caller(context): Caller,
    PathSegment(id): PathSegment,
    mut query: Query,
) -> Result<Response, Refusal> {
    let asked = query.page()?;
    query.finish()?;
    let account = account_id(&id)?;
    let page = state.plane.list_service_accounts(&context, account, &asked.request()?).await?;
    let data = page.items.iter().map(encode).collect::<Result<_, Error>>()?;
    let list = List { data, next_cursor: page.next };
    Ok(reply::json(StatusCode::OK, reply::JSON, &list))
}

/// `GET /v1/service-accounts/{id}`
pub(crate) async fn find(
    State(state): State<AppState>,
    Caller(context): Caller,
    PathSegment(id): PathSegment,
    query: Query,
) -> Result<Response, Refusal> {
    query.finish()?;
    let found = state.plane.find_service_account(&context, service_account_id(&id)?).await?;
    Ok(reply::json(StatusCode::OK, reply::JSON, &encode(&found)?))
}

/// `PATCH /v1/service-accounts/{id}`: the service account as it is then.
pub(crate) async fn update(
    State(state): State<AppState>,
    Caller(context): Caller,
    PathSegment(id): PathSegment,
    query: Query,
    body: JsonBody,
) -> Result<Response, Refusal> {
    let wait = Wait::take(query)?;
    let id = service_account_id(&id)?;
    let changes = decode_changes(super::decode_grantee(&body)?)?;
    let updated = state.plane.update_service_account(&context, id, &changes).await?;
    wait.hold(&state, &context).await?;
    Ok(reply::json(StatusCode::OK, reply::JSON, &encode(&updated)?))
}

/// `DELETE /v1/service-accounts/{id}`
pub(crate) async fn delete(
    State(state): State<AppState>,
    Caller(context): Caller,
    PathSegment(id): PathSegment,
    query: Query,
) -> Result<Response, Refusal> {
    let wait = Wait::take(query)?;
    let id = service_account_id(&id)?;
    let (_, effective) = state.plane.delete_service_account(&context, id).await?;
    wait.answer(&state, effective).await
}

/// `POST /v1/service-accounts/{id}/disable`
pub(crate) async fn disable(
    State(state): State<AppState>,
    Caller(context): Caller,
    PathSegment(id): PathSegment,
    query: Query,
) -> Result<Response, Refusal> {
    let wait = Wait::take(query)?;
    let id = service_account_id(&id)?;
    let (_, effective) = state.plane.switch_service_account(&context, id, Switch::Off).await?;
    wait.answer(&state, effective).await
}

/// `POST /v1/service-accounts/{id}/enable`
pub(crate) async fn enable(
    State(state): State<AppState>,
    Caller(context): Caller,
    PathSegment(id): PathSegment,
    query: Query,
) -> Result<Response, Refusal> {
    let wait = Wait::take(query)?;
    let id = service_account_id(&id)?;
    let (_, effective) = state.plane.switch_service_account(&context, id, Switch::On).await?;
    wait.answer(&state, effective).await
}

/// `POST /v1/service-accounts/{id}/secrets`: a further secret.
pub(crate) async fn create_secret(
    State(state): State<AppState>,
    Caller(context): Caller,
    PathSegment(id): PathSegment,
    attempt: Attempt,
    OptionalJsonBody(bytes, value): OptionalJsonBody,
) -> Result<Response, Refusal> {
    let id = service_account_id(&id)?;
    let asked: api::CreateClientSecret = decode_optional(&bytes, value)?;
    let end = asked.expires_at.map(|text| timestamp(&text)).transpose();
    let end = end.map_err(|problem| Error::invalid("expires_at", problem))?;
    let encode = |created: &CreatedSecret| {
        let reply = encode_created_secret(&created.credential, &created.secret)?;
        reply::keepable(StatusCode::CREATED, reply::JSON, &reply)
    };
    once(&state, &context, &attempt, &bytes, &encode, async |once| {
        state.plane.create_client_secret(&context, id, end, once).await
    })
    .await
}

/// `DELETE /v1/service-accounts/{id}/secrets/{secret}`
pub(crate) async fn revoke_secret(
    State(state): State<AppState>,
    Caller(context): Caller,
    PathSegments(id, secret): PathSegments,
    query: Query,
) -> Result<Response, Refusal> {
    let wait = Wait::take(query)?;
    let id = service_account_id(&id)?;
    let secret = CredentialId::parse_secret(&secret);
    let secret = secret.map_err(|_| Error::NotFound(Kind::ClientSecret))?;
    let effective = state.plane.revoke_client_secret(&context, id, secret).await?;
    wait.answer(&state, effective).await
}

pub(super) fn service_account_id(text: &str) -> Result<ServiceAccountId, Error> {
    ServiceAccountId::parse_any(text).map_err(|_| Error::NotFound(Kind::ServiceAccount))
}

/// Reads a body that asks for nothing where it is not there.
fn decode_optional<T: Default + for<'a> Deserialize<'a>>(
    bytes: &Bytes,
    value: Option<Json>,
) -> Result<T, Refusal> {
    match value {
        Some(value) => super::decode_grantee(&JsonBody { bytes: bytes.clone(), value }),
        None => Ok(T::default()),
    }
}

fn decode_new(body: api::CreateServiceAccount) -> Result<NewServiceAccount, Error> {
    let mut violations = Violations(Vec::new());
    let mut new = NewServiceAccount {
        name: body.name.and_then(|text| violations.take("name", Name::parse(&text))),
        ..NewServiceAccount::default()
    };
    if let Some(texts) = body.permissions
        && let Some(set) = violations.take("permissions", permissions(&texts))
    {
        new.permissions = set;
    }
    new.secret_expires_at = body
        .secret_expires_at
        .and_then(|text| violations.take("secret_expires_at", timestamp(&text)));
    if violations.0.is_empty() { Ok(new) } else { Err(Error::Invalid(violations.0)) }
}

fn decode_changes(body: api::UpdateServiceAccount) -> Result<ServiceAccountChanges, Error> {
    let mut violations = Violations(Vec::new());
    let name = match body.name {
        Patch::Keep => None,
        Patch::Clear => violations.take("name", Err(Problem::WrongType("a string"))),
        Patch::Set(text) => violations.take("name", Name::parse(&text)),
    };
    let permissions = match body.permissions {
        Patch::Keep => None,
        // Nothing is a set too, and is written as one.
        Patch::Clear => violations.take("permissions", Err(Problem::WrongType("an array"))),
        Patch::Set(texts) => violations.take("permissions", permissions(&texts)),
    };
    if violations.0.is_empty() {
        Ok(ServiceAccountChanges { name, permissions, switch: None })
    } else {
        Err(Error::Invalid(violations.0))
    }
}

fn permissions(texts: &[String]) -> Result<PermissionSet, Problem> {
    PermissionSet::parse(texts.iter().map(String::as_str))
}

fn timestamp(text: &str) -> Result<Timestamp, Problem> {
    Timestamp::parse_rfc3339(text).ok_or(Problem::Malformed)
}

/// A service account as the native API prints it.
fn encode(details: &ServiceAccountDetails) -> Result<api::ServiceAccount<'_>, Error> {
    let service_account = &details.service_account;
    Ok(api::ServiceAccount {
        id: service_account.id.to_string(),
        account_id: service_account.account.to_string(),
        name: service_account.name.as_str(),
        client_id: &service_account.client_id,
        permissions: service_account.permissions.iter().collect(),
        status: service_account.status.as_str(),
        created_at: reply::time(service_account.created_at)?,
        secrets: details.secrets.iter().map(encode_secret).collect::<Result<_, Error>>()?,
    })
}

fn encode_secret(secret: &Credential) -> Result<api::ClientSecret, Error> {
    Ok(api::ClientSecret {
        id: secret.id.to_secret(),
        expires_at: secret.expires_at.map(reply::time).transpose()?,
        grace_expires_at: secret.superseded.map(|it| reply::time(it.until)).transpose()?,
        created_at: reply::time(secret.created_at)?,
        last_used_at: secret.last_used_at.map(reply::time).transpose()?,
    })
}

fn encode_created_secret<'a>(
    credential: &Credential,
    secret: &'a PlainSecret,
) -> Result<api::CreatedClientSecret<'a>, Error> {
    Ok(api::CreatedClientSecret { record: encode_secret(credential)?, secret: secret.reveal() })
}
