//! `POST /v1/keys/verify`

use super::accounts::raw;
use crate::app::AppState;
use crate::body::JsonBody;
use crate::caller::Verifier;
use crate::refusal::Refusal;
use crate::reply;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use std::net::IpAddr;
use tenantry_api::keys as api;
use tenantry_core::error::{Error, Problem};
use tenantry_core::limits;
use tenantry_core::permissions::Permission;
use tenantry_core::verify::{Asked, Code, Known, Question, Slot, Verdict};

/// May this credential do this, now? 200 whenever the question was understood.
pub(crate) async fn verify(
    State(state): State<AppState>,
    Verifier(actor): Verifier,
    body: JsonBody,
) -> Result<Response, Refusal> {
    let asked: api::Verify<'_> = super::typed(&body)?;
    let permissions = decode_permissions(asked.permissions.as_deref().unwrap_or_default())?;
    let credential = match (&asked.key, &asked.client_id, &asked.client_secret) {
        (Some(key), None, None) => Asked::Key(key),
        (None, Some(id), Some(secret)) => Asked::Client { id, secret },
        (Some(_), _, _) => return Err(Error::AmbiguousCredentials.into()),
        (None, Some(_), None) => {
            return Err(Error::invalid("client_secret", Problem::Missing).into());
        }
        (None, None, Some(_)) => return Err(Error::invalid("client_id", Problem::Missing).into()),
        (None, None, None) => return Err(Error::invalid("key", Problem::Missing).into()),
    };
    let address = match asked.ip.as_deref().map(str::parse::<IpAddr>) {
        None => None,
        Some(Ok(address)) => Some(address),
        Some(Err(_)) => return Err(Error::invalid("ip", Problem::Malformed).into()),
    };
    if asked.lease.is_some_and(|lease| lease.get() != "null") {
        // Ignoring it would let the caller believe that a slot is taken.
        return Err(Error::NotImplemented("leases").into());
    }
    let question = Question { credential, permissions: &permissions, address };
    let verdict = state.plane.verify(&actor, &question).await?;
    Ok(reply::json(StatusCode::OK, reply::JSON, &encode(&verdict)?))
}

fn decode_permissions(texts: &[String]) -> Result<Vec<Permission>, Error> {
    if texts.len() > limits::PERMISSIONS_MAX {
        return Err(Error::invalid("permissions", Problem::TooMany(limits::PERMISSIONS_MAX)));
    }
    let permissions = texts.iter().map(|text| Permission::parse(text));
    permissions.collect::<Result<_, _>>().map_err(|problem| Error::invalid("permissions", problem))
}

fn encode(verdict: &Verdict) -> Result<api::Verdict<'_>, Error> {
    let known = verdict.known.as_deref();
    let account = known.and_then(Known::account);
    let service_account = known.and_then(Known::service_account);
    Ok(api::Verdict {
        valid: verdict.code == Code::Valid,
        code: verdict.code.as_str(),
        kind: known.map(|known| known.kind),
        key_id: known.map(|known| match service_account {
            Some(_) => known.id.to_secret(),
            None => known.id.to_string(),
        }),
        account_id: account.map(|account| account.id.to_string()),
        account_uuid: account.map(|account| account.id.to_uuid()),
        parent_id: account.and_then(Slot::parent_id).map(|id| id.to_string()),
        name: known.and_then(Known::name),
        permissions: known.map(|known| known.permissions.iter().collect()).unwrap_or_default(),
        expires_at: known.and_then(|known| known.expires_at).map(reply::time).transpose()?,
        metadata: known.map(|known| raw(known.metadata())).transpose()?,
        service_account_id: service_account.map(|id| id.to_string()),
    })
}
