//! The generic cell rate algorithm (ITU-T I.371): one time says all that a window has to remember.
//!
//! Requests are due at an even interval; that time, the theoretical arrival time, is when the next one
//! would be. One may come before it is due, as long as no more than a window's worth is ahead. So a
//! limit of 100 in a minute lets 100 in at once, and then one more each 600 ms: in no span of time of
//! length `t` more than `limit * (1 + t / window)`.

use super::Rate;
use std::time::Duration;

/// A rate as the algorithm wants it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Microseconds from when one request is due to when the next one is.
    pub interval: i64,
    /// Requests that may come at once.
    pub burst: i64,
}

impl Quota {
    /// A node's part of a rate, where `nodes` share it: the interval times their number, rounded up to
    /// a whole microsecond, and its part of the burst, at least one.
    #[must_use]
    pub fn share(rate: Rate, nodes: u32) -> Self {
        let (limit, nodes) = (i64::from(rate.limit()), i64::from(nodes.max(1)));
        let window = i64::from(rate.window_seconds()) * 1_000_000;
        let whole = window * nodes;
        let interval = whole / limit + i64::from(whole % limit != 0);
        Self { interval, burst: (limit / nodes).max(1) }
    }

    /// The whole rate.
    #[must_use]
    pub fn of(rate: Rate) -> Self {
        Self::share(rate, 1)
    }

    /// How far ahead of now the theoretical arrival time may be.
    const fn tolerance(self) -> i64 {
        self.interval * self.burst
    }
}

/// What the algorithm says of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The theoretical arrival time from now on, in microseconds; the same as before where the
    /// request is not let in.
    pub tat: i64,
    /// Whether the request is let in.
    pub admitted: bool,
    /// Requests of cost 1 that would be let in right after this one.
    pub remaining: u32,
    /// When all of the burst is there again.
    pub full_after: Duration,
    /// When a request of this cost is let in; none where one never is.
    pub admitted_after: Option<Duration>,
}

/// Decides about a request that counts `cost` times at `now`, both times in microseconds of one clock.
/// A window that nobody has spent from has any `tat` that is not after `now`.
#[must_use]
pub fn gcra(tat: i64, now: i64, quota: Quota, cost: u32) -> Outcome {
    let tolerance = quota.tolerance();
    // A clock that was set back makes nobody wait for longer than a whole burst.
    let ahead = tat.saturating_sub(now).clamp(0, tolerance);
    let after = ahead.saturating_add(quota.interval.saturating_mul(cost.into()));
    let admitted = after <= tolerance;
    let left = if admitted { after } else { ahead };
    let micros = |micros: i64| Duration::from_micros(u64::try_from(micros).unwrap_or(0));
    Outcome {
        tat: now + left,
        admitted,
        remaining: u32::try_from((tolerance - left) / quota.interval).unwrap_or(u32::MAX),
        full_after: micros(left),
        admitted_after: (i64::from(cost) <= quota.burst).then(|| micros(after - tolerance)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use governor::clock::FakeRelativeClock;
    use governor::{Quota as Other, RateLimiter};
    use proptest::prelude::*;
    use std::num::NonZeroU32;

    proptest! {
        /// The same rule, written by others.
        #[test]
        fn every_history_is_decided_as_governor_decides_it(
            (limit, window) in (1_i64..500, 1_i64..100),
            requests in prop::collection::vec((1_u32..40, prop_oneof![
                3 => Just(0_u64), 3 => 0_u64..5_000, 2 => 0_u64..500_000, 1 => 0_u64..200_000_000,
            ]), 1..200),
        ) {
            let quota = quota(limit, window);
            let interval = Duration::from_micros(quota.interval.unsigned_abs());
            let burst = NonZeroU32::new(u32::try_from(quota.burst).expect("a burst"));
            let other = Other::with_period(interval).expect("an interval");
            let clock = FakeRelativeClock::default();
            let other = RateLimiter::direct_with_clock(
                other.allow_burst(burst.expect("a burst")),
                clock.clone(),
            );
            let (mut tat, mut now) = (0, 0_i64);
            for (cost, wait) in requests {
                now += i64::try_from(wait).expect("a wait");
                clock.advance(Duration::from_micros(wait));
                let outcome = gcra(tat, now, quota, cost);
                let cost = NonZeroU32::new(cost).expect("a cost");
                // Too much for the burst is an error there.
                let admitted = matches!(other.check_n(cost), Ok(Ok(())));
                prop_assert_eq!(outcome.admitted, admitted, "at {} of cost {}", now, cost);
                tat = outcome.tat;
            }
        }
    }

    fn quota(limit: i64, window: i64) -> Quota {
        Quota::of(Rate::new(limit, window).expect("a rate"))
    }

    #[test]
    fn a_window_lets_its_limit_in_at_once_and_then_one_each_interval() {
        let (quota, mut tat, now) = (quota(5, 10), 0, 1_000_000_000);
        for remaining in (0..5).rev() {
            let outcome = gcra(tat, now, quota, 1);
            assert!(outcome.admitted);
            assert_eq!(outcome.remaining, remaining);
            tat = outcome.tat;
        }
        let refused = gcra(tat, now, quota, 1);
        let two_seconds = Duration::from_secs(2);
        let expected = Outcome {
            tat,
            admitted: false,
            remaining: 0,
            full_after: Duration::from_secs(10),
            admitted_after: Some(two_seconds),
        };
        assert_eq!(refused, expected);
        assert!(!gcra(tat, now + 1_999_999, quota, 1).admitted);
        assert!(gcra(tat, now + 2_000_000, quota, 1).admitted);
    }

    #[test]
    fn what_costs_more_than_the_burst_is_never_let_in_and_spends_nothing() {
        let quota = quota(5, 10);
        let outcome = gcra(0, 1_000, quota, 6);
        assert!(!outcome.admitted);
        assert_eq!((outcome.remaining, outcome.admitted_after), (5, None));
        assert!(gcra(outcome.tat, 1_000, quota, 5).admitted);
    }

    #[test]
    fn shares_of_all_nodes_are_no_more_than_the_rate_or_one_each() {
        for (limit, window) in [(1, 1), (3, 1), (100, 60), (7, 3600), (100_000, 1)] {
            let rate = Rate::new(limit, window).expect("a rate");
            for nodes in 1..=7 {
                let quota = Quota::share(rate, nodes);
                let burst = quota.burst * i64::from(nodes);
                assert!(burst <= limit.max(nodes.into()), "{rate:?} {nodes}");
                let in_window = window * 1_000_000 / quota.interval * i64::from(nodes);
                assert!(in_window <= limit.max(nodes.into()), "{rate:?} {nodes}");
            }
        }
    }

    #[test]
    fn a_clock_that_is_set_back_makes_nobody_wait_for_longer_than_a_window() {
        let quota = quota(5, 10);
        let outcome = gcra(i64::MAX, 0, quota, 1);
        assert!(!outcome.admitted);
        assert_eq!(outcome.full_after, Duration::from_secs(10));
    }
}
