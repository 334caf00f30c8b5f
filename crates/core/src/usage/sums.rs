//! Sums, put together from what a store found.

use super::{Group, Measure, UsageSum};
use crate::leases::{Amount, Costs};
use std::collections::BTreeMap;
use std::time::Duration;

/// What a group took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageEntry {
    /// Which group.
    pub group: Group,
    /// What it took.
    pub sums: Sums,
}

/// Verifications and calls.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// Verifications, by code.
    pub verifications: BTreeMap<Box<str>, u64>,
    /// Calls.
    pub calls: CallSums,
}

/// What calls took.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallSums {
    /// How many there were.
    pub count: u64,
    /// How long they took, as far as their records say.
    pub duration: Duration,
    /// How many had each status.
    pub statuses: BTreeMap<Box<str>, u64>,
    /// What they cost.
    pub costs: Costs,
}

/// What a status or a provider is called that is one of too many.
const OTHER: &str = "other";

impl Sums {
    fn add(&mut self, measure: Measure, name: Box<str>, amount: u64) {
        let name = if name.is_empty() { OTHER.into() } else { name };
        let cost = Amount::from_millionths(amount);
        let Self { verifications, calls } = self;
        let number = |sums: &mut BTreeMap<Box<str>, u64>, name| {
            let sum = sums.entry(name).or_default();
            *sum = sum.saturating_add(amount);
        };
        let paid = |sums: &mut BTreeMap<Box<str>, Amount>, name| {
            let sum = sums.entry(name).or_default();
            *sum = sum.plus(cost);
        };
        match measure {
            Measure::Verifications => number(verifications, name),
            Measure::Calls => {
                calls.count = calls.count.saturating_add(amount);
                number(&mut calls.statuses, name);
            }
            Measure::Duration => {
                calls.duration = calls.duration.saturating_add(Duration::from_micros(amount));
            }
            Measure::PlatformCost => calls.costs.platform = calls.costs.platform.plus(cost),
            Measure::TelephonyCost => calls.costs.telephony = calls.costs.telephony.plus(cost),
            Measure::SynthesizerCost => paid(&mut calls.costs.synthesizer, name),
            Measure::TranscriberCost => paid(&mut calls.costs.transcriber, name),
            Measure::LlmCost => paid(&mut calls.costs.llm, name),
        }
    }
}

/// The groups that sums are of, in their order; sums of one group stand together.
pub(super) fn entries(sums: Vec<UsageSum>) -> Vec<UsageEntry> {
    let mut entries: Vec<UsageEntry> = Vec::new();
    for UsageSum { group, measure, name, amount } in sums {
        let last = entries.last_mut().filter(|entry| entry.group == group);
        if let Some(entry) = last {
            entry.sums.add(measure, name, amount);
        } else {
            let mut sums = Sums::default();
            sums.add(measure, name, amount);
            entries.push(UsageEntry { group, sums });
        }
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;

    #[test]
    fn sums_of_a_group_come_together_and_no_name_is_the_others() {
        let (first, second) = (Timestamp::from_seconds(0), Timestamp::from_seconds(3600));
        let sum = |at, measure, name: &str, amount| UsageSum {
            group: Group::Hour(at),
            measure,
            name: name.into(),
            amount,
        };
        let found = entries(vec![
            sum(first, Measure::Calls, "ok", 2),
            sum(first, Measure::Calls, "", 3),
            sum(first, Measure::Calls, "other", 4),
            sum(first, Measure::Duration, "", 1_500_000),
            sum(first, Measure::LlmCost, "a", 5),
            sum(second, Measure::Verifications, "VALID", u64::MAX),
        ]);
        assert_eq!(found.len(), 2);
        let calls = &found[0].sums.calls;
        assert_eq!((calls.count, calls.duration), (9, Duration::from_millis(1500)));
        let statuses: Vec<_> = calls.statuses.iter().map(|(name, n)| (&**name, *n)).collect();
        assert_eq!(statuses, [("ok", 2), ("other", 7)]);
        assert_eq!(calls.costs.total(), Amount::from_millionths(5));
        assert_eq!(found[1].sums.verifications["VALID"], u64::MAX);
    }
}
