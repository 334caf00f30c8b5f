//! What a call took, as whoever made it says when its lease is given back.

use crate::clock::Timestamp;
use crate::error::Problem;
use crate::limits;
use crate::text::Name;
use std::collections::BTreeMap;
use std::time::Duration;

/// The record of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallRecord {
    /// How it ended, in the caller's words.
    pub status: Name,
    /// How long it took.
    pub duration: Option<Duration>,
    /// What it cost.
    pub costs: Costs,
    /// When it was recorded, by the plane's clock.
    pub ended_at: Timestamp,
}

impl CallRecord {
    /// Reads a duration in seconds.
    ///
    /// # Errors
    /// [`Problem::OutOfRange`].
    pub fn duration(seconds: f64) -> Result<Duration, Problem> {
        let max = limits::CALL_DURATION_MAX;
        Duration::try_from_secs_f64(seconds)
            .ok()
            .filter(|duration| *duration <= max)
            .ok_or_else(|| Problem::OutOfRange(0, i64::try_from(max.as_secs()).unwrap_or(i64::MAX)))
    }
}

/// What a call cost, by whom it was paid to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Costs {
    /// For the platform itself.
    pub platform: Amount,
    /// For telephony.
    pub telephony: Amount,
    /// For speech synthesis, by provider.
    pub synthesizer: BTreeMap<Box<str>, Amount>,
    /// For transcription, by provider.
    pub transcriber: BTreeMap<Box<str>, Amount>,
    /// For language models, by provider.
    pub llm: BTreeMap<Box<str>, Amount>,
}

impl Costs {
    /// All of them together.
    #[must_use]
    pub fn total(&self) -> Amount {
        let Self { platform, telephony, synthesizer, transcriber, llm } = self;
        let by_provider = [synthesizer, transcriber, llm].into_iter().flat_map(BTreeMap::values);
        by_provider.fold(platform.plus(*telephony), |sum, cost| sum.plus(*cost))
    }

    /// Reads costs by provider, at most [`limits::CALL_PROVIDERS_MAX`].
    ///
    /// # Errors
    /// The rule that they break.
    pub fn by_provider(
        costs: impl IntoIterator<Item = (String, f64)>,
    ) -> Result<BTreeMap<Box<str>, Amount>, Problem> {
        let mut read = BTreeMap::new();
        for (provider, cents) in costs {
            let amount = read.entry(Name::parse(&provider)?.as_str().into()).or_default();
            *amount = Amount::from_cents(cents)?.plus(*amount);
            if read.len() > limits::CALL_PROVIDERS_MAX {
                return Err(Problem::TooMany(limits::CALL_PROVIDERS_MAX));
            }
        }
        Ok(read)
    }
}

/// An amount of money, in millionths of a cent: sums of it are exact.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amount(u64);

impl Amount {
    /// Reads an amount in cents, to the nearest millionth.
    ///
    /// # Errors
    /// [`Problem::OutOfRange`] for one that is negative or above [`limits::CALL_COST_CENTS_MAX`].
    pub fn from_cents(cents: f64) -> Result<Self, Problem> {
        let max = limits::CALL_COST_CENTS_MAX;
        if !(0.0..=f64::from(max)).contains(&cents) {
            return Err(Problem::OutOfRange(0, max.into()));
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between nothing and 10^15"
        )]
        let millionths = (cents * 1e6).round() as u64;
        Ok(Self(millionths))
    }

    /// That many millionths of a cent: what was stored, or is the sum of such.
    #[must_use]
    pub const fn from_millionths(millionths: u64) -> Self {
        Self(millionths)
    }

    /// Millionths of a cent.
    #[must_use]
    pub const fn millionths(self) -> u64 {
        self.0
    }

    /// This and another.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_is_neither_negative_nor_beyond_all_reason() {
        let cents = |cents| Amount::from_cents(cents).map(Amount::millionths);
        assert_eq!(cents(0.0), Ok(0));
        assert_eq!(cents(-0.0), Ok(0));
        assert_eq!(cents(0.1), Ok(100_000));
        assert_eq!(cents(12.345_678_9), Ok(12_345_679));
        assert_eq!(cents(1e9), Ok(1_000_000_000_000_000));
        for wrong in [-1e-9, 1.000_000_1e9, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert!(cents(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_duration_is_neither_negative_nor_beyond_all_reason() {
        assert_eq!(CallRecord::duration(1.5), Ok(Duration::from_millis(1500)));
        for wrong in [-1.0, 1e9, f64::NAN, f64::INFINITY] {
            assert!(CallRecord::duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn costs_of_the_same_provider_add_up() {
        // The same name in two Unicode forms, which a JSON object may hold side by side.
        let costs = [("é".to_owned(), 1.0), ("e\u{301}".to_owned(), 2.0)];
        let read = Costs::by_provider(costs).expect("costs");
        assert_eq!(read.values().map(|cost| cost.millionths()).collect::<Vec<_>>(), [3_000_000]);
        let many = (0..=limits::CALL_PROVIDERS_MAX).map(|n| (n.to_string(), 1.0));
        assert_eq!(Costs::by_provider(many), Err(Problem::TooMany(limits::CALL_PROVIDERS_MAX)));
    }
}
