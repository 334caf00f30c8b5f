//! The nodes of a cluster.

use crate::app::AppState;
use crate::caller::Operator;
use crate::refusal::Refusal;
use crate::reply;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use tenantry_api::operator as api;
use tenantry_core::error::Error;

/// The nodes, and what each has applied. None where one node is alone.
pub(crate) async fn list(
    State(state): State<AppState>,
    Operator(context): Operator,
) -> Result<Response, Refusal> {
    let listed = state.plane.list_nodes(&context).await?;
    let data = listed.nodes.iter().map(|node| {
        Ok(api::Node {
            id: node.id.to_string(),
            name: node.name.to_string(),
            seen_at: reply::time(node.seen_at)?,
            silent_seconds: listed.silence(node).as_secs(),
            applied: node.applied.to_vec(),
        })
    });
    let data = data.collect::<Result<_, Error>>()?;
    Ok(reply::json(StatusCode::OK, reply::JSON, &api::Nodes { data }))
}
