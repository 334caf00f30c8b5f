//! The exporter: OTLP over HTTP, in protobuf.

use super::queue::{Bounded, Counted, Counts, SPANS_PENDING_MAX};
use super::recorder::SpanRecorder;
use crate::config::TraceConfig;
use crate::{Failure, Result};
use opentelemetry::trace::TracerProvider as _;
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::resource::{EnvResourceDetector, TelemetryResourceDetector};
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracerProvider,
};
use std::sync::Arc;
use std::time::Duration;
use tenantry_http::trace::Recorder;

/// How long the collector may take with a batch, attempts anew included.
const EXPORT_DEADLINE: Duration = Duration::from_secs(5);
/// How long the last batches may take when the server stops.
const STOP_DEADLINE: Duration = Duration::from_secs(2);
/// What the service is called unless `OTEL_SERVICE_NAME` says otherwise.
const NAME: &str = env!("CARGO_PKG_NAME");
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Traces that are recorded and exported.
#[derive(Clone)]
pub(crate) struct Traces {
    provider: SdkTracerProvider,
    recorder: Arc<SpanRecorder>,
    counts: Arc<Counts>,
}

/// Starts to record and export, where a collector is named. `scheme` is what clients speak.
pub(crate) fn start(config: Option<&TraceConfig>, scheme: &'static str) -> Result<Option<Traces>> {
    let Some(config) = config else { return Ok(None) };
    let exporter = exporter(&config.url)?;
    let counts = Arc::new(Counts::default());
    // The bound is ours, so that what is beyond it is counted; the SDK's own queue never fills.
    let batches = BatchConfigBuilder::default().with_max_queue_size(SPANS_PENDING_MAX).build();
    let processor = BatchSpanProcessor::builder(Counted::new(exporter, counts.clone()))
        .with_batch_config(batches)
        .build();
    let root = Sampler::TraceIdRatioBased(config.sample);
    let provider = SdkTracerProvider::builder()
        .with_sampler(Sampler::ParentBased(Box::new(root)))
        .with_resource(resource())
        .with_span_processor(Bounded::new(processor, counts.clone()))
        .build();
    let scope = InstrumentationScope::builder(NAME).with_version(VERSION).build();
    let recorder = SpanRecorder::new(provider.tracer_with_scope(scope), scheme);
    tracing::info!(url = config.url, sample = config.sample, "requests are traced");
    Ok(Some(Traces { provider, recorder: Arc::new(recorder), counts }))
}

impl Traces {
    /// Who is told of requests.
    pub(crate) fn recorder(&self) -> Arc<dyn Recorder> {
        self.recorder.clone()
    }

    /// What became of spans since the start.
    pub(crate) fn counts(&self) -> [(&'static str, u64); 3] {
        self.counts.read()
    }

    /// Exports what is queued, within a bound: what a dead collector does not take is lost.
    pub(crate) async fn stop(self) {
        let provider = self.provider;
        let stop = move || provider.shutdown_with_timeout(STOP_DEADLINE);
        let stopped = tokio::task::spawn_blocking(stop).await;
        let lost = self.counts.lost();
        if lost > 0 || !matches!(stopped, Ok(Ok(()))) {
            tracing::warn!(lost, "not all spans were exported");
        }
    }
}

fn exporter(url: &str) -> Result<SpanExporter> {
    let failed = |error: &dyn std::fmt::Display| {
        Failure::Setting(format!("traces cannot be exported to {url}: {error}"))
    };
    let https = url.starts_with("https:");
    // On a thread of its own: this client may not be made on one of the runtime's.
    let client = std::thread::spawn(move || client(https)).join();
    let client = client.map_err(|_| failed(&"no HTTP client"))?.map_err(|error| failed(&error))?;
    SpanExporter::builder()
        .with_http()
        .with_http_client(client)
        .with_protocol(Protocol::HttpBinary)
        .with_timeout(EXPORT_DEADLINE)
        .with_endpoint(url)
        .build()
        .map_err(|error| failed(&error))
}

fn client(https: bool) -> reqwest::Result<reqwest::blocking::Client> {
    let builder = reqwest::blocking::Client::builder()
        .timeout(EXPORT_DEADLINE)
        // The headers that the collector knows its clients by are for it alone.
        .redirect(reqwest::redirect::Policy::none());
    // The system's certificates are read only where they are needed: a container may have none.
    if https { builder.build() } else { builder.tls_certs_only([]).build() }
}

/// Who exports: what the standard variables say goes before what is known here.
fn resource() -> Resource {
    let known = [KeyValue::new("service.name", NAME), KeyValue::new("service.version", VERSION)];
    let builder = Resource::builder_empty().with_attributes(known).with_detectors(&[
        Box::new(TelemetryResourceDetector),
        Box::new(EnvResourceDetector::new()),
    ]);
    match std::env::var("OTEL_SERVICE_NAME") {
        Ok(name) if !name.is_empty() => builder.with_service_name(name).build(),
        _ => builder.build(),
    }
}
