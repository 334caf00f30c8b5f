//! `/v1/accounts/{id}/limits`

use super::accounts::Violations;
use super::rates::{decode_rates, encode_rates};
use crate::app::AppState;
use crate::body::JsonBody;
use crate::caller::{Caller, PathSegment};
use crate::refusal::Refusal;
use crate::reply;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use tenantry_api::leases as api;
use tenantry_core::accounts::{AccountLimits, ConcurrentCalls, LimitsInForce};
use tenantry_core::error::{Error, Kind, Problem};
use tenantry_core::ids::AccountId;
use tenantry_core::limits;
use tenantry_core::rates::Rates;

/// `GET /v1/accounts/{id}/limits`: what was set, what counts, and what is in use.
pub(crate) async fn find(
    State(state): State<AppState>,
    Caller(context): Caller,
    PathSegment(id): PathSegment,
) -> Result<Response, Refusal> {
    let found = state.plane.find_limits(&context, parse(&id)?).await?;
    Ok(reply::json(StatusCode::OK, reply::JSON, &encode(&found)))
}

/// `PUT /v1/accounts/{id}/limits`: sets all of them.
pub(crate) async fn set(
    State(state): State<AppState>,
    Caller(context): Caller,
    PathSegment(id): PathSegment,
    body: JsonBody,
) -> Result<Response, Refusal> {
    let limits = decode(super::decode(&body)?)?;
    let set = state.plane.set_limits(&context, parse(&id)?, limits).await?;
    Ok(reply::json(StatusCode::OK, reply::JSON, &encode(&set)))
}

fn parse(id: &str) -> Result<AccountId, Error> {
    AccountId::parse_any(id).map_err(|_| Error::NotFound(Kind::Account))
}

fn decode(body: api::SetLimits) -> Result<AccountLimits, Error> {
    let mut violations = Violations(Vec::new());
    let mut calls = |field: &str, number: Option<i64>| {
        let max = limits::CONCURRENT_CALLS_MAX.into();
        let calls = ConcurrentCalls::new(number?).ok_or(Problem::OutOfRange(1, max));
        violations.take(field, calls)
    };
    let limits = AccountLimits {
        concurrent_calls: calls("concurrency", body.concurrency),
        sub_account_concurrent_calls: calls(
            "sub_account_concurrency",
            body.sub_account_concurrency,
        ),
        rates: Rates::default(),
    };
    let rates = decode_rates("rate", body.rate.unwrap_or_default(), &mut violations);
    let limits = AccountLimits { rates, ..limits };
    if violations.0.is_empty() { Ok(limits) } else { Err(Error::Invalid(violations.0)) }
}

fn encode(limits: &LimitsInForce) -> api::LimitsInForce {
    let number = |calls: Option<ConcurrentCalls>| calls.map(ConcurrentCalls::get);
    api::LimitsInForce {
        account_id: limits.account.to_string(),
        concurrency: number(limits.set.concurrent_calls),
        effective_concurrency: number(limits.concurrent_calls),
        sub_account_concurrency: number(limits.set.sub_account_concurrent_calls),
        in_use: limits.in_use,
        given: limits.given,
        rate: encode_rates(&limits.set.rates),
    }
}
