//! The real clock: a measurement is about it.

use std::time::Instant;
use tenantry_core::clock::{Clock as _, SystemClock};

/// This instant.
#[expect(clippy::disallowed_methods, reason = "how long things take is measured by the real clock")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// The time in UTC, fit for a file's name: `2026-01-31T23-59-59Z`.
pub(crate) fn stamp() -> String {
    let utc = SystemClock.now().to_utc();
    utc.map_or_else(String::new, |time| time.strftime("%Y-%m-%dT%H-%M-%SZ").to_string())
}
