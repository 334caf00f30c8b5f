//! Rates: how many requests there may be in a window of time, for a key, for an account, and for a
//! whole tree. Several windows may hold at once; a request is let in where all of them let it in, and
//! else spends nothing.
//!
//! The rule is GCRA, one pure function ([`gcra`]). Its state is one time per window, kept in the
//! node's memory ([`meters`]), or in one place for all nodes ([`SharedMeters`]), where that answers.

pub mod gcra;
mod meters;
mod shared;
mod spend;

pub use gcra::{Outcome, Quota};
pub use meters::{Meter, MeterOf, Metered, ask};
pub use shared::{SharedMeters, Spending};
pub(crate) use spend::Metering;

use crate::error::Problem;
use crate::limits;
use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::time::Duration;

/// So many requests in a window of so many seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rate {
    window: NonZeroU32,
    limit: NonZeroU32,
}

impl Rate {
    /// Reads a limit and a window in seconds.
    ///
    /// # Errors
    /// [`Problem::OutOfRange`] for a limit that is not 1 to [`limits::RATE_LIMIT_MAX`], for a window that
    /// is not 1 second to [`limits::RATE_WINDOW_MAX`], and for more than [`limits::RATE_PER_SECOND_MAX`]
    /// requests a second.
    pub fn new(limit: i64, window_seconds: i64) -> Result<Self, Problem> {
        let number = |number: i64, max: u32| {
            let number = u32::try_from(number).ok().filter(|number| *number <= max);
            number.and_then(NonZeroU32::new).ok_or(Problem::OutOfRange(1, max.into()))
        };
        let longest = u32::try_from(limits::RATE_WINDOW_MAX.as_secs()).unwrap_or(u32::MAX);
        let window = number(window_seconds, longest)?;
        let most = window.get().saturating_mul(limits::RATE_PER_SECOND_MAX);
        let limit = number(limit, limits::RATE_LIMIT_MAX.min(most))?;
        Ok(Self { window, limit })
    }

    /// Requests in the window.
    #[must_use]
    pub const fn limit(self) -> u32 {
        self.limit.get()
    }

    /// The window, in seconds.
    #[must_use]
    pub const fn window_seconds(self) -> u32 {
        self.window.get()
    }

    /// The window.
    #[must_use]
    pub fn window(self) -> Duration {
        Duration::from_secs(self.window.get().into())
    }
}

/// Rates that hold at once, at most [`limits::RATES_MAX`], each with a window of its own, the shortest
/// first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rates([Option<Rate>; limits::RATES_MAX]);

impl Rates {
    /// Takes rates together.
    ///
    /// # Errors
    /// [`Problem::TooMany`]; [`Problem::Repeated`] where two have the same window.
    pub fn new(rates: impl IntoIterator<Item = Rate>) -> Result<Self, Problem> {
        let mut all = Self::default();
        let mut windows = BTreeSet::new();
        let mut sorted: Vec<Rate> = rates.into_iter().take(limits::RATES_MAX + 1).collect();
        sorted.sort_unstable();
        if sorted.len() > limits::RATES_MAX {
            return Err(Problem::TooMany(limits::RATES_MAX));
        }
        for (place, rate) in all.0.iter_mut().zip(sorted) {
            if !windows.insert(rate.window) {
                return Err(Problem::Repeated);
            }
            *place = Some(rate);
        }
        Ok(all)
    }

    /// True where nothing limits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0[0].is_none()
    }

    /// The rates, the shortest window first.
    pub fn iter(&self) -> impl Iterator<Item = Rate> {
        self.0.iter().copied().flatten()
    }

    /// True where whatever these let through `others` let through too: for each of the others one of
    /// these has a window that is no shorter and a limit that is no higher.
    #[must_use]
    pub fn are_within(&self, others: &Self) -> bool {
        let holds = |other: Rate| {
            self.iter().any(|own| own.window >= other.window && own.limit <= other.limit)
        };
        others.iter().all(holds)
    }

    /// The stored text; none for no rates.
    #[must_use]
    pub fn to_stored(self) -> Option<String> {
        let words: Vec<String> =
            self.iter().map(|rate| format!("{}/{}", rate.limit, rate.window)).collect();
        (!words.is_empty()).then(|| words.join(" "))
    }

    /// Reads a stored text.
    #[must_use]
    pub fn from_stored(text: &str) -> Option<Self> {
        let rate = |word: &str| {
            let (limit, window) = word.split_once('/')?;
            Rate::new(limit.parse().ok()?, window.parse().ok()?).ok()
        };
        let rates: Vec<Rate> = text.split(' ').map(rate).collect::<Option<_>>()?;
        Self::new(rates).ok().filter(|rates| rates.to_stored().as_deref() == Some(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rates(texts: &str) -> Rates {
        Rates::from_stored(texts).unwrap_or_default()
    }

    #[test]
    fn a_rate_has_a_limit_and_a_window_within_their_ranges() {
        for (limit, window, fits) in [
            (1, 1, true),
            (0, 1, false),
            (1, 0, false),
            (-1, 60, false),
            (100_000, 1, true),
            (100_001, 1, false),
            (1_000_000, 10, true),
            (1_000_001, 60, false),
            (1, 2_678_400, true),
            (1, 2_678_401, false),
            (i64::MAX, i64::MAX, false),
        ] {
            assert_eq!(Rate::new(limit, window).is_ok(), fits, "{limit}/{window}");
        }
    }

    #[test]
    fn rates_have_a_window_each_and_read_back() {
        let rate = |limit, window| Rate::new(limit, window).expect("a rate");
        let several = Rates::new([rate(1000, 3600), rate(100, 60)]).expect("rates");
        assert_eq!(several.to_stored().as_deref(), Some("100/60 1000/3600"));
        assert_eq!(Rates::from_stored("100/60 1000/3600"), Some(several));
        assert_eq!(Rates::new([rate(1, 60), rate(2, 60)]), Err(Problem::Repeated));
        let five = (1..=5).map(|window| rate(1, window));
        assert_eq!(Rates::new(five), Err(Problem::TooMany(limits::RATES_MAX)));
        assert_eq!(Rates::default().to_stored(), None);
        for text in ["", "1", "1/", "/1", "0/1", "1/1 ", "1/60 1/60", "2/60 1/1", "+1/60", "01/60"]
        {
            assert_eq!(Rates::from_stored(text), None, "{text}");
        }
    }

    #[test]
    fn rates_are_within_others_that_are_no_tighter() {
        for (own, others, within) in [
            ("", "", true),
            ("10/60", "", true),
            ("", "10/60", false),
            ("10/60", "10/60", true),
            ("11/60", "10/60", false),
            ("10/60", "10/30", true),
            ("10/30", "10/60", false),
            ("1/1 10/60", "10/60", true),
            ("10/60", "1/1 10/60", false),
        ] {
            assert_eq!(rates(own).are_within(&rates(others)), within, "{own} {others}");
        }
    }
}
