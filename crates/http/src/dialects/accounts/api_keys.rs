//! `GET /api/v1/api_keys/{id}`

use super::media::{MEDIA, Negotiated};
use crate::app::AppState;
use crate::caller::{Caller, PathSegment};
use crate::query::Query;
use crate::refusal::Refusal;
use crate::reply;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use tenantry_core::credentials::{Credential, CredentialStatus};
use tenantry_core::error::{Error, Kind};
use tenantry_core::ids::CredentialId;
use tenantry_core::text::Name;
use utoipa::ToSchema;

/// A key of the caller's own account or of one below it, without its secret.
pub(crate) async fn find(
    State(state): State<AppState>,
    Caller(context): Caller,
    _: Negotiated,
    PathSegment(id): PathSegment,
    query: Query,
) -> Result<Response, Refusal> {
    // JSON:API 1.1 §6: a parameter that is not served is refused, `include` and `fields` too.
    query.finish()?;
    let id = CredentialId::parse_native(&id).map_err(|_| Error::NotFound(Kind::Key))?;
    let key = state.plane.find_key(&context, id).await?;
    Ok(reply::json(StatusCode::OK, MEDIA, &encode(&key)?))
}

#[derive(Serialize, ToSchema)]
#[schema(as = ApiKeyDocument)]
pub(crate) struct Document<'a> {
    data: Key<'a>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = ApiKeyResource)]
struct Key<'a> {
    r#type: &'static str,
    id: String,
    attributes: Attributes<'a>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = ApiKeyAttributes)]
struct Attributes<'a> {
    #[schema(required)]
    name: Option<&'a str>,
    #[schema(required, format = DateTime)]
    last_used_at: Option<String>,
    #[schema(required, format = DateTime)]
    revoked_at: Option<String>,
    #[schema(format = DateTime)]
    inserted_at: String,
}

fn encode(key: &Credential) -> Result<Document<'_>, Error> {
    let revoked_at = match key.status {
        CredentialStatus::Revoked { at } => Some(at),
        CredentialStatus::Active | CredentialStatus::Disabled => None,
    };
    Ok(Document {
        data: Key {
            r#type: "api_keys",
            id: key.id.to_string(),
            attributes: Attributes {
                name: key.name.as_ref().map(Name::as_str),
                last_used_at: key.last_used_at.map(reply::time).transpose()?,
                revoked_at: revoked_at.map(reply::time).transpose()?,
                inserted_at: reply::time(key.created_at)?,
            },
        },
    })
}
