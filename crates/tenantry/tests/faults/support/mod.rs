//! The binary under test, its clients, and the ledger of what it acknowledged.

pub(crate) mod disk;
pub(crate) mod exercise;
pub(crate) mod flood;
pub(crate) mod http;
pub(crate) mod ledger;
pub(crate) mod preload;
pub(crate) mod secrets;
pub(crate) mod site;
pub(crate) mod slow;
pub(crate) mod stored;
pub(crate) mod writers;

use std::env;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tenantry_core::clock::{Clock as _, SystemClock};

/// Tells whoever runs the tests.
#[expect(clippy::print_stdout, reason = "seeds, figures and what is left out are for the terminal")]
pub(crate) fn say(text: &str) {
    println!("{text}");
}

/// A number that the long form sets.
pub(crate) fn setting(name: &str, default: u64) -> u64 {
    match env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text}")),
        Err(_) => default,
    }
}

/// The seed of this run: a given one, or one of the clock. Printed, so that the run can be had again.
pub(crate) fn seed(what: &str) -> Chance {
    let drawn = SystemClock.now().micros().unsigned_abs();
    let seed = setting("TENANTRY_FAULTS_SEED", drawn);
    say(&format!("{what}: seed {seed} (again with TENANTRY_FAULTS_SEED={seed})"));
    Chance::of(seed)
}

/// Numbers that follow from a seed (`SplitMix64`).
pub(crate) struct Chance(u64);

impl Chance {
    /// Numbers of a seed that was drawn.
    pub(crate) const fn of(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub(crate) fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A time between two numbers of milliseconds, both included.
    pub(crate) fn millis(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(from + self.draw() % (to - from + 1))
    }
}

/// Time since some fixed instant.
pub(crate) fn monotonic() -> Duration {
    SystemClock.monotonic()
}

/// Time since `started`.
pub(crate) fn since(started: Duration) -> Duration {
    monotonic().saturating_sub(started)
}

/// Tries until it succeeds; how long that took. Nothing where it did not within `limit`.
pub(crate) fn within(limit: Duration, mut attempt: impl FnMut() -> bool) -> Option<Duration> {
    let started = monotonic();
    loop {
        if attempt() {
            return Some(since(started));
        }
        if since(started) > limit {
            return None;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Tells threads to stop once it is dropped, a test that fails included: they would be waited for.
pub(crate) struct Stop<'a>(pub(crate) &'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
