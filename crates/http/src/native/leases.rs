//! `/v1/leases`

use super::accounts::Violations;
use crate::app::AppState;
use crate::body::{JsonBody, OptionalJsonBody};
use crate::caller::{Caller, PathSegment};
use crate::refusal::Refusal;
use crate::reply;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use std::collections::BTreeMap;
use tenantry_api::leases as api;
use tenantry_core::clock::Timestamp;
use tenantry_core::error::{Error, Kind, Problem};
use tenantry_core::ids::{AccountId, LeaseId};
use tenantry_core::leases::{
    Amount, CallRecord, Costs, Granted, Lease, LeaseFor, LeaseRequestId, LeaseTtl, WantedLease,
};
use tenantry_core::text::{Line, Name};

/// `POST /v1/leases`: takes a slot for a call.
pub(crate) async fn acquire(
    State(state): State<AppState>,
    Caller(context): Caller,
    body: JsonBody,
) -> Result<Response, Refusal> {
    let asked: api::AcquireLease<'_> = super::decode_but(&body, &["account_id"])?;
    let wanted = decode_wanted(asked.ttl_seconds, asked.request_id, asked.reference)?;
    let of = match (&asked.account_id, &asked.key) {
        (Some(id), None) => {
            LeaseFor::Account(AccountId::parse_any(id).map_err(|_| Error::NotFound(Kind::Account))?)
        }
        (None, Some(key)) => LeaseFor::Key(key),
        (Some(_), Some(_)) => return Err(Error::AmbiguousCredentials.into()),
        (None, None) => return Err(Error::invalid("account_id", Problem::Missing).into()),
    };
    let granted = state.plane.acquire_lease(&context, of, &wanted).await?;
    let Granted { lease, in_use, limit } = &granted;
    let reply = encode_lease(lease, *in_use, *limit)?;
    Ok(reply::json(StatusCode::CREATED, reply::JSON, &reply))
}

/// `POST /v1/leases/{id}/renew`
pub(crate) async fn renew(
    State(state): State<AppState>,
    Caller(context): Caller,
    PathSegment(id): PathSegment,
    OptionalJsonBody(bytes, value): OptionalJsonBody,
) -> Result<Response, Refusal> {
    let asked = match &value {
        Some(value) => super::decode_value(value, &bytes)?,
        None => api::RenewLease::default(),
    };
    let ttl = asked.ttl_seconds.map(LeaseTtl::from_seconds).transpose();
    let ttl = ttl.map_err(|problem| Error::invalid("ttl_seconds", problem))?;
    let lease = state.plane.renew_lease(&context, parse(&id)?, ttl).await?;
    let renewed = api::RenewedLease {
        id: lease.id.to_string(),
        fencing_token: lease.fence,
        expires_at: reply::time(lease.expires_at)?,
    };
    Ok(reply::json(StatusCode::OK, reply::JSON, &renewed))
}

/// `POST /v1/leases/{id}/release`
pub(crate) async fn release(
    State(state): State<AppState>,
    Caller(context): Caller,
    PathSegment(id): PathSegment,
    OptionalJsonBody(bytes, value): OptionalJsonBody,
) -> Result<Response, Refusal> {
    let asked = match &value {
        Some(value) => super::decode_value_but(value, &bytes, &["status"])?,
        None => api::ReleaseLease::default(),
    };
    let record = decode_record(asked, state.plane.clock().now())?;
    let lease = state.plane.release_lease(&context, parse(&id)?, record.as_ref()).await?;
    let at = lease.released_at.ok_or_else(|| Error::internal("a released lease has no end"))?;
    let released = api::ReleasedLease { id: lease.id.to_string(), released_at: reply::time(at)? };
    Ok(reply::json(StatusCode::OK, reply::JSON, &released))
}

fn parse(id: &str) -> Result<LeaseId, Error> {
    LeaseId::parse_native(id).map_err(|_| Error::NotFound(Kind::Lease))
}

/// A lease as it is asked for, alone or with a verification.
pub(super) fn decode_wanted(
    ttl_seconds: i64,
    request_id: Option<String>,
    reference: Option<String>,
) -> Result<WantedLease, Error> {
    let mut violations = Violations(Vec::new());
    let ttl = violations.take("ttl_seconds", LeaseTtl::from_seconds(ttl_seconds));
    let request_id =
        request_id.and_then(|text| violations.take("request_id", LeaseRequestId::parse(&text)));
    let reference = reference.and_then(|text| violations.take("reference", Line::parse(&text)));
    match ttl {
        Some(ttl) if violations.0.is_empty() => Ok(WantedLease { ttl, request_id, reference }),
        _ => Err(Error::Invalid(violations.0)),
    }
}

/// The record of a call; none where nothing is said of it.
fn decode_record(
    asked: api::ReleaseLease,
    ended_at: Timestamp,
) -> Result<Option<CallRecord>, Error> {
    let api::ReleaseLease { status, duration_seconds, costs } = asked;
    if status.is_none() && duration_seconds.is_none() && costs.is_none() {
        return Ok(None);
    }
    let mut violations = Violations(Vec::new());
    let status = status.ok_or(Problem::Missing).and_then(|text| Name::parse(&text));
    let status = violations.take("status", status);
    let duration = duration_seconds
        .and_then(|seconds| violations.take("duration_seconds", CallRecord::duration(seconds)));
    let costs = decode_costs(costs.unwrap_or_default(), &mut violations);
    match status {
        Some(status) if violations.0.is_empty() => {
            Ok(Some(CallRecord { status, duration, costs, ended_at }))
        }
        _ => Err(Error::Invalid(violations.0)),
    }
}

fn decode_costs(costs: api::CallCosts, violations: &mut Violations) -> Costs {
    let api::CallCosts { platform, telephony, synthesizer, transcriber, llm } = costs;
    let mut amount = |field: &str, cents: Option<f64>| {
        let amount = cents.map(Amount::from_cents).transpose();
        violations.take(field, amount).flatten().unwrap_or_default()
    };
    let (platform, telephony) =
        (amount("costs.platform", platform), amount("costs.telephony", telephony));
    let mut by_provider = |field: &str, costs: Option<BTreeMap<String, f64>>| {
        violations.take(field, Costs::by_provider(costs.unwrap_or_default())).unwrap_or_default()
    };
    Costs {
        platform,
        telephony,
        synthesizer: by_provider("costs.synthesizer", synthesizer),
        transcriber: by_provider("costs.transcriber", transcriber),
        llm: by_provider("costs.llm", llm),
    }
}

/// A lease that was taken, among so many of its account.
pub(super) fn encode_lease(lease: &Lease, in_use: u32, limit: u32) -> Result<api::Lease, Error> {
    Ok(api::Lease {
        id: lease.id.to_string(),
        fencing_token: lease.fence,
        expires_at: reply::time(lease.expires_at)?,
        in_use,
        limit,
    })
}
