//! `GET /sub-accounts/{uuid}/usage` and `GET /sub-accounts/all/usage`

use super::account::parse;
use super::list::{next_page, take_page, with_next};
use crate::app::AppState;
use crate::caller::{Caller, PathSegment};
use crate::query::Query;
use crate::refusal::Refusal;
use crate::reply;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;
use tenantry_api::usage::Millionths;
use tenantry_core::clock::Timestamp;
use tenantry_core::error::Error;
use tenantry_core::leases::Amount;
use tenantry_core::usage::{AskedPeriod, CallSums, Period};
use utoipa::ToSchema;

/// From a day's first second to its last.
const TO_ITS_END: Duration = Duration::from_secs(24 * 60 * 60 - 1);

/// Sums over a period; costs are in cents, durations in seconds.
#[derive(Serialize, ToSchema)]
#[schema(as = SubAccountUsage)]
pub(crate) struct Usage {
    #[schema(format = DateTime)]
    from: String,
    #[schema(format = DateTime)]
    to: String,
    total_records: u64,
    #[schema(value_type = f64)]
    total_duration: Millionths,
    #[schema(value_type = f64)]
    total_cost: Millionths,
    #[schema(value_type = f64)]
    total_platform_cost: Millionths,
    #[schema(value_type = f64)]
    total_telephony_cost: Millionths,
    status_map: BTreeMap<String, u64>,
    #[schema(value_type = BTreeMap<String, f64>)]
    synthesizer_cost_map: BTreeMap<String, Millionths>,
    #[schema(value_type = BTreeMap<String, f64>)]
    transcriber_cost_map: BTreeMap<String, Millionths>,
    #[schema(value_type = BTreeMap<String, f64>)]
    llm_cost_map: BTreeMap<String, Millionths>,
}

/// One sub-account's usage among others.
#[derive(Serialize, ToSchema)]
#[schema(as = ListedSubAccountUsage)]
pub(crate) struct UsageOf<'a> {
    #[serde(flatten)]
    usage: Usage,
    #[schema(format = "uuid")]
    sub_account_id: String,
    sub_account_name: &'a str,
}

/// The usage of one sub-account.
pub(crate) async fn find(
    State(state): State<AppState>,
    Caller(context): Caller,
    PathSegment(id): PathSegment,
    mut query: Query,
) -> Result<Response, Refusal> {
    let asked = take_period(&mut query)?;
    query.finish()?;
    let usage = state.plane.sub_account_usage(&context, parse(&id)?, asked.period).await?;
    Ok(reply::json(StatusCode::OK, reply::JSON, &encode(usage.period, &usage.calls)?))
}

/// The usage of each sub-account, in pages as they are listed in.
pub(crate) async fn list(
    State(state): State<AppState>,
    Caller(context): Caller,
    mut query: Query,
) -> Result<Response, Refusal> {
    let (page_asked, asked) = (take_page(&mut query)?, take_period(&mut query)?);
    query.finish()?;
    let page = state.plane.sub_accounts_usage(&context, page_asked, asked.period).await?;
    let items = page.items.iter().map(|(item, calls)| {
        Ok(UsageOf {
            usage: encode(page.period, calls)?,
            sub_account_id: item.account.id.to_uuid(),
            sub_account_name: item.account.name.as_str(),
        })
    });
    let items = items.collect::<Result<Vec<_>, Error>>()?;
    let response = reply::json(StatusCode::OK, reply::JSON, &items);
    let next = page.more.then(|| next_page(page_asked) + &asked.text);
    with_next(response, "/sub-accounts/all/usage", next)
}

/// The period of a query, and the query's own words for it.
struct Asked {
    period: AskedPeriod,
    text: String,
}

/// Takes `from` and `to` out: ISO 8601 times in UTC, or days.
fn take_period(query: &mut Query) -> Result<Asked, Error> {
    let mut text = String::new();
    let mut take = |name: &'static str, of_a_day: Duration| {
        query.read(name, |value| {
            let time = parse_time(value, of_a_day)?;
            // Only what a time is made of was read as one; of that, `+` alone is not itself.
            text = format!("{text}&{name}={}", value.replace('+', "%2B"));
            Some(time)
        })
    };
    let (from, to) = (take("from", Duration::ZERO)?, take("to", TO_ITS_END)?);
    Ok(Asked { period: AskedPeriod { from, to }, text })
}

fn parse_time(text: &str, of_a_day: Duration) -> Option<Timestamp> {
    let is_of_a_time = |b: u8| b.is_ascii_digit() || b"TZtz:.+-".contains(&b);
    if !text.bytes().all(is_of_a_time) {
        return None;
    }
    Timestamp::parse_rfc3339(text)
        .or_else(|| Timestamp::parse_rfc3339(&format!("{text}Z")))
        .or_else(|| Some(Timestamp::parse_rfc3339(&format!("{text}T00:00:00Z"))?.plus(of_a_day)))
}

fn encode(period: Period, calls: &CallSums) -> Result<Usage, Error> {
    let time = |at| reply::format(at, "%Y-%m-%dT%H:%M:%SZ");
    let CallSums { count, duration, statuses, costs } = calls;
    let amount = |amount: Amount| Millionths(amount.millionths());
    let by_provider = |costs: &BTreeMap<Box<str>, Amount>| {
        costs.iter().map(|(name, cost)| (name.to_string(), amount(*cost))).collect()
    };
    Ok(Usage {
        from: time(period.from)?,
        to: time(period.to)?,
        total_records: *count,
        total_duration: Millionths(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)),
        total_cost: amount(costs.total()),
        total_platform_cost: amount(costs.platform),
        total_telephony_cost: amount(costs.telephony),
        status_map: statuses.iter().map(|(status, calls)| (status.to_string(), *calls)).collect(),
        synthesizer_cost_map: by_provider(&costs.synthesizer),
        transcriber_cost_map: by_provider(&costs.transcriber),
        llm_cost_map: by_provider(&costs.llm),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_time_in_utc_or_a_day() {
        let end = "2025-07-10T23:59:59Z";
        for (text, expected) in [
            ("2025-07-10T12:34:56Z", "2025-07-10T12:34:56Z"),
            ("2025-07-10T12:34:56.250Z", "2025-07-10T12:34:56.25Z"),
            ("2025-07-10T12:34:56", "2025-07-10T12:34:56Z"),
            ("2025-07-10T14:34:56+02:00", "2025-07-10T12:34:56Z"),
            ("2025-07-10T12", "2025-07-10T12:00:00Z"),
            ("2025-07-10", end),
        ] {
            let expected = Timestamp::parse_rfc3339(expected);
            assert!(expected.is_some());
            assert_eq!(parse_time(text, TO_ITS_END), expected, "{text}");
        }
        for text in ["", "today", "2025-07", "2025-02-30", "1752158100", " 2025-07-10"] {
            assert_eq!(parse_time(text, TO_ITS_END), None, "{text}");
        }
    }
}
