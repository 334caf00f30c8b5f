//! `POST /api/v1/admin/service-account/create`

use super::envelope;
use super::tenant::Administrator;
use crate::app::AppState;
use crate::body::{OptionalJsonBody, SERVER_SET};
use crate::once::{Attempt, once};
use crate::refusal::Refusal;
use axum::extract::State;
use axum::response::Response;
use tenantry_core::error::Error;
use tenantry_core::json::Json;
use tenantry_core::service_accounts::{CreatedServiceAccount, NewServiceAccount};

/// Makes a service account of the tenant. No body is needed.
pub(crate) async fn create(
    State(state): State<AppState>,
    Administrator(context): Administrator,
    attempt: Attempt,
    OptionalJsonBody(bytes, body): OptionalJsonBody,
) -> Result<Response, Refusal> {
    check(body.as_ref())?;
    let tenant = context.actor.organization()?;
    let encode = |created: &CreatedServiceAccount| {
        let data = envelope::encode(&created.details, Some(&created.secret))?;
        let at = created.details.service_account.created_at;
        envelope::keepable("Service account created successfully", data, at)
    };
    once(&state, &context, &attempt, &bytes, &encode, async |once| {
        let new = NewServiceAccount::default();
        state.plane.create_service_account(&context, tenant, new, once).await
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
