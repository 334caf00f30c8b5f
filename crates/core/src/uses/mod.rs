//! Remaining uses: so many verifications that a key was given, once or again in each period.
//!
//! What was drawn of a grant stands in the store, by the line of keys that rotations make, and never
//! exceeds it. A node draws a block at a time and spends that from memory, so that a verification
//! writes nothing as a rule; a node that dies loses what was left of its blocks, no more. Blocks that
//! nobody uses, and those of a node that stops, are given back. Periods are the store's to tell.

mod blocks;
mod spend;

pub(crate) use blocks::Blocks;
pub use blocks::UsesLeft;
pub(crate) use spend::Line;

use crate::clock::Timestamp;
use crate::error::Problem;
use crate::ids::{AccountId, CredentialId};
use crate::limits;
use std::num::NonZeroU64;
use std::time::Duration;

/// The uses that a key was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Uses {
    limit: NonZeroU64,
    refill: Option<Duration>,
    /// When it was given: what was drawn of an earlier grant says nothing of a later one.
    granted_at: Timestamp,
}

impl Uses {
    /// Reads a number of uses, and after how many seconds they come back.
    ///
    /// # Errors
    /// [`Problem::OutOfRange`] for a number that is not 1 to [`limits::USES_MAX`].
    pub fn new(limit: i64, refill: Option<Refill>, granted_at: Timestamp) -> Result<Self, Problem> {
        let number = u64::try_from(limit).ok().filter(|number| *number <= limits::USES_MAX);
        let max = i64::try_from(limits::USES_MAX).unwrap_or(i64::MAX);
        let limit = number.and_then(NonZeroU64::new).ok_or(Problem::OutOfRange(1, max))?;
        Ok(Self { limit, refill: refill.map(|Refill(after)| after), granted_at })
    }

    /// How many.
    #[must_use]
    pub const fn limit(&self) -> u64 {
        self.limit.get()
    }

    /// After how long all of them are there again, counted from the first use.
    #[must_use]
    pub const fn refill(&self) -> Option<Duration> {
        self.refill
    }

    /// When they were given.
    #[must_use]
    pub const fn granted_at(&self) -> Timestamp {
        self.granted_at
    }

    /// The stored word.
    #[must_use]
    pub fn to_stored(&self) -> String {
        let refill = self.refill.map(|after| format!("/{}", after.as_secs())).unwrap_or_default();
        format!("uses:{}{refill}@{}", self.limit, self.granted_at.micros())
    }

    /// Reads a stored word.
    #[must_use]
    pub fn from_stored(word: &str) -> Option<Self> {
        let (number, granted_at) = word.strip_prefix("uses:")?.split_once('@')?;
        let (limit, refill) = match number.split_once('/') {
            Some((limit, refill)) => {
                (limit, Some(Refill::from_seconds(refill.parse().ok()?).ok()?))
            }
            None => (number, None),
        };
        let granted_at = Timestamp::from_micros(granted_at.parse().ok()?);
        let uses = Self::new(limit.parse().ok()?, refill, granted_at).ok()?;
        (uses.to_stored() == word).then_some(uses)
    }
}

/// After how long uses come back: a minute to 366 days.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refill(Duration);

impl Refill {
    /// Reads a number of seconds.
    ///
    /// # Errors
    /// [`Problem::OutOfRange`].
    pub fn from_seconds(seconds: i64) -> Result<Self, Problem> {
        let (min, max) = (limits::USES_REFILL_MIN, limits::USES_REFILL_MAX);
        let duration = u64::try_from(seconds).ok().map(Duration::from_secs);
        duration.filter(|after| (min..=max).contains(after)).map(Self).ok_or_else(|| {
            let seconds = |limit: Duration| i64::try_from(limit.as_secs()).unwrap_or(i64::MAX);
            Problem::OutOfRange(seconds(min), seconds(max))
        })
    }
}

/// A number of uses to draw from the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Draw {
    /// The line of keys that they were given to.
    pub lineage: CredentialId,
    /// The root account of its tree; [`AccountId::PLANE`] for a platform key.
    pub root: AccountId,
    /// The grant.
    pub uses: Uses,
    /// How many are needed.
    pub wanted: u64,
    /// Of what is left, so many parts are made, and one of them drawn where that is more than is
    /// needed.
    pub parts: u64,
    /// No more than this is drawn, unless it is needed.
    pub most: u64,
}

/// What was drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drawn {
    /// How many: as many as were needed, more, or all that were left.
    pub drawn: u64,
    /// How many are left in the store.
    pub rest: u64,
    /// When the period began that they are of, by the store's clock.
    pub began_at: Timestamp,
    /// How much of the period is left; none where nothing comes back.
    pub ends_after: Option<Duration>,
}

/// What a store remembers of what was drawn for a line of keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DrawnRow {
    /// When the grant was made.
    pub granted_at: Timestamp,
    /// When the period began, by the store's clock.
    pub began_at: Timestamp,
    /// How many were drawn in it.
    pub drawn: u64,
}

impl Draw {
    /// The row of a line from which nothing was drawn before.
    #[must_use]
    pub const fn first_row(&self, now: Timestamp) -> DrawnRow {
        DrawnRow { granted_at: self.uses.granted_at, began_at: now, drawn: 0 }
    }

    /// What is drawn at `now` of the store's clock, and what the row becomes; none where it is a later
    /// grant's. A pure function, for every store the same.
    #[must_use]
    pub fn from(&self, row: DrawnRow, now: Timestamp) -> Option<(DrawnRow, Drawn)> {
        let uses = &self.uses;
        let mut row = match row.granted_at.cmp(&uses.granted_at) {
            std::cmp::Ordering::Greater => return None,
            std::cmp::Ordering::Equal => row,
            std::cmp::Ordering::Less => self.first_row(now),
        };
        let ends_after = uses.refill.map(|refill| {
            let passed = now.micros().saturating_sub(row.began_at.micros());
            let period = i64::try_from(refill.as_micros()).unwrap_or(i64::MAX).max(1);
            if passed >= period {
                let whole = passed - passed % period;
                row.began_at = Timestamp::from_micros(row.began_at.micros().saturating_add(whole));
                row.drawn = 0;
            }
            let left = period - now.micros().saturating_sub(row.began_at.micros());
            Duration::from_micros(u64::try_from(left.clamp(1, period)).unwrap_or(1))
        });
        let rest = uses.limit().saturating_sub(row.drawn);
        let part = (rest / self.parts.max(1)).min(self.most);
        let drawn = self.wanted.max(part).min(rest);
        row.drawn = row.drawn.saturating_add(drawn);
        let began_at = row.began_at;
        Some((row, Drawn { drawn, rest: rest - drawn, began_at, ends_after }))
    }
}

impl Unspent {
    /// What a row becomes that this is given back to; none where it is of another grant or period.
    #[must_use]
    pub fn to(&self, row: DrawnRow) -> Option<DrawnRow> {
        let same = row.granted_at == self.granted_at && row.began_at == self.began_at;
        same.then(|| DrawnRow { drawn: row.drawn.saturating_sub(self.unspent), ..row })
    }
}

/// Uses that were drawn and not spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unspent {
    /// The line of keys.
    pub lineage: CredentialId,
    /// When the grant was made that they are of.
    pub granted_at: Timestamp,
    /// When the period began that they are of.
    pub began_at: Timestamp,
    /// How many.
    pub unspent: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uses_read_back_and_nothing_else_does() {
        let at = Timestamp::from_micros(1_752_158_100_123_456);
        let day = Refill::from_seconds(86_400).expect("a day");
        for (uses, text) in [
            (Uses::new(1000, None, at), "uses:1000@1752158100123456"),
            (Uses::new(1, Some(day), at), "uses:1/86400@1752158100123456"),
        ] {
            let uses = uses.expect("uses");
            assert_eq!(uses.to_stored(), text);
            assert_eq!(Uses::from_stored(text), Some(uses));
        }
        for text in
            ["", "uses:", "uses:1", "uses:0@1", "uses:1/59@1", "uses:+1@1", "uses:1@1 ", "1@1"]
        {
            assert_eq!(Uses::from_stored(text), None, "{text}");
        }
    }

    #[test]
    fn draws_of_a_period_sum_up_to_the_limit_and_no_more() {
        let minute = Refill::from_seconds(60).expect("a minute");
        let at = Timestamp::from_seconds;
        let uses = Uses::new(1000, Some(minute), at(1)).expect("uses");
        let (lineage, root) = (CredentialId::from_bytes([1; 16]), AccountId::from_bytes([2; 16]));
        let draw = Draw { lineage, root, uses, wanted: 1, parts: 16, most: 50 };
        let mut row = draw.first_row(at(100));
        let (mut total, mut times) = (0, 0);
        loop {
            let (next, drawn) = draw.from(row, at(120)).expect("the same grant");
            assert_eq!(drawn.ends_after, Some(Duration::from_secs(40)));
            assert_eq!(drawn.rest, 1000 - total - drawn.drawn);
            row = next;
            if drawn.drawn == 0 {
                break;
            }
            assert!(drawn.drawn <= 50, "{drawn:?}");
            (total, times) = (total + drawn.drawn, times + 1);
        }
        assert_eq!(total, 1000);
        assert!((20..120).contains(&times), "{times}");
        // After a period and a half there is a new one, which began at its time.
        let (row, drawn) = draw.from(row, at(190)).expect("the same grant");
        assert_eq!((drawn.drawn, drawn.ends_after), (50, Some(Duration::from_secs(30))));
        assert_eq!(row, DrawnRow { granted_at: at(1), began_at: at(160), drawn: 50 });
        let unspent = Unspent { lineage, granted_at: at(1), began_at: at(160), unspent: 20 };
        assert_eq!(unspent.to(row), Some(DrawnRow { drawn: 30, ..row }));
        assert_eq!(Unspent { began_at: at(100), ..unspent }.to(row), None);
        assert_eq!(Unspent { granted_at: at(2), ..unspent }.to(row), None);
    }

    #[test]
    fn a_later_grant_begins_anew_and_an_earlier_one_draws_nothing_of_it() {
        let at = Timestamp::from_seconds;
        let of = |granted| Uses::new(5, None, at(granted)).expect("uses");
        let (lineage, root) = (CredentialId::from_bytes([1; 16]), AccountId::from_bytes([2; 16]));
        let draw = |granted| {
            let uses = of(granted);
            Draw { lineage, root, uses, wanted: 9, parts: 1, most: 9 }
        };
        let (row, drawn) = draw(1).from(draw(1).first_row(at(7)), at(7)).expect("a row");
        let all = Drawn { drawn: 5, rest: 0, began_at: at(7), ends_after: None };
        assert_eq!(drawn, all);
        let (row, drawn) = draw(2).from(row, at(8)).expect("a row");
        assert_eq!(drawn, Drawn { began_at: at(8), ..all });
        assert_eq!(draw(1).from(row, at(9)), None);
    }

    #[test]
    fn a_number_and_a_period_are_within_their_ranges() {
        let at = Timestamp::from_seconds(1);
        for (limit, fits) in [(0, false), (-1, false), (1, true), (i64::MAX, false)] {
            assert_eq!(Uses::new(limit, None, at).is_ok(), fits, "{limit}");
        }
        for (seconds, fits) in [(59, false), (60, true), (31_622_400, true), (31_622_401, false)] {
            assert_eq!(Refill::from_seconds(seconds).is_ok(), fits, "{seconds}");
        }
        assert!(Refill::from_seconds(-1).is_err());
    }
}
