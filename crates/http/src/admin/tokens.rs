//! Tokens of the built-in `local` realm.

use super::take;
use crate::app::AppState;
use crate::body::JsonBody;
use crate::caller::Operator;
use crate::native;
use crate::refusal::Refusal;
use crate::reply;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use std::time::Duration;
use tenantry_api::operator as api;
use tenantry_core::error::{Error, Problem};
use tenantry_core::ids::{AccountId, MemberId};
use tenantry_core::realms::NewToken;
use tenantry_core::text::Name;

/// Makes an admin JWT.
pub(crate) async fn create(
    State(state): State<AppState>,
    Operator(context): Operator,
    body: JsonBody,
) -> Result<Response, Refusal> {
    let wanted: api::CreateToken = native::typed(&body)?;
    let mut violations = Vec::new();
    let malformed = |_| Problem::Malformed;
    let tenant =
        take(&mut violations, "tenant", AccountId::parse_any(&wanted.tenant).map_err(malformed));
    let role = take(&mut violations, "role", Name::parse(&wanted.role));
    let member = wanted.member.as_deref().and_then(|member| {
        take(&mut violations, "member", MemberId::parse_uuid(member).map_err(malformed))
    });
    let (Some(tenant), Some(role), true) = (tenant, role, violations.is_empty()) else {
        return Err(Error::Invalid(violations).into());
    };
    let lifetime = Duration::from_secs(wanted.ttl_seconds);
    let new = NewToken { tenant, role, member, lifetime };
    let token = state.plane.issue_local_token(&context, new).await?;
    let reply = api::CreatedToken { token: token.reveal().to_owned() };
    Ok(reply::json(StatusCode::CREATED, reply::JSON, &reply))
}
