//! Time: the one place that reads a clock. Everything else takes `now`.

use std::time::Duration;

/// An instant in microseconds since the Unix epoch, UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// An instant from microseconds since the Unix epoch.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// An instant from whole seconds since the Unix epoch; the ends of time where it lies beyond.
    #[must_use]
    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1_000_000))
    }

    /// Microseconds since the Unix epoch.
    #[must_use]
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Whole seconds since the Unix epoch, rounded down.
    #[must_use]
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// This instant and `duration` more, no later than the end of time.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)))
    }

    /// This instant and `duration` less, no earlier than the beginning of time.
    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)))
    }

    /// This instant as a calendar time in UTC; `None` outside the years -9999 to 9999.
    #[must_use]
    pub fn to_utc(self) -> Option<jiff::Timestamp> {
        jiff::Timestamp::from_microsecond(self.0).ok()
    }

    /// Reads an RFC 3339 time.
    #[must_use]
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        text.parse::<jiff::Timestamp>().ok().map(|time| Self(time.as_microsecond()))
    }
}

/// What time it is. Injected, so that tests own it.
pub trait Clock: std::fmt::Debug + Send + Sync {
    /// Wall-clock time.
    fn now(&self) -> Timestamp;
    /// Time since some fixed instant, never set back, running during suspend.
    fn monotonic(&self) -> Duration;
    /// From which start of the machine [`Self::monotonic`] counts, where that can be told.
    fn boot(&self) -> Option<[u8; 16]>;
}

/// The machine's clocks.
#[derive(Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
        Timestamp(time.tv_sec.saturating_mul(1_000_000).saturating_add(time.tv_nsec / 1_000))
    }

    fn monotonic(&self) -> Duration {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        Duration::new(
            u64::try_from(time.tv_sec).unwrap_or(0),
            u32::try_from(time.tv_nsec).unwrap_or(0),
        )
    }

    fn boot(&self) -> Option<[u8; 16]> {
        let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
        uuid::Uuid::try_parse(id.trim()).ok().map(uuid::Uuid::into_bytes)
    }
}

/// A clock that stands still until a test moves it.
#[cfg(feature = "testing")]
#[derive(Debug)]
pub struct ManualClock {
    /// Counts from the epoch, too.
    monotonic: std::sync::atomic::AtomicI64,
    /// How far the time of day was set ahead of it.
    ahead: std::sync::atomic::AtomicI64,
}

#[cfg(feature = "testing")]
impl ManualClock {
    /// A clock that shows `start`.
    #[must_use]
    pub fn at(start: Timestamp) -> Self {
        Self { monotonic: start.micros().into(), ahead: 0.into() }
    }

    /// Sets the time of day ahead, or back, by so many seconds.
    pub fn set_ahead(&self, seconds: i64) {
        self.ahead.fetch_add(seconds * 1_000_000, std::sync::atomic::Ordering::SeqCst);
    }

    /// Moves both clocks on by `step`.
    ///
    /// # Panics
    /// When `step` is longer than time.
    pub fn advance(&self, step: Duration) {
        let micros = i64::try_from(step.as_micros()).expect("test steps are short");
        self.monotonic.fetch_add(micros, std::sync::atomic::Ordering::SeqCst);
    }
}

#[cfg(feature = "testing")]
impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        let ahead = self.ahead.load(std::sync::atomic::Ordering::SeqCst);
        Timestamp(self.monotonic.load(std::sync::atomic::Ordering::SeqCst) + ahead)
    }

    fn monotonic(&self) -> Duration {
        let micros = self.monotonic.load(std::sync::atomic::Ordering::SeqCst);
        Duration::from_micros(u64::try_from(micros).expect("tests live after the epoch"))
    }

    fn boot(&self) -> Option<[u8; 16]> {
        Some([1; 16])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_round_down_on_both_sides_of_the_epoch() {
        assert_eq!(Timestamp::from_micros(1_999_999).seconds(), 1);
        assert_eq!(Timestamp::from_micros(-1).seconds(), -1);
    }

    #[test]
    fn sums_stop_at_the_end_of_time() {
        assert_eq!(
            Timestamp::from_micros(i64::MAX).plus(Duration::from_secs(1)).micros(),
            i64::MAX
        );
    }
}
