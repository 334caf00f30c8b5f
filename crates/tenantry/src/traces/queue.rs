//! What waits for the collector: bounded, and counted by what becomes of it.

use opentelemetry::Context;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Span, SpanData, SpanExporter, SpanProcessor};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// Most spans that wait for the collector, those of the batch under way included.
pub(super) const SPANS_PENDING_MAX: usize = 2048;

/// What became of ended spans since the start.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pending: AtomicUsize,
    exported: AtomicU64,
    failed: AtomicU64,
    dropped: AtomicU64,
}

impl Counts {
    /// Spans by their end: taken by the collector, not taken, not even queued.
    pub(super) fn read(&self) -> [(&'static str, u64); 3] {
        [("exported", &self.exported), ("failed", &self.failed), ("dropped", &self.dropped)]
            .map(|(name, count)| (name, count.load(Ordering::Relaxed)))
    }

    /// Spans that nobody has got, those that still wait included.
    pub(super) fn lost(&self) -> u64 {
        let pending = u64::try_from(self.pending.load(Ordering::Relaxed)).unwrap_or(u64::MAX);
        self.failed.load(Ordering::Relaxed) + self.dropped.load(Ordering::Relaxed) + pending
    }
}

/// Drops spans where too many wait, in front of a processor that queues them.
#[derive(Debug)]
pub(super) struct Bounded<P> {
    next: P,
    counts: Arc<Counts>,
}

impl<P> Bounded<P> {
    pub(super) fn new(next: P, counts: Arc<Counts>) -> Self {
        Self { next, counts }
    }
}

impl<P: SpanProcessor> SpanProcessor for Bounded<P> {
    fn on_start(&self, span: &mut Span, context: &Context) {
        self.next.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        let counts = &self.counts;
        if counts.pending.fetch_add(1, Ordering::Relaxed) < SPANS_PENDING_MAX {
            self.next.on_end(span);
        } else {
            counts.pending.fetch_sub(1, Ordering::Relaxed);
            counts.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.next.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.next.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.next.set_resource(resource);
    }
}

/// Counts what an exporter takes, and logs when it begins to fail and when it recovers: not each
/// batch, which would be a line a second.
#[derive(Debug)]
pub(super) struct Counted<E> {
    exporter: E,
    counts: Arc<Counts>,
    failing: AtomicBool,
}

impl<E> Counted<E> {
    pub(super) fn new(exporter: E, counts: Arc<Counts>) -> Self {
        Self { exporter, counts, failing: AtomicBool::new(false) }
    }
}

impl<E: SpanExporter> SpanExporter for Counted<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len();
        let outcome = self.exporter.export(batch).await;
        let counts = &self.counts;
        let count = if outcome.is_ok() { &counts.exported } else { &counts.failed };
        count.fetch_add(u64::try_from(spans).unwrap_or(u64::MAX), Ordering::Relaxed);
        counts.pending.fetch_sub(spans, Ordering::Relaxed);
        match (&outcome, self.failing.swap(outcome.is_err(), Ordering::Relaxed)) {
            (Err(error), false) => tracing::warn!(%error, "spans are not exported"),
            (Ok(()), true) => tracing::info!("spans are exported again"),
            _ => {}
        }
        outcome
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn shutdown(&self) -> OTelSdkResult {
        self.exporter.shutdown()
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry::trace::{Tracer as _, TracerProvider as _};
    use opentelemetry_sdk::trace::{BatchConfigBuilder, BatchSpanProcessor, SdkTracerProvider};
    use std::sync::Mutex;
    use std::sync::mpsc::{Receiver, channel};

    /// Takes nothing until it is let, then everything.
    #[derive(Debug)]
    struct Stuck(Mutex<Receiver<()>>);

    impl SpanExporter for Stuck {
        async fn export(&self, _: Vec<SpanData>) -> OTelSdkResult {
            let _ = self.0.lock().expect("nobody panics").recv();
            Ok(())
        }
    }

    /// Seen failing with the SDK's queue alone: a batch more waits, and nobody knows what is dropped.
    #[test]
    fn behind_a_stuck_collector_a_bounded_number_of_spans_waits_and_the_rest_is_counted() {
        let (release, stuck) = channel();
        let counts = Arc::new(Counts::default());
        let exporter = Counted::new(Stuck(Mutex::new(stuck)), counts.clone());
        let config = BatchConfigBuilder::default().with_max_queue_size(SPANS_PENDING_MAX).build();
        let batches = BatchSpanProcessor::builder(exporter).with_batch_config(config).build();
        let provider = SdkTracerProvider::builder()
            .with_span_processor(Bounded::new(batches, counts.clone()))
            .build();
        let tracer = provider.tracer("test");
        for _ in 0..SPANS_PENDING_MAX + 100 {
            drop(tracer.start("span"));
        }
        assert_eq!(counts.read(), [("exported", 0), ("failed", 0), ("dropped", 100)]);
        assert_eq!(counts.lost(), 2148, "those that wait included");
        // Nobody holds it up any more.
        drop(release);
        provider.shutdown().expect("flushed");
        assert_eq!(counts.read(), [("exported", 2048), ("failed", 0), ("dropped", 100)]);
        assert_eq!(counts.lost(), 100);
    }
}
