//! Periods: as they are asked for, and as they are looked up.

use super::{DAY, HOUR, start_of};
use crate::clock::Timestamp;
use crate::error::{Error, Problem, Result};
use crate::limits;
use jiff::tz::TimeZone;
use std::time::Duration;

/// From when to when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    /// Its first instant.
    pub from: Timestamp,
    /// Its last second.
    pub to: Timestamp,
}

/// A period as it is asked for.
#[derive(Clone, Copy, Debug, Default)]
pub struct AskedPeriod {
    /// Its first instant; the start of the month in which it ends unless given.
    pub from: Option<Timestamp>,
    /// Its end; the end of today unless given.
    pub to: Option<Timestamp>,
}

impl AskedPeriod {
    /// The period, at `now`.
    ///
    /// # Errors
    /// [`Error::Parameter`] where it ends before it begins or is longer than
    /// [`limits::USAGE_PERIOD_MAX`].
    pub fn at(self, now: Timestamp) -> Result<Period> {
        let period = self.of_any_length(now)?;
        require_within(period.from, period.to, limits::USAGE_PERIOD_MAX)?;
        Ok(period)
    }

    /// The whole hours that it is in, at `now`.
    ///
    /// # Errors
    /// [`Error::Parameter`] where it ends before it begins or these are longer than
    /// [`limits::USAGE_PERIOD_MAX`]; of whole days, than [`limits::USAGE_DAYS_PERIOD_MAX`].
    pub fn in_hours(self, now: Timestamp) -> Result<Span> {
        let Period { from, to } = self.of_any_length(now)?;
        let hours = Span::of_hours(start_of(HOUR, from), end_of_hour(to));
        let max = if hours.is_of_days() {
            limits::USAGE_DAYS_PERIOD_MAX
        } else {
            limits::USAGE_PERIOD_MAX
        };
        require_within(hours.from, hours.to, max)?;
        // At the ends of the calendar an hour begins or ends outside of it.
        for (name, at) in [("from", hours.from), ("to", hours.to)] {
            at.to_utc().ok_or_else(|| Error::parameter(name, Problem::Malformed))?;
        }
        Ok(hours)
    }

    fn of_any_length(self, now: Timestamp) -> Result<Period> {
        let beyond = || Error::parameter("to", Problem::Malformed);
        let to = match self.to {
            Some(to) => to,
            None => end_of_day(now).ok_or_else(beyond)?,
        };
        let from = match self.from {
            Some(from) => from,
            None => start_of_month(to).ok_or_else(beyond)?,
        };
        if to < from {
            return Err(Error::parameter("to", Problem::BeforeStart));
        }
        Ok(Period { from, to })
    }
}

fn require_within(from: Timestamp, to: Timestamp, max: Duration) -> Result<()> {
    if from.plus(max) < to {
        let days = max.as_secs() / DAY.as_secs();
        return Err(Error::parameter("to", Problem::TooLate(days)));
    }
    Ok(())
}

impl Period {
    /// The instants of its seconds, the last one whole.
    #[must_use]
    pub fn span(self) -> Span {
        let second = Duration::from_secs(1);
        let (from, to) = (start_of(second, self.from), start_of(second, self.to).plus(second));
        let hours_from = end_of_hour(from);
        let lead_to = hours_from.min(to);
        let tail_from = start_of(HOUR, to).max(lead_to);
        Span { from, to, hours: (hours_from, tail_from), lead_to, tail_from }
    }
}

/// The instants of a period, and which of them are whole hours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Its first instant.
    pub from: Timestamp,
    /// The first instant after it.
    pub to: Timestamp,
    /// Its whole hours: where they begin, and where the first after them begins; none where that is
    /// not later.
    pub hours: (Timestamp, Timestamp),
    /// The first instant after the part of an hour that it begins with.
    pub lead_to: Timestamp,
    /// The first instant of the part of an hour that it ends with.
    pub tail_from: Timestamp,
}

impl Span {
    fn of_hours(from: Timestamp, to: Timestamp) -> Self {
        Self { from, to, hours: (from, to), lead_to: from, tail_from: to }
    }

    /// True for nothing but whole days (UTC).
    #[must_use]
    pub fn is_of_days(&self) -> bool {
        let is_midnight = |at| start_of(DAY, at) == at;
        self.is_of_hours() && is_midnight(self.from) && is_midnight(self.to)
    }

    /// True for nothing but whole hours.
    #[must_use]
    pub fn is_of_hours(&self) -> bool {
        self.hours == (self.from, self.to)
    }
}

/// The end of the hour of an instant; itself, where an hour begins then.
fn end_of_hour(at: Timestamp) -> Timestamp {
    let start = start_of(HOUR, at);
    if start == at { at } else { start.plus(HOUR) }
}

/// From a day's first second to its last.
const TO_ITS_END: Duration = Duration::from_secs(DAY.as_secs() - 1);

/// The last second of a day (UTC).
fn end_of_day(at: Timestamp) -> Option<Timestamp> {
    let day = at.to_utc()?.to_zoned(TimeZone::UTC).start_of_day().ok()?;
    Some(Timestamp::from_seconds(day.timestamp().as_second()).plus(TO_ITS_END))
}

/// The first instant of a month (UTC).
fn start_of_month(at: Timestamp) -> Option<Timestamp> {
    let month = at.to_utc()?.to_zoned(TimeZone::UTC).first_of_month().ok()?.start_of_day().ok()?;
    Some(Timestamp::from_seconds(month.timestamp().as_second()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> Timestamp {
        Timestamp::parse_rfc3339(text).expect("a time")
    }

    #[test]
    fn what_is_not_named_is_this_month_up_to_the_end_of_today() {
        let now = time("2024-02-29T12:34:56.789Z");
        let period = |from, to| AskedPeriod { from, to }.at(now).expect("a period");
        let (month, end) = (time("2024-02-01T00:00:00Z"), time("2024-02-29T23:59:59Z"));
        assert_eq!(period(None, None), Period { from: month, to: end });
        assert_eq!(period(Some(now), None), Period { from: now, to: end });
        let to = time("2023-12-31T23:59:59Z");
        assert_eq!(period(None, Some(to)), Period { from: time("2023-12-01T00:00:00Z"), to });
    }

    #[test]
    fn a_period_is_neither_longer_than_32_days_nor_backwards() {
        let (now, from) = (time("2024-02-29T12:00:00Z"), time("2024-01-01T00:00:00Z"));
        for (to, fits) in [
            ("2024-02-02T00:00:00Z", true),
            ("2024-02-02T00:00:00.000001Z", false),
            ("2024-01-01T00:00:00Z", true),
            ("2023-12-31T23:59:59Z", false),
        ] {
            let asked = AskedPeriod { from: Some(from), to: Some(time(to)) };
            assert_eq!(asked.at(now).is_ok(), fits, "{to}");
        }
        // From so long ago that up to today is too long.
        assert!(AskedPeriod { from: Some(from), to: None }.at(now).is_err());
    }

    #[test]
    fn a_period_in_hours_takes_its_first_and_last_hour_whole() {
        let hours = |from, to| {
            let asked = AskedPeriod { from: Some(time(from)), to: Some(time(to)) };
            asked.in_hours(time("2024-02-29T12:00:00Z"))
        };
        for (from, to, expected) in [
            ("2024-02-01T10:20:00Z", "2024-02-01T10:20:00Z", ("10:00", "11:00")),
            ("2024-02-01T10:00:00Z", "2024-02-01T10:00:00Z", ("10:00", "10:00")),
            ("2024-02-01T10:00:00.000001Z", "2024-02-01T11:00:00Z", ("10:00", "11:00")),
            ("2024-02-01T10:59:59Z", "2024-02-01T11:00:00.000001Z", ("10:00", "12:00")),
        ] {
            let at = |clock| time(&format!("2024-02-01T{clock}:00Z"));
            let span = hours(from, to).expect("a span");
            assert_eq!((span.from, span.to), (at(expected.0), at(expected.1)), "{from} {to}");
            assert!(span.is_of_hours());
        }
        // Of whole days there may be more.
        for (from, to, fits) in [
            ("2024-02-01T00:00:00Z", "2024-03-04T00:00:00Z", true),
            ("2024-02-01T01:00:00Z", "2024-03-04T01:00:00Z", true),
            ("2024-02-01T01:00:00Z", "2024-03-04T01:00:01Z", false),
            ("2024-02-01T00:00:00Z", "2025-03-07T00:00:00Z", true),
            ("2024-02-01T00:00:00Z", "2025-03-06T23:59:59Z", true),
            ("2024-02-01T00:00:00Z", "2025-03-07T00:00:01Z", false),
            ("2024-02-01T00:00:00Z", "2025-03-08T00:00:00Z", false),
            ("2024-02-01T01:00:00Z", "2025-03-07T00:00:00Z", false),
        ] {
            assert_eq!(hours(from, to).is_ok(), fits, "{from} {to}");
        }
    }

    proptest::proptest! {
        #[test]
        fn the_parts_of_a_span_are_each_instant_of_it_once(
            from in 0_i64..20_000_000_000,
            long in 0_i64..20_000_000_000,
            at in 0_i64..50_000_000_000,
        ) {
            let [from, to, at] = [from, from + long, at].map(Timestamp::from_micros);
            let span = Period { from, to }.span();
            let within = (span.from..span.to).contains(&at);
            proptest::prop_assert_eq!(
                within,
                (from.seconds()..=to.seconds()).contains(&at.seconds())
            );
            let hour = start_of(HOUR, at);
            let parts = [
                (span.hours.0..span.hours.1).contains(&hour),
                (span.from..span.lead_to).contains(&at),
                (span.tail_from..span.to).contains(&at),
            ];
            let parts = parts.iter().filter(|part| **part).count();
            proptest::prop_assert_eq!(parts, usize::from(within));
        }
    }
}
