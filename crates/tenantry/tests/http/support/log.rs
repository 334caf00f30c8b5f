//! What is logged while a test runs.

use std::cell::RefCell;
use std::io;
use std::sync::Once;
use tracing_subscriber::fmt::MakeWriter;

thread_local! {
    static LINES: RefCell<Option<Vec<u8>>> = const { RefCell::new(None) };
}

/// Collects the log of this thread for as long as it lives. A test's app runs on the test's own
/// thread, so it sees all of the test and nothing of others.
pub(crate) struct Log(());

impl Log {
    /// Begins to collect.
    pub(crate) fn capture() -> Self {
        // One subscriber for the process: those of single threads would change under each other's
        // feet which call sites are on at all.
        static SUBSCRIBER: Once = Once::new();
        SUBSCRIBER.call_once(|| {
            tracing_subscriber::fmt()
                .json()
                .with_max_level(tracing::Level::TRACE)
                .with_writer(ToThread)
                .init();
        });
        LINES.with_borrow_mut(|lines| *lines = Some(Vec::new()));
        Self(())
    }

    /// All that was logged so far.
    #[expect(clippy::unused_self, reason = "there is a log to read only while it is collected")]
    pub(crate) fn text(&self) -> String {
        let bytes = LINES.with_borrow(|lines| lines.clone().unwrap_or_default());
        String::from_utf8(bytes).expect("UTF-8")
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        LINES.with_borrow_mut(|lines| *lines = None);
    }
}

struct ToThread;

impl MakeWriter<'_> for ToThread {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        Self
    }
}

impl io::Write for ToThread {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LINES.with_borrow_mut(|lines| {
            if let Some(lines) = lines {
                lines.extend_from_slice(bytes);
            }
        });
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
