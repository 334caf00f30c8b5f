//! Tenant databases, of all organizations.

use crate::app::AppState;
use crate::body::JsonBody;
use crate::caller::{Operator, PathSegment};
use crate::native;
use crate::native::databases::encode;
use crate::query::Query;
use crate::refusal::Refusal;
use crate::reply;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use tenantry_api::operator as api;
use tenantry_core::error::{Error, Kind, Problem};
use tenantry_core::ids::AccountId;

/// A page of them, after `?after=`; of one organization where the operator names one.
pub(crate) async fn list(
    State(state): State<AppState>,
    Operator(context): Operator,
    mut query: Query,
) -> Result<Response, Refusal> {
    let after = parse_after(query.take("after").as_deref())?;
    query.finish()?;
    let page = state.plane.list_databases(&context, after).await?;
    let data = page.items.iter().map(encode).collect::<Result<_, Error>>()?;
    let next = page.next.map(|id| id.to_string());
    Ok(reply::json(StatusCode::OK, reply::JSON, &api::TenantDatabases { data, next }))
}

/// One, and what its server says.
pub(crate) async fn inspect(
    State(state): State<AppState>,
    Operator(context): Operator,
    PathSegment(id): PathSegment,
) -> Result<Response, Refusal> {
    let seen = state.plane.inspect_database(&context, parse(&id)?).await?;
    let (inspected, problem) = match seen.server {
        Ok(server) => (
            Some(api::DatabaseServer {
                server_version: server.server_version,
                size_bytes: server.size,
                schema_version: server.schema_version,
                reachable_databases: server.reachable,
            }),
            None,
        ),
        Err(word) => (None, Some(word.to_owned())),
    };
    let database = encode(&seen.database)?;
    let reply = api::InspectedDatabase { database, inspected, problem };
    Ok(reply::json(StatusCode::OK, reply::JSON, &reply))
}

/// Brings the product's schema up to date in one.
pub(crate) async fn migrate(
    State(state): State<AppState>,
    Operator(context): Operator,
    PathSegment(id): PathSegment,
) -> Result<Response, Refusal> {
    let migrated = state.plane.migrate_database(&context, parse(&id)?).await?;
    let reply =
        api::MigratedDatabase { schema_version: migrated.version, applied: migrated.applied };
    Ok(reply::json(StatusCode::OK, reply::JSON, &reply))
}

/// Puts the data keys of a page of them under the newest key-encryption key.
pub(crate) async fn rewrap(
    State(state): State<AppState>,
    Operator(context): Operator,
    body: JsonBody,
) -> Result<Response, Refusal> {
    let asked: api::Rewrap = native::decode(&body)?;
    let after = parse_after(asked.after.as_deref())?;
    let done = state.plane.rewrap_databases(&context, after).await?;
    let reply = api::Rewrapped {
        rewrapped: done.rewrapped,
        current: done.current,
        left: done.left,
        resealed: done.resealed,
        next: done.next.map(|id| id.to_string()),
    };
    Ok(reply::json(StatusCode::OK, reply::JSON, &reply))
}

fn parse(id: &str) -> Result<AccountId, Error> {
    AccountId::parse_any(id).map_err(|_| Error::NotFound(Kind::Account))
}

fn parse_after(after: Option<&str>) -> Result<Option<AccountId>, Error> {
    let after = after.map(AccountId::parse_any).transpose();
    after.map_err(|_| Error::invalid("after", Problem::Malformed))
}
