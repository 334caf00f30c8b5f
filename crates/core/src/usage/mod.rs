//! Usage: what an account's calls took in a period. Who may ask, and about which period, is settled
//! here; calls themselves are not metered yet, so that every sum over them is zero.

use crate::Plane;
use crate::accounts::{Account, SubAccountPage, SubAccountsAsked};
use crate::actor::Context;
use crate::clock::Timestamp;
use crate::error::{Error, Kind, Problem, Result};
use crate::ids::AccountId;
use crate::limits;
use crate::permissions::Right;
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
        if from.plus(limits::USAGE_PERIOD_MAX) < to {
            let days = limits::USAGE_PERIOD_MAX.as_secs() / DAY.as_secs();
            return Err(Error::parameter("to", Problem::TooLate(days)));
        }
        Ok(Period { from, to })
    }
}

const DAY: Duration = Duration::from_hours(24);
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

impl Plane {
    /// The sub-account whose usage is asked for, closed or not, and the period.
    ///
    /// # Errors
    /// Not found, also for a root account; a missing permission; a period that is none.
    pub async fn sub_account_usage(
        &self,
        context: &Context,
        id: AccountId,
        asked: AskedPeriod,
    ) -> Result<(Account, Period)> {
        let period = asked.at(self.clock.now())?;
        let account = self.account_in_reach(context, id).await?;
        if account.parent.is_none() {
            return Err(Error::NotFound(Kind::Account));
        }
        context.actor.require(Right::UsageRead)?;
        Ok((account, period))
    }

    /// A page of the sub-accounts whose usage is asked for, and the period.
    ///
    /// # Errors
    /// A missing permission; a period that is none.
    pub async fn sub_accounts_usage(
        &self,
        context: &Context,
        page: SubAccountsAsked,
        asked: AskedPeriod,
    ) -> Result<(SubAccountPage, Period)> {
        let period = asked.at(self.clock.now())?;
        let root = context.actor.organization()?;
        context.actor.require(Right::UsageRead)?;
        Ok((self.page_of_sub_accounts(context, root, page).await?, period))
    }
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
}
