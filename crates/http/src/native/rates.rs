//! Rates and remaining uses, to and from the native API's words; and the fields of a reply that tell of
//! rates (draft-ietf-httpapi-ratelimit-headers-10).

use super::accounts::Violations;
use crate::reply;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use std::fmt::Write as _;
use std::time::Duration;
use tenantry_api::limits as api;
use tenantry_api::patch::Patch;
use tenantry_core::credentials::KeyLimits;
use tenantry_core::error::{Error, Problem};
use tenantry_core::keys::{KeyChanges, NewKeyLimits};
use tenantry_core::rates::{Metered, Rate, Rates};
use tenantry_core::uses::Refill;
use tenantry_core::verify::Limited;

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// Limits of a key to make.
pub(super) fn decode_new(
    limits: Option<api::NewKeyLimits>,
    violations: &mut Violations,
) -> NewKeyLimits {
    let api::NewKeyLimits { rate, uses } = limits.unwrap_or_default();
    NewKeyLimits {
        rates: decode_rates("limits.rate", rate.unwrap_or_default(), violations),
        uses: uses.and_then(|uses| decode_uses(uses, violations)),
    }
}

/// What is to become of a key's limits.
pub(super) fn decode_changes(
    limits: Patch<api::UpdateKeyLimits>,
    changes: &mut KeyChanges,
    violations: &mut Violations,
) {
    let api::UpdateKeyLimits { rate, uses } = match limits {
        Patch::Keep => return,
        Patch::Clear => api::UpdateKeyLimits { rate: Patch::Clear, uses: Patch::Clear },
        Patch::Set(limits) => limits,
    };
    changes.rates = rate
        .named()
        .map(|rates| decode_rates("limits.rate", rates.unwrap_or_default(), violations));
    changes.uses = uses.named().map(|uses| uses.and_then(|uses| decode_uses(uses, violations)));
}

/// Rates; none where one breaks a rule, which is noted.
pub(super) fn decode_rates(
    field: &str,
    rates: Vec<api::Rate>,
    violations: &mut Violations,
) -> Rates {
    let rate = |(index, rate): (usize, api::Rate)| {
        let field = format!("{field}.{index}");
        violations.take(&field, Rate::new(rate.limit, rate.window_seconds))
    };
    let rates: Vec<Option<Rate>> = rates.into_iter().enumerate().map(rate).collect();
    let Some(rates) = rates.into_iter().collect::<Option<Vec<_>>>() else {
        return Rates::default();
    };
    violations.take(field, Rates::new(rates)).unwrap_or_default()
}

fn decode_uses(uses: api::Uses, violations: &mut Violations) -> Option<(i64, Option<Refill>)> {
    let refill = uses.refill_seconds.map(Refill::from_seconds).transpose();
    let refill = violations.take("limits.uses.refill_seconds", refill)?;
    Some((uses.limit, refill))
}

/// Rates as they are printed.
pub(super) fn encode_rates(rates: &Rates) -> Vec<api::Rate> {
    let rate = |rate: Rate| api::Rate {
        limit: rate.limit().into(),
        window_seconds: rate.window_seconds().into(),
    };
    rates.iter().map(rate).collect()
}

/// A key's limits as they are printed.
pub(super) fn encode_key_limits(limits: &KeyLimits) -> Result<api::KeyLimits, Error> {
    let uses = limits.uses.map(|uses| {
        Ok::<_, Error>(api::GivenUses {
            limit: uses.limit(),
            refill_seconds: uses.refill().map(|after| after.as_secs()),
            granted_at: reply::time(uses.granted_at())?,
        })
    });
    Ok(api::KeyLimits { rate: encode_rates(&limits.rates), uses: uses.transpose()? })
}

/// What a verification has found of limits.
pub(super) fn encode_found(found: &Limited) -> api::VerifiedLimits {
    let uses = |uses: &tenantry_core::uses::UsesLeft| api::VerifiedUses {
        limit: uses.limit,
        remaining: uses.remaining,
    };
    let concurrency = |found: &tenantry_core::verify::Concurrency| api::VerifiedConcurrency {
        limit: found.limit,
        in_use: found.in_use,
    };
    api::VerifiedLimits {
        rate: found.rates.iter().map(encode_metered).collect(),
        uses: found.uses.as_ref().map(uses),
        concurrency: found.concurrency.as_ref().map(concurrency),
    }
}

fn encode_metered(Metered { meter, outcome }: &Metered) -> api::VerifiedRate {
    api::VerifiedRate {
        of: meter.of.as_str(),
        limit: meter.rate.limit(),
        window_seconds: meter.rate.window_seconds(),
        remaining: outcome.remaining,
        reset_seconds: seconds(outcome.full_after),
        retry_after_seconds: (!outcome.admitted).then(|| outcome.admitted_after.map(seconds)),
    }
}

/// When all windows that refused a request would let it in; none where one never would.
pub(crate) fn retry_after(rates: &[Metered]) -> Option<Duration> {
    let refused = rates.iter().filter(|metered| !metered.outcome.admitted);
    let waits: Option<Vec<Duration>> =
        refused.map(|metered| metered.outcome.admitted_after).collect();
    waits?.into_iter().max()
}

/// Says in `RateLimit-Policy` which windows there are, and in `RateLimit` what is left of each. Their
/// names say whose they are and how long: `key-60` counts the key's requests in a minute.
pub(crate) fn insert_fields(headers: &mut HeaderMap, rates: &[Metered]) {
    let (mut policies, mut left) = (String::new(), String::new());
    for Metered { meter, outcome } in rates {
        let (of, window) = (meter.of.as_str(), meter.rate.window_seconds());
        let comma = if policies.is_empty() { "" } else { ", " };
        let limit = meter.rate.limit();
        let _ = write!(policies, "{comma}\"{of}-{window}\";q={limit};w={window}");
        let (remaining, reset) = (outcome.remaining, seconds(outcome.full_after));
        let _ = write!(left, "{comma}\"{of}-{window}\";r={remaining};t={reset}");
    }
    for (name, value) in [(RATE_LIMIT_POLICY, policies), (RATE_LIMIT, left)] {
        // Made of characters that a field may have.
        if let Ok(value) = HeaderValue::try_from(value)
            && !value.is_empty()
        {
            headers.insert(name, value);
        }
    }
}

/// Says in `RateLimit` that nothing is left of a quota, and after how long there is something again.
pub(crate) fn insert_spent(headers: &mut HeaderMap, quota: &str, wait: Duration) {
    let value = format!("\"{quota}\";r=0;t={}", seconds(wait).max(1));
    if let Ok(value) = HeaderValue::try_from(value) {
        headers.insert(RATE_LIMIT, value);
    }
}

/// Whole seconds, rounded up.
fn seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

/// A number that a request counts.
pub(super) fn decode_cost(cost: Option<i64>) -> Result<u32, Error> {
    let max = tenantry_core::limits::COST_MAX;
    let cost = cost.map_or(Some(1), |cost| u32::try_from(cost).ok());
    cost.filter(|cost| (1..=max).contains(cost))
        .ok_or_else(|| Error::invalid("cost", Problem::OutOfRange(1, max.into())))
}
