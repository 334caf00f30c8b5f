//! The log: JSON lines on standard error.

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Starts logging, panics included. A panic's message may quote what the code held, so only its
/// place is logged.
pub fn start(level: tracing::Level) {
    let lines = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .with_timer(Utc)
        .with_writer(std::io::stderr);
    // Libraries below us speak up for warnings only: their debug output may hold requests.
    let filter = Targets::new()
        .with_default(LevelFilter::WARN)
        .with_target("tenantry", LevelFilter::from_level(level))
        .with_target("tenantry_core", LevelFilter::from_level(level))
        .with_target("tenantry_backends", LevelFilter::from_level(level))
        .with_target("tenantry_http", LevelFilter::from_level(level));
    let _ = tracing_subscriber::registry().with(lines).with(filter).try_init();
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(alarm = "panic", place, "a defect: some code panicked");
    }));
}

struct Utc;

impl FormatTime for Utc {
    fn format_time(&self, w: &mut tracing_subscriber::fmt::format::Writer<'_>) -> std::fmt::Result {
        use tenantry_core::clock::{Clock as _, SystemClock};
        match SystemClock.now().to_utc() {
            Some(time) => write!(w, "{time:.6}"),
            None => w.write_str("unknown"),
        }
    }
}
