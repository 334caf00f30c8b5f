//! Records of calls on their way into the sums, and what is forgotten in time.

use super::{Amounts, HOUR, Measure, UnrolledCall, UsageEnds, UsageOf, UsageRow, start_of};
use crate::Plane;
use crate::error::{Conflict, Error, Result};
use crate::ids::LeaseId;
use crate::leases::{Amount, Costs};
use crate::limits;
use crate::verify::believed;
use std::collections::BTreeMap;

impl Plane {
    /// Adds calls whose records are not in the sums yet, at most [`limits::USAGE_ROLL_MAX`] of them,
    /// and says how many. None where another node was about to add the same ones.
    ///
    /// # Errors
    /// What the store says; the next call tries them again.
    pub async fn roll_calls(&self) -> Result<u64> {
        let mut calls: Vec<UnrolledCall> = Vec::new();
        let mut rows = 0;
        for call in self.store.list_unrolled_calls(limits::USAGE_ROLL_MAX).await? {
            // One that cannot be read has raised its alarm, and stays as it is.
            let Some(call) = believed(call)? else { continue };
            rows += rows_at_most(&call);
            if rows > limits::USAGE_ROLL_ROWS_MAX && !calls.is_empty() {
                break;
            }
            calls.push(call);
        }
        if calls.is_empty() {
            return Ok(0);
        }
        let ids: Vec<LeaseId> = calls.iter().map(|call| call.lease).collect();
        match self.store.roll_calls(&ids, &rows_of(&calls)).await {
            Ok(()) => Ok(u64::try_from(ids.len()).unwrap_or(u64::MAX)),
            Err(Error::Conflict(Conflict::Changed)) => Ok(0),
            Err(error) => Err(error),
        }
    }

    /// Forgets what is older than usage is kept for, at most [`limits::USAGE_SWEEP_MAX`] of each kind
    /// of row, and says how many rows it were.
    ///
    /// # Errors
    /// What the store says.
    pub async fn sweep_usage(&self) -> Result<u64> {
        let now = self.clock.now();
        let before = now.minus(limits::USAGE_HOURS_KEPT);
        let ends = UsageEnds {
            leases_below: LeaseId::drawn_before(before),
            before,
            days_before: now.minus(limits::USAGE_DAYS_KEPT),
            flushes_before: now.minus(limits::USAGE_FLUSHES_KEPT),
        };
        self.store.sweep_usage(&ends, limits::USAGE_SWEEP_MAX).await
    }
}

/// What records of calls add to the sums.
#[must_use]
pub fn rows_of(calls: &[UnrolledCall]) -> Vec<UsageRow> {
    let mut amounts = Amounts::default();
    for call in calls {
        add(&mut amounts, call);
    }
    amounts.into_rows()
}

fn rows_at_most(call: &UnrolledCall) -> usize {
    let Costs { synthesizer, transcriber, llm, .. } = &call.record.costs;
    4 + synthesizer.len() + transcriber.len() + llm.len()
}

fn add(amounts: &mut Amounts, call: &UnrolledCall) {
    let UnrolledCall { root, account, record, .. } = call;
    let hour = start_of(HOUR, record.ended_at);
    let mut add = |measure, name: &str, amount: u64| {
        let (root, account, name) = (*root, *account, name.into());
        amounts.add(UsageOf { root, account, hour, key: None, measure, name }, amount);
    };
    add(Measure::Calls, record.status.as_str(), 1);
    let duration = record.duration.unwrap_or_default().as_micros();
    add(Measure::Duration, "", u64::try_from(duration).unwrap_or(u64::MAX));
    let Costs { platform, telephony, synthesizer, transcriber, llm } = &record.costs;
    add(Measure::PlatformCost, "", platform.millionths());
    add(Measure::TelephonyCost, "", telephony.millionths());
    let mut by_provider = |measure, costs: &BTreeMap<Box<str>, Amount>| {
        for (provider, cost) in costs {
            add(measure, provider, cost.millionths());
        }
    };
    by_provider(Measure::SynthesizerCost, synthesizer);
    by_provider(Measure::TranscriberCost, transcriber);
    by_provider(Measure::LlmCost, llm);
}
