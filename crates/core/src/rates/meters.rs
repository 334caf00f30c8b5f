//! Meters in the node's memory: a theoretical arrival time for each window that somebody spends from.

use super::gcra::{Outcome, Quota, gcra};
use super::{Rate, Spending};
use crate::ids::{AccountId, CredentialId};
use crate::limits;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Parts of the table, each with a lock of its own.
const STRIPES: usize = 64;

/// Whose requests a window counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MeterOf {
    /// Those of a key, and of the keys that rotations have put in its place.
    Key(CredentialId),
    /// Those of a sub-account.
    Account(AccountId),
    /// Those of a root account and all of its sub-accounts.
    Organization(AccountId),
}

impl MeterOf {
    /// The word in replies.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Key(_) => "key",
            Self::Account(_) => "account",
            Self::Organization(_) => "organization",
        }
    }

    /// The id of what is metered.
    #[must_use]
    pub const fn id(&self) -> &[u8; 16] {
        match self {
            Self::Key(id) => id.as_bytes(),
            Self::Account(id) | Self::Organization(id) => id.as_bytes(),
        }
    }
}

/// A window that a request counts in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meter {
    /// Whose requests it counts.
    pub of: MeterOf,
    /// How many there may be.
    pub rate: Rate,
}

/// What a window said of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metered {
    /// The window.
    pub meter: Meter,
    /// What it said.
    pub outcome: Outcome,
}

/// Which window: its length tells it from others of the same holder.
type Key = (MeterOf, u32);

type Stripe = HashMap<Key, i64>;

/// The table of this node.
pub(crate) struct Meters {
    stripes: [Mutex<Stripe>; STRIPES],
    /// Windows in all stripes.
    windows: AtomicUsize,
    /// Most of them.
    room: usize,
    /// Second of the last sweep.
    swept: AtomicU64,
}

impl Default for Meters {
    fn default() -> Self {
        Self::with_room(limits::RATE_METERS_MAX)
    }
}

impl Meters {
    fn with_room(room: usize) -> Self {
        let stripes = std::array::from_fn(|_| Mutex::default());
        Self { stripes, windows: AtomicUsize::new(0), room, swept: AtomicU64::new(0) }
    }

    /// Asks all windows about a request of the tree of `root`, and spends from all of them where all
    /// let it in and it is not only a look. None where there is no room to remember it, which lets
    /// nothing in.
    pub(super) fn spend(
        &self,
        root: AccountId,
        meters: &[Meter],
        (spending, cost): (Spending, u32),
        (now, nodes): (Duration, u32),
    ) -> Option<Vec<Metered>> {
        let micros = i64::try_from(now.as_micros()).unwrap_or(i64::MAX);
        if self.windows.load(Ordering::Relaxed) + meters.len() > self.room {
            self.sweep(now.as_secs(), micros);
        }
        let mut stripe = self.stripe(root);
        let new = meters.iter().filter(|meter| !stripe.contains_key(&key(meter))).count();
        if self.windows.load(Ordering::Relaxed) + new > self.room {
            return None;
        }
        let tats: Vec<i64> =
            meters.iter().map(|meter| stripe.get(&key(meter)).copied().unwrap_or(0)).collect();
        let metered = ask(meters, &tats, (spending, cost), (micros, nodes));
        if spending == Spending::Spend && all_admit(&metered) {
            let tats = metered.iter().map(|metered| (key(&metered.meter), metered.outcome.tat));
            stripe.extend(tats);
            self.windows.fetch_add(new, Ordering::Relaxed);
        }
        Some(metered)
    }

    /// All of a tree's windows are in one stripe, so that they are asked and spent from at once.
    fn stripe(&self, root: AccountId) -> MutexGuard<'_, Stripe> {
        let last = root.as_bytes()[15];
        lock(&self.stripes[usize::from(last) % STRIPES])
    }

    /// Forgets windows that have all of their burst again: they say what none says. At most once a
    /// second, so that a table full of others is not walked for each request.
    fn sweep(&self, second: u64, micros: i64) {
        if self.swept.swap(second, Ordering::Relaxed) == second {
            return;
        }
        for stripe in &self.stripes {
            let mut stripe = lock(stripe);
            let before = stripe.len();
            stripe.retain(|_, tat| *tat > micros);
            self.windows.fetch_sub(before - stripe.len(), Ordering::Relaxed);
        }
    }
}

fn lock(stripe: &Mutex<Stripe>) -> MutexGuard<'_, Stripe> {
    // No code panics while it holds the lock, and each step leaves the table whole.
    stripe.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What windows with these theoretical arrival times, in microseconds like `now`, say of a request that
/// is to be let in by all of them or to spend from none.
#[must_use]
pub fn ask(
    meters: &[Meter],
    tats: &[i64],
    (spending, cost): (Spending, u32),
    (now, nodes): (i64, u32),
) -> Vec<Metered> {
    let of = |cost: u32| {
        let windows = meters.iter().zip(tats);
        let asked = windows.map(move |(meter, tat)| Metered {
            meter: *meter,
            outcome: gcra(*tat, now, Quota::share(meter.rate, nodes), cost),
        });
        asked.collect::<Vec<_>>()
    };
    let metered = of(cost);
    if spending == Spending::Spend && all_admit(&metered) {
        return metered;
    }
    let as_before = of(0).into_iter().zip(metered).map(|(before, asked)| {
        let Outcome { admitted, admitted_after, .. } = asked.outcome;
        Metered { outcome: Outcome { admitted, admitted_after, ..before.outcome }, ..asked }
    });
    as_before.collect()
}

/// True where a request is let in by all.
pub(super) fn all_admit(metered: &[Metered]) -> bool {
    metered.iter().all(|metered| metered.outcome.admitted)
}

fn key(meter: &Meter) -> Key {
    (meter.of, meter.rate.window_seconds())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(1000);
    const ROOT: AccountId = AccountId::from_bytes([7; 16]);

    fn meter(of: u8, limit: i64, window: i64) -> Meter {
        let of = MeterOf::Key(CredentialId::from_bytes([of; 16]));
        Meter { of, rate: Rate::new(limit, window).expect("a rate") }
    }

    fn spend(meters: &Meters, of: &[Meter], now: Duration) -> Option<bool> {
        let metered = meters.spend(ROOT, of, (Spending::Spend, 1), (now, 1));
        metered.map(|metered| all_admit(&metered))
    }

    #[test]
    fn one_window_that_refuses_spends_from_none() {
        let meters = Meters::default();
        let (narrow, wide) = (meter(1, 1, 60), meter(2, 3, 60));
        assert_eq!(spend(&meters, &[narrow, wide], NOW), Some(true));
        for _ in 0..10 {
            assert_eq!(spend(&meters, &[narrow, wide], NOW), Some(false));
        }
        assert_eq!(spend(&meters, &[wide], NOW), Some(true));
        assert_eq!(spend(&meters, &[wide], NOW), Some(true));
        assert_eq!(spend(&meters, &[wide], NOW), Some(false));
    }

    #[test]
    fn a_look_spends_nothing() {
        let (meters, one) = (Meters::default(), meter(1, 1, 60));
        for _ in 0..5 {
            let looked = meters.spend(ROOT, &[one], (Spending::Look, 1), (NOW, 1));
            assert!(looked.is_some_and(|metered| all_admit(&metered)));
        }
        assert_eq!(spend(&meters, &[one], NOW), Some(true));
    }

    #[test]
    fn a_table_without_room_lets_nothing_new_in_until_windows_have_run_out() {
        let meters = Meters::with_room(2);
        for of in 1..=2 {
            assert_eq!(spend(&meters, &[meter(of, 2, 60)], NOW), Some(true));
        }
        assert_eq!(spend(&meters, &[meter(3, 2, 60)], NOW), None);
        assert_eq!(spend(&meters, &[meter(1, 2, 60)], NOW), Some(true), "who is known goes on");
        let later = NOW + Duration::from_secs(61);
        assert_eq!(spend(&meters, &[meter(3, 2, 60)], later), Some(true));
    }
}
