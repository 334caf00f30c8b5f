//! `GET /user/me`

use crate::app::AppState;
use crate::caller::Caller;
use crate::refusal::Refusal;
use crate::reply;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use tenantry_core::accounts::ConcurrentCalls;
use tenantry_core::text::{Line, Name};
use utoipa::ToSchema;

/// Who is behind a key.
#[derive(Serialize, ToSchema)]
#[schema(as = UserMe)]
pub(crate) struct Me<'a> {
    #[schema(format = "uuid")]
    id: String,
    #[schema(required)]
    name: Option<&'a str>,
    #[schema(required)]
    email: Option<&'a str>,
    /// Money is not the plane's.
    #[schema(required)]
    wallet: Option<u64>,
    concurrency: Concurrency,
}

/// Calls that the account may have at once.
#[derive(Serialize, ToSchema)]
#[schema(as = UserConcurrency)]
struct Concurrency {
    /// Null where nothing caps the account.
    #[schema(required)]
    max: Option<u32>,
    /// Those in progress: of the account, and of a root account in its tree.
    current: u32,
}

/// The person behind the key, and the calls that its account may have at once.
pub(crate) async fn me(
    State(state): State<AppState>,
    Caller(context): Caller,
) -> Result<Response, Refusal> {
    let caller = state.plane.find_caller(&context).await?;
    let member = &caller.member;
    let me = Me {
        id: member.id.to_uuid(),
        name: member.name.as_ref().map(Name::as_str),
        email: member.email.as_ref().map(Line::as_str),
        wallet: None,
        concurrency: Concurrency {
            max: caller.concurrent_calls.map(ConcurrentCalls::get),
            current: caller.in_progress,
        },
    };
    Ok(reply::json(StatusCode::OK, reply::JSON, &me))
}
