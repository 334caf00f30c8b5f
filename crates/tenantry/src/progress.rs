//! How far a long command is: a bar on a terminal, nothing elsewhere.

use indicatif::{ProgressBar, ProgressStyle};
use std::time::Duration;

/// How often something moves while nobody knows how much is left.
const TICK: Duration = Duration::from_millis(120);

/// A bar on standard error, cleared away when it is dropped.
pub(crate) struct Progress(ProgressBar);

impl Progress {
    /// Of a work whose length is not known.
    pub(crate) fn spin(what: &'static str) -> Self {
        // Hidden by itself where standard error is no terminal.
        let bar = ProgressBar::new_spinner().with_message(what);
        bar.enable_steady_tick(TICK);
        Self(bar)
    }

    /// Of bytes.
    pub(crate) fn bytes(what: &'static str, total: u64) -> Self {
        Self::bar(what, total, "{msg} {bar:40} {bytes} of {total_bytes}, {eta} left")
    }

    /// Of rows or pages.
    pub(crate) fn count(what: &'static str, total: u64) -> Self {
        Self::bar(what, total, "{msg} {bar:40} {human_pos} of {human_len}, {eta} left")
    }

    fn bar(what: &'static str, total: u64, template: &str) -> Self {
        let style = ProgressStyle::with_template(template);
        let bar = ProgressBar::new(total).with_message(what);
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self(bar)
    }

    /// So much is done.
    pub(crate) fn set(&self, done: u64) {
        self.0.set_position(done);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
