//! How much is measured: the long form and the quick one.

use std::time::Duration;

/// Connections of every scenario but the lone client's.
pub(crate) const CONNECTIONS: usize = 64;
/// Repetitions, of which the median counts.
pub(crate) const REPETITIONS: usize = 5;
/// Keys of the store whose idle memory is read.
pub(crate) const IDLE_KEYS: u64 = 10_000;
/// The store that growth is counted from, and the hot keys of every store that is compared with
/// it, so that only what is stored differs.
pub(crate) const SMALL_KEYS: u64 = 1_000;
/// Creates of one run where stores of different sizes are compared: few, so that a small one stays
/// small.
pub(crate) const CREATES: u64 = 5_000;
/// The store whose accounts have many keys each.
pub(crate) const SHARED_KEYS: u64 = 100_000;
/// Keys of each of its accounts.
pub(crate) const KEYS_PER_ACCOUNT: u64 = 100;

/// The sizes of one form.
#[derive(Debug)]
pub(crate) struct Plan {
    /// Results are compared within a form only.
    pub(crate) form: &'static str,
    /// Keys of the large store.
    pub(crate) keys: u64,
    /// Stores of other sizes, for growth, the smallest first.
    pub(crate) growth: &'static [u64],
    /// Accounts that creates find stored, few and many.
    pub(crate) accounts: [u64; 2],
    /// Keys that are asked about again and again, all of which the cache holds.
    pub(crate) hot: u64,
    /// How long each scenario runs per repetition.
    pub(crate) time: Duration,
    /// How long each control of the disk runs per repetition.
    pub(crate) disk_time: Duration,
    /// Keys that enter the cache while memory is watched.
    pub(crate) remembered: u64,
}

pub(crate) const LONG: Plan = Plan {
    form: "long",
    keys: 10_000_000,
    growth: &[SMALL_KEYS, 1_000_000],
    accounts: [SMALL_KEYS, 1_000_000],
    hot: 100_000,
    time: Duration::from_secs(4),
    disk_time: Duration::from_secs(1),
    remembered: 1_000_000,
};

pub(crate) const QUICK: Plan = Plan {
    form: "quick",
    keys: 100_000,
    growth: &[SMALL_KEYS],
    accounts: [SMALL_KEYS, 100_000],
    hot: 10_000,
    time: Duration::from_millis(1200),
    disk_time: Duration::from_millis(400),
    remembered: 60_000,
};

impl Plan {
    /// Entries of the cache: the hot keys fit with room to spare, the others do not.
    pub(crate) fn cache_entries(&self) -> u64 {
        self.hot * 2
    }

    /// The order of `count` scenarios in a repetition: another one begins each time, so that none
    /// always follows the same one.
    pub(crate) fn order(repetition: usize, count: usize) -> impl Iterator<Item = usize> {
        (0..count).map(move |index| (index + repetition) % count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_repetition_runs_every_scenario_once_in_another_order() {
        let orders: Vec<Vec<usize>> = (0..3).map(|r| Plan::order(r, 3).collect()).collect();
        assert_eq!(orders, [[0, 1, 2], [1, 2, 0], [2, 0, 1]]);
    }

    #[test]
    fn a_walk_over_the_cold_keys_finds_none_in_the_cache() {
        for plan in [LONG, QUICK] {
            // A key comes back after all other cold keys, more than the cache and what it
            // remembers of evicted keys can hold.
            assert!(plan.keys - plan.hot >= 4 * plan.cache_entries(), "{}", plan.form);
            assert!(plan.remembered + plan.remembered / 4 <= plan.keys, "{}", plan.form);
        }
    }

    #[test]
    fn the_quick_form_ends_in_two_minutes() {
        const SCENARIOS: u32 = 9;
        const CREATES_TIME: Duration = Duration::from_millis(700);
        let repetition = (QUICK.time + Duration::from_millis(300)) * SCENARIOS
            + QUICK.disk_time * 2
            + CREATES_TIME * 2;
        assert!(repetition * u32::try_from(REPETITIONS).unwrap() < Duration::from_secs(80));
    }
}
