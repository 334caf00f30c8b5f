//! `GET /v1/whoami`

use super::accounts::encode_account;
use crate::app::AppState;
use crate::caller::Caller;
use crate::refusal::Refusal;
use crate::reply;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use tenantry_api::keys as api;
use tenantry_core::actor::{Actor, Scope};
use tenantry_core::text::Name;

/// The presented credential, its account and permissions. Every key may ask this of itself.
pub(crate) async fn whoami(
    State(state): State<AppState>,
    Caller(context): Caller,
) -> Result<Response, Refusal> {
    let account = match context.actor.account() {
        Some(id) => Some(state.plane.find_account(&context, id).await?),
        None => None,
    };
    let account = account.as_ref().map(encode_account).transpose()?;
    let reply = match &context.actor {
        Actor::Key(key) => api::WhoAmI {
            kind: match key.scope {
                Scope::Plane => "platform_key",
                Scope::Account { .. } => "api_key",
            },
            key_id: Some(key.id.to_string()),
            name: key.name.as_ref().map(Name::as_str),
            permissions: key.grants.set().iter().collect(),
            account,
        },
        Actor::Machine(machine) => api::WhoAmI {
            kind: "access_token",
            key_id: None,
            name: Some(machine.name.as_str()),
            permissions: machine.grants.set().iter().collect(),
            account,
        },
        Actor::Member(member) => api::WhoAmI {
            kind: "member",
            key_id: None,
            name: member.name.as_ref().map(Name::as_str),
            permissions: member.permissions.iter().collect(),
            account,
        },
        Actor::Operator(_) => api::WhoAmI {
            kind: "operator",
            key_id: None,
            name: None,
            permissions: Vec::new(),
            account,
        },
    };
    Ok(reply::json(StatusCode::OK, reply::JSON, &reply))
}
