//! `POST /api/v1/admin/service-account/create`

use super::tenant::Administrator;
use crate::app::AppState;
use crate::body::{OptionalJsonBody, SERVER_SET};
use crate::once::{Attempt, once};
use crate::refusal::Refusal;
use crate::reply;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use tenantry_core::clock::Timestamp;
use tenantry_core::error::Error;
use tenantry_core::json::Json;
use tenantry_core::service_accounts::CreatedServiceAccount;
use tenantry_core::text::{Line, Name};
use utoipa::ToSchema;

/// Makes a service account of the tenant. No body is needed.
pub(crate) async fn create(
    State(state): State<AppState>,
    Administrator(context): Administrator,
    attempt: Attempt,
    OptionalJsonBody(bytes, body): OptionalJsonBody,
) -> Result<Response, Refusal> {
    check(body.as_ref())?;
    let encode = |created: &CreatedServiceAccount| {
        reply::keepable(StatusCode::OK, reply::JSON, &encode(created)?)
    };
    once(&state, &context, &attempt, &bytes, &encode, async |once| {
        state.plane.create_service_account(&context, once).await
    })
    .await
}

/// A body that asks for anything is refused: nobody is to believe that it was obeyed.
fn check(body: Option<&Json>) -> Result<(), Refusal> {
    match body {
        None => Ok(()),
        Some(Json::Object(members)) => {
            let asks = |name: &str| ["name", "type"].contains(&name) || SERVER_SET.contains(&name);
            if members.iter().any(|(name, _)| asks(name)) {
                Err(Refusal::BodyNotSupported)
            } else {
                Ok(())
            }
        }
        Some(_) => Err(Error::Malformed("the body is not a JSON object").into()),
    }
}

/// RFC 3339 in UTC with milliseconds, as the contract prints times.
pub(super) fn time(at: Timestamp) -> Result<String, Error> {
    reply::format(at, "%Y-%m-%dT%H:%M:%S.%3fZ")
}

#[derive(Serialize, ToSchema)]
#[schema(as = ServiceAccountCreated)]
pub(crate) struct Reply<'a> {
    success: bool,
    message: &'static str,
    data: Data<'a>,
    timestamp: String,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = CreatedServiceAccountData)]
struct Data<'a> {
    id: String,
    name: &'a str,
    client_id: &'a str,
    client_secret: &'a str,
    r#type: &'static str,
    status: &'static str,
    permissions: Vec<&'a str>,
    created_at: String,
    created_by: Person<'a>,
    tenant: Tenant<'a>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = ServiceAccountCreator)]
struct Person<'a> {
    id: String,
    name: Option<&'a str>,
    email: Option<&'a str>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = ServiceAccountTenant)]
struct Tenant<'a> {
    id: String,
    name: &'a str,
}

fn encode(created: &CreatedServiceAccount) -> Result<Reply<'_>, Error> {
    let service_account = &created.service_account;
    let created_at = time(service_account.created_at)?;
    Ok(Reply {
        success: true,
        message: "Service account created successfully",
        data: Data {
            id: service_account.id.to_dialect(),
            name: service_account.name.as_str(),
            client_id: &service_account.client_id,
            client_secret: created.secret.reveal(),
            r#type: "service_account",
            status: service_account.status.as_str(),
            permissions: service_account.permissions.iter().collect(),
            created_at: created_at.clone(),
            created_by: Person {
                id: created.created_by.id.to_uuid(),
                name: created.created_by.name.as_ref().map(Name::as_str),
                email: created.created_by.email.as_ref().map(Line::as_str),
            },
            tenant: Tenant { id: created.tenant.id.to_uuid(), name: created.tenant.name.as_str() },
        },
        timestamp: created_at,
    })
}
