//! `/v1/keys/{id}`

use crate::app::AppState;
use crate::caller::{Caller, PathSegment};
use crate::refusal::Refusal;
use crate::reply;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use tenantry_api::keys as api;
use tenantry_core::cluster::Effective;
use tenantry_core::credentials::Credential;
use tenantry_core::error::{Error, Kind};
use tenantry_core::ids::CredentialId;
use tenantry_core::secrets::PlainSecret;
use tenantry_core::text::Name;

/// `POST /v1/keys/{id}/revoke`, and `DELETE /v1/keys/{id}`, which is the same.
pub(crate) async fn revoke(
    State(state): State<AppState>,
    Caller(context): Caller,
    PathSegment(id): PathSegment,
) -> Result<Response, Refusal> {
    let id = CredentialId::parse_any(&id).map_err(|_| Error::NotFound(Kind::Key))?;
    let effective = state.plane.revoke_key(&context, id).await?;
    Ok(reply::json(StatusCode::OK, reply::JSON, &encode_effective(effective)?))
}

/// By when a change holds, as the native API prints it.
pub(crate) fn encode_effective(effective: Effective) -> Result<api::Effective, Error> {
    Ok(api::Effective {
        revision: effective.revision.to_string(),
        effective_everywhere_by: reply::time(effective.everywhere_by)?,
    })
}

/// A key that was just made, with the plaintext that is shown here and nowhere else.
pub(crate) fn encode_created_key<'a>(
    key: &'a Credential,
    secret: &'a PlainSecret,
) -> Result<api::CreatedKey<'a>, Error> {
    Ok(api::CreatedKey {
        id: key.id.to_string(),
        account_id: key.owner.account().map(|account| account.to_string()),
        name: key.name.as_ref().map(Name::as_str),
        format: key.format.as_str(),
        start: key.start.as_str(),
        permissions: key.permissions.iter().collect(),
        status: key.status.as_str(),
        expires_at: key.expires_at.map(reply::time).transpose()?,
        created_at: reply::time(key.created_at)?,
        secret: secret.reveal(),
    })
}
