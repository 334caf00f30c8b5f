//! By when a change holds on every node, and `?wait=true`: the reply comes once it does.

use crate::app::AppState;
use crate::query::Query;
use crate::refusal::Refusal;
use crate::reply;
use axum::http::StatusCode;
use axum::response::Response;
use tenantry_api::keys as api;
use tenantry_core::actor::Context;
use tenantry_core::cluster::Effective;
use tenantry_core::error::Error;

/// Whether the caller wants to be answered only once the change holds everywhere.
#[derive(Clone, Copy)]
pub(super) struct Wait(bool);

impl Wait {
    /// Takes `wait` out of a query that has no other parameter.
    pub(super) fn take(mut query: Query) -> Result<Self, Error> {
        let wait = query.wait()?;
        query.finish()?;
        Ok(Self(wait))
    }

    /// The reply to a change that tells by when it holds.
    pub(super) async fn answer(
        self,
        state: &AppState,
        effective: Effective,
    ) -> Result<Response, Refusal> {
        let effective = match self {
            Self(true) => state.plane.await_everywhere(effective).await,
            Self(false) => effective,
        };
        Ok(reply::json(StatusCode::OK, reply::JSON, &encode_effective(effective)?))
    }

    /// Waits for a change whose reply is another, or was kept from the first time that it was asked
    /// for.
    pub(super) async fn hold(self, state: &AppState, context: &Context) -> Result<(), Error> {
        match self {
            Self(true) => state.plane.await_changes_by(context).await,
            Self(false) => Ok(()),
        }
    }
}

/// By when a change holds, as the native API prints it.
pub(super) fn encode_effective(effective: Effective) -> Result<api::Effective, Error> {
    Ok(api::Effective {
        revision: effective.revision.to_string(),
        effective_everywhere_by: reply::time(effective.everywhere_by)?,
    })
}
