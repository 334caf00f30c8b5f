//! `/v1/usage`

use crate::app::AppState;
use crate::caller::Caller;
use crate::query::Query;
use crate::refusal::Refusal;
use crate::reply;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use std::collections::BTreeMap;
use tenantry_api::usage as api;
use tenantry_api::usage::Millionths;
use tenantry_core::clock::Timestamp;
use tenantry_core::error::{Error, Kind};
use tenantry_core::ids::AccountId;
use tenantry_core::leases::{Amount, Costs};
use tenantry_core::usage::{
    AskedPeriod, AskedUsage, CallSums, Group, GroupBy, UsageEntry, Verified,
};

/// `GET /v1/usage`: what accounts of the caller's took.
pub(crate) async fn list(
    State(state): State<AppState>,
    Caller(context): Caller,
    mut query: Query,
) -> Result<Response, Refusal> {
    let from = query.read("from", Timestamp::parse_rfc3339)?;
    let to = query.read("to", Timestamp::parse_rfc3339)?;
    let by = query.read("group_by", GroupBy::parse)?.unwrap_or(GroupBy::Account);
    let account = query.take("account");
    let page = query.page()?;
    query.finish()?;
    let account = account.map(|id| AccountId::parse_any(&id)).transpose();
    let account = account.map_err(|_| Error::NotFound(Kind::Account))?;
    let asked = AskedUsage { account, period: AskedPeriod { from, to }, by };
    let found = state.plane.usage(&context, asked, &page.request()?).await?;
    let data = found.page.items.iter().map(encode).collect::<Result<_, Error>>()?;
    let reply = api::UsageList {
        from: reply::time(found.span.from)?,
        to: reply::time(found.span.to)?,
        group_by: by.as_str(),
        data,
        next_cursor: found.page.next,
    };
    Ok(reply::json(StatusCode::OK, reply::JSON, &reply))
}

fn encode(entry: &UsageEntry) -> Result<api::UsageEntry, Error> {
    let numbers = entry.sums.verifications.iter();
    let encoded = api::UsageEntry {
        verifications: numbers.map(|(code, number)| (code.to_string(), *number)).collect(),
        calls: Some(encode_calls(&entry.sums.calls)),
        ..api::UsageEntry::default()
    };
    Ok(match entry.group {
        Group::Account(id) => api::UsageEntry { account_id: Some(id.to_string()), ..encoded },
        Group::Key(account, key) => api::UsageEntry {
            account_id: Some(account.to_string()),
            key_id: Some(match key {
                Verified::Key(id) => id.to_string(),
                Verified::Secret(id) => id.to_secret(),
                Verified::Client(id) => id.to_string(),
            }),
            calls: None,
            ..encoded
        },
        Group::Hour(at) => api::UsageEntry { hour: Some(reply::time(at)?), ..encoded },
        Group::Day(at) => api::UsageEntry { day: Some(reply::time(at)?), ..encoded },
    })
}

fn encode_calls(calls: &CallSums) -> api::CallUsage {
    let CallSums { count, duration, statuses, costs } = calls;
    api::CallUsage {
        count: *count,
        duration_seconds: Millionths(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)),
        statuses: statuses.iter().map(|(status, number)| (status.to_string(), *number)).collect(),
        costs: encode_costs(costs),
    }
}

fn encode_costs(costs: &Costs) -> api::CostSums {
    let Costs { platform, telephony, synthesizer, transcriber, llm } = costs;
    api::CostSums {
        platform: encode_amount(*platform),
        telephony: encode_amount(*telephony),
        synthesizer: encode_by_provider(synthesizer),
        transcriber: encode_by_provider(transcriber),
        llm: encode_by_provider(llm),
        total: encode_amount(costs.total()),
    }
}

/// An amount in cents.
const fn encode_amount(amount: Amount) -> Millionths {
    Millionths(amount.millionths())
}

fn encode_by_provider(costs: &BTreeMap<Box<str>, Amount>) -> BTreeMap<String, Millionths> {
    costs.iter().map(|(name, cost)| (name.to_string(), encode_amount(*cost))).collect()
}
