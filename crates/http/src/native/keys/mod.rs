//! `/v1/keys/{id}` and `/v1/accounts/{id}/keys`

pub(crate) mod decode;

use super::accounts::raw;
use super::effective::{Wait, encode_effective};
use crate::app::AppState;
use crate::body::JsonBody;
use crate::caller::{Caller, PathSegment};
use crate::native::rates;
use crate::once::{Attempt, once};
use crate::query::Query;
use crate::refusal::Refusal;
use crate::reply;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use tenantry_api::keys as api;
use tenantry_api::list::List;
use tenantry_core::credentials::{Credential, CredentialStatus};
use tenantry_core::error::{Error, Kind};
use tenantry_core::ids::{AccountId, CredentialId};
use tenantry_core::keys::{CreatedKey, Grace, RotatedKey};
use tenantry_core::page::Page;
use tenantry_core::secrets::PlainSecret;
use tenantry_core::text::Name;

/// `POST /v1/accounts/{id}/keys`: a further key of an account.
pub(crate) async fn create(
    State(state): State<AppState>,
    Caller(context): Caller,
    PathSegment(id): PathSegment,
    attempt: Attempt,
    body: JsonBody,
) -> Result<Response, Refusal> {
    let account = account_id(&id)?;
    let new = decode::new_key(super::decode_grantee(&body)?)?;
    let encode = |created: &CreatedKey| {
        let reply = encode_created_key(&created.key, &created.secret)?;
        reply::keepable(StatusCode::CREATED, reply::JSON, &reply)
    };
    once(&state, &context, &attempt, &body.bytes, &encode, async |once| {
        state.plane.create_key(&context, account, new, once).await
    })
    .await
}

/// `GET /v1/accounts/{id}/keys`: a page of an account's keys.
pub(crate) async fn list(
    State(state): State<AppState>,
    Caller(context): Caller,
    PathSegment(id): PathSegment,
    mut query: Query,
) -> Result<Response, Refusal> {
    let asked = query.page()?;
    query.finish()?;
    let page = state.plane.list_keys(&context, account_id(&id)?, &asked.request()?).await?;
    Ok(reply::json(StatusCode::OK, reply::JSON, &encode_keys(&page)?))
}

/// `GET /v1/keys/{id}`
pub(crate) async fn find(
    State(state): State<AppState>,
    Caller(context): Caller,
    PathSegment(id): PathSegment,
    query: Query,
) -> Result<Response, Refusal> {
    query.finish()?;
    let key = state.plane.find_key(&context, key_id(&id)?).await?;
    Ok(reply::json(StatusCode::OK, reply::JSON, &encode_key(&key)?))
}

/// `PATCH /v1/keys/{id}`: the key as it is then.
pub(crate) async fn update(
    State(state): State<AppState>,
    Caller(context): Caller,
    PathSegment(id): PathSegment,
    query: Query,
    body: JsonBody,
) -> Result<Response, Refusal> {
    let wait = Wait::take(query)?;
    let id = key_id(&id)?;
    let changes = decode::changes(super::decode_grantee(&body)?)?;
    let key = state.plane.update_key(&context, id, &changes).await?;
    wait.hold(&state, &context).await?;
    Ok(reply::json(StatusCode::OK, reply::JSON, &encode_key(&key)?))
}

/// `POST /v1/keys/{id}/revoke`, and `DELETE /v1/keys/{id}`, which is the same. With
/// `?lineage=true` the whole line goes.
pub(crate) async fn revoke(
    State(state): State<AppState>,
    Caller(context): Caller,
    PathSegment(id): PathSegment,
    mut query: Query,
) -> Result<Response, Refusal> {
    let line = query.flag("lineage")?;
    let wait = Wait::take(query)?;
    let id = key_id(&id)?;
    let effective = if line {
        state.plane.revoke_key_line(&context, id).await?
    } else {
        state.plane.revoke_key(&context, id).await?
    };
    wait.answer(&state, effective).await
}

/// `POST /v1/keys/{id}/disable`
pub(crate) async fn disable(
    State(state): State<AppState>,
    Caller(context): Caller,
    PathSegment(id): PathSegment,
    query: Query,
) -> Result<Response, Refusal> {
    let wait = Wait::take(query)?;
    let effective = state.plane.disable_key(&context, key_id(&id)?).await?;
    wait.answer(&state, effective).await
}

/// `POST /v1/keys/{id}/enable`
pub(crate) async fn enable(
    State(state): State<AppState>,
    Caller(context): Caller,
    PathSegment(id): PathSegment,
    query: Query,
) -> Result<Response, Refusal> {
    let wait = Wait::take(query)?;
    let effective = state.plane.enable_key(&context, key_id(&id)?).await?;
    wait.answer(&state, effective).await
}

/// `POST /v1/keys/{id}/rotate`: a new key of the same line.
pub(crate) async fn rotate(
    State(state): State<AppState>,
    Caller(context): Caller,
    PathSegment(id): PathSegment,
    query: Query,
    attempt: Attempt,
    body: JsonBody,
) -> Result<Response, Refusal> {
    let wait = Wait::take(query)?;
    let id = key_id(&id)?;
    let asked: api::RotateKey = super::decode(&body)?;
    let grace = Grace::from_seconds(asked.grace_seconds)
        .map_err(|problem| Error::invalid("grace_seconds", problem))?;
    let encode = |rotated: &RotatedKey| {
        reply::keepable(StatusCode::CREATED, reply::JSON, &encode_rotated(rotated)?)
    };
    let reply = once(&state, &context, &attempt, &body.bytes, &encode, async |once| {
        state.plane.rotate_key(&context, id, grace, once).await
    });
    let reply = reply.await?;
    wait.hold(&state, &context).await?;
    Ok(reply)
}

pub(super) fn account_id(text: &str) -> Result<AccountId, Error> {
    AccountId::parse_any(text).map_err(|_| Error::NotFound(Kind::Account))
}

fn key_id(text: &str) -> Result<CredentialId, Error> {
    CredentialId::parse_any(text).map_err(|_| Error::NotFound(Kind::Key))
}

/// A key that was just made, with the plaintext that is shown here and nowhere else.
pub(crate) fn encode_created_key<'a>(
    key: &'a Credential,
    secret: &'a PlainSecret,
) -> Result<api::Key<'a>, Error> {
    Ok(api::Key { secret: Some(secret.reveal()), ..encode_key(key)? })
}

/// A page of keys.
pub(crate) fn encode_keys(page: &Page<Credential>) -> Result<List<api::Key<'_>>, Error> {
    let data = page.items.iter().map(encode_key).collect::<Result<_, Error>>()?;
    Ok(List { data, next_cursor: page.next.clone() })
}

fn encode_rotated(rotated: &RotatedKey) -> Result<api::RotatedKey<'_>, Error> {
    let effective = rotated.effective.map(encode_effective).transpose()?;
    let (revision, effective_everywhere_by) =
        effective.map(|it| (it.revision, it.effective_everywhere_by)).unzip();
    Ok(api::RotatedKey {
        key: encode_created_key(&rotated.key, &rotated.secret)?,
        superseded: encode_key(&rotated.superseded)?,
        revision,
        effective_everywhere_by,
    })
}

/// A key as the native API prints it.
fn encode_key(key: &Credential) -> Result<api::Key<'_>, Error> {
    let revoked_at = match key.status {
        CredentialStatus::Revoked { at } => Some(at),
        CredentialStatus::Active | CredentialStatus::Disabled => None,
    };
    Ok(api::Key {
        id: key.id.to_string(),
        account_id: key.owner.account().map(|account| account.to_string()),
        name: key.name.as_ref().map(Name::as_str),
        format: key.format.as_str(),
        start: key.start.as_str(),
        permissions: key.permissions.iter().collect(),
        allowed_ips: key.allowed_ips.iter().map(ToString::to_string).collect(),
        metadata: raw(key.metadata.as_str())?,
        status: key.status.as_str(),
        limits: rates::encode_key_limits(&key.limits)?,
        expires_at: key.expires_at.map(reply::time).transpose()?,
        lineage: key.lineage.to_string(),
        superseded_by: key.superseded.map(|superseded| superseded.by.to_string()),
        grace_expires_at: key
            .superseded
            .map(|superseded| reply::time(superseded.until))
            .transpose()?,
        created_at: reply::time(key.created_at)?,
        revoked_at: revoked_at.map(reply::time).transpose()?,
        last_used_at: key.last_used_at.map(reply::time).transpose()?,
        secret: None,
    })
}
