//! `/v1/accounts/{id}/database`

use super::keys::account_id;
use crate::app::AppState;
use crate::body::OptionalJsonBody;
use crate::caller::{Caller, PathSegment};
use crate::once::{Attempt, once};
use crate::query::Query;
use crate::refusal::Refusal;
use crate::reply;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use tenantry_api::databases as api;
use tenantry_core::database::{
    Connection, CredentialKind, Origin, RotatedDatabase, TenantDatabase,
};
use tenantry_core::error::{Error, Problem};
use tenantry_core::keys::Grace;

/// `GET /v1/accounts/{id}/database`: what is known of it, without credentials.
pub(crate) async fn find(
    State(state): State<AppState>,
    Caller(context): Caller,
    PathSegment(id): PathSegment,
    query: Query,
) -> Result<Response, Refusal> {
    query.finish()?;
    let database = state.plane.find_database(&context, account_id(&id)?).await?;
    Ok(reply::json(StatusCode::OK, reply::JSON, &encode(&database)?))
}

/// `POST /v1/accounts/{id}/database/credentials`: what it takes to connect.
pub(crate) async fn connect(
    State(state): State<AppState>,
    Caller(context): Caller,
    PathSegment(id): PathSegment,
    query: Query,
    attempt: Attempt,
    OptionalJsonBody(bytes, _): OptionalJsonBody,
) -> Result<Response, Refusal> {
    query.finish()?;
    let id = account_id(&id)?;
    let encode = |connection: &Connection| {
        reply::keepable(StatusCode::OK, reply::JSON, &encode_connection(connection))
    };
    once(&state, &context, &attempt, &bytes, &encode, async |once| {
        state.plane.connect_database(&context, id, once).await
    })
    .await
}

/// `POST /v1/accounts/{id}/database/rotate`: another login, with a new password.
pub(crate) async fn rotate(
    State(state): State<AppState>,
    Caller(context): Caller,
    PathSegment(id): PathSegment,
    query: Query,
    attempt: Attempt,
    OptionalJsonBody(bytes, value): OptionalJsonBody,
) -> Result<Response, Refusal> {
    query.finish()?;
    let id = account_id(&id)?;
    let asked: api::RotateDatabase = match &value {
        Some(value) => super::decode_value(value, &bytes)?,
        None => api::RotateDatabase::default(),
    };
    let grace = Grace::from_seconds(asked.grace_seconds.unwrap_or(0))
        .map_err(|problem: Problem| Error::invalid("grace_seconds", problem))?;
    let encode = |rotated: &RotatedDatabase| {
        let reply = api::RotatedDatabase {
            connection: encode_connection(&rotated.connection),
            overlap_until: reply::time(rotated.overlap_until)?,
        };
        reply::keepable(StatusCode::OK, reply::JSON, &reply)
    };
    once(&state, &context, &attempt, &bytes, &encode, async |once| {
        state.plane.rotate_database(&context, id, grace, once).await
    })
    .await
}

/// A tenant database, without what it takes to connect.
pub(crate) fn encode(database: &TenantDatabase) -> Result<api::TenantDatabase, Error> {
    let text = |word: &'static str| word.to_owned();
    Ok(api::TenantDatabase {
        account_id: database.account.to_string(),
        state: text(database.state.as_str()),
        step: text(database.step.as_str()),
        managed: database.server.is_some(),
        server: database.server.as_deref().map(str::to_owned),
        host: database.host.as_str().to_owned(),
        port: database.port.get(),
        name: database.name.as_str().to_owned(),
        origin: database.origin.map(Origin::as_str).map(text),
        credential: database.credential.map(CredentialKind::as_str).map(text),
        schema_version: database.schema_version,
        overlap_until: database.overlap_until.map(reply::time).transpose()?,
        failure: database.failure.as_deref().map(str::to_owned),
        created_at: reply::time(database.created_at)?,
        updated_at: reply::time(database.updated_at)?,
    })
}

fn encode_connection(connection: &Connection) -> api::Connection<'_> {
    let Connection { database, user, password } = connection;
    let credential = database.credential.unwrap_or(CredentialKind::Given);
    api::Connection {
        host: database.host.as_str(),
        port: database.port.get(),
        name: database.name.as_str(),
        user,
        password,
        credential: credential.as_str(),
    }
}
