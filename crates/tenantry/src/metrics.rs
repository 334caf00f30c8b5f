//! What `/metrics` tells: Prometheus names, base units, and labels whose values are few and ours.

use crate::traces::Traces;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue, NoLabelSet,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};
use std::fmt;
use std::sync::Arc;
use tenantry_backends::postgres::PostgresStore;
use tenantry_backends::sqlite::SqliteStore;
use tenantry_core::verify::Budget;
use tenantry_http::{App, BUCKET_MICROS, Cap, RouteTraffic};

/// The store beneath a running server.
pub(crate) enum Store {
    /// The data directory's.
    Embedded(Arc<SqliteStore>),
    /// One that several nodes share.
    Shared(Arc<PostgresStore>),
}

impl Store {
    /// The one that several nodes share, if it is one.
    pub(crate) fn shared(&self) -> Option<Arc<PostgresStore>> {
        match self {
            Self::Embedded(_) => None,
            Self::Shared(store) => Some(store.clone()),
        }
    }
}

/// Prints the metrics of a running server.
pub(crate) fn renderer(
    app: App,
    store: Store,
    traces: Option<Traces>,
) -> Arc<dyn Fn() -> String + Send + Sync> {
    let mut registry = Registry::with_prefix("tenantry");
    registry.register_collector(Box::new(Metrics { app, store, traces }));
    Arc::new(move || {
        let mut text = String::new();
        match encode(&mut text, &registry) {
            Ok(()) => text,
            // A string takes every write.
            Err(fmt::Error) => String::new(),
        }
    })
}

struct Metrics {
    app: App,
    store: Store,
    traces: Option<Traces>,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

impl Collector for Metrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let traffic = self.app.traffic();
        encode_requests(&mut encoder, &traffic)?;
        encode_durations(&mut encoder, &traffic)?;
        encode_refused(&mut encoder, &self.app)?;

        let plane = self.app.plane();
        let help = "Verifications by their answer";
        let mut family =
            encoder.encode_descriptor("verifications", help, None, MetricType::Counter)?;
        for (code, count) in plane.verdicts() {
            let labels = [("code", code.as_str())];
            let mut metric = family.encode_family(&labels)?;
            metric.encode_counter::<NoLabelSet, _, u64>(&count, None)?;
        }
        let uncounted = plane.usage_uncounted();
        let help = "Verifications that usage does not tell of";
        counter(&mut encoder, "usage_uncounted_verifications", help, &uncounted)?;
        let look_ups = plane.credential_look_ups();
        counter(
            &mut encoder,
            "credential_look_ups",
            "Credentials looked up in the store",
            &look_ups,
        )?;
        let cached = i64::try_from(plane.cached_credentials()).unwrap_or(i64::MAX);
        gauge(
            &mut encoder,
            "cached_credentials",
            "Credentials in the verify cache",
            None,
            &cached,
        )?;
        if let Some((failures, answers)) = plane.shared_meters() {
            let help = "Shared rate limits that did not answer";
            counter(&mut encoder, "shared_rates_failures", help, &failures)?;
            let help = "1, or 0 where the shared rate limits did not answer the last time";
            gauge(&mut encoder, "shared_rates_answer", help, None, &i64::from(answers))?;
        }

        self.encode_store(&mut encoder)?;

        if let Some(traces) = &self.traces {
            encode_traces(&mut encoder, traces)?;
        }
        self.encode_audit(&mut encoder)?;
        encode_process(&mut encoder)
    }
}

fn encode_traces(encoder: &mut DescriptorEncoder<'_>, traces: &Traces) -> fmt::Result {
    let help = "Spans of traces by what became of them";
    let mut family = encoder.encode_descriptor("trace_spans", help, None, MetricType::Counter)?;
    for (outcome, count) in traces.counts() {
        let labels = [("outcome", outcome)];
        let mut metric = family.encode_family(&labels)?;
        metric.encode_counter::<NoLabelSet, _, u64>(&count, None)?;
    }
    Ok(())
}

impl Metrics {
    fn encode_store(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let accepts = match &self.store {
            Store::Embedded(store) => {
                let stats = store.stats();
                let help = "Changes that the store answered";
                counter(encoder, "store_jobs", help, &stats.jobs)?;
                let help = "Commits, each one wait for the disk";
                counter(encoder, "store_commits", help, &stats.commits)?;
                let help = "Commits that were lost and whose changes were then made one by one";
                counter(encoder, "store_batches_split", help, &stats.batches_split)?;
                store.accepts_writes().is_ok()
            }
            Store::Shared(store) => {
                let (all, idle) = store.connections();
                let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
                let help = "Connections to the database";
                gauge(encoder, "store_connections", help, None, &number(all))?;
                let help = "Connections to the database that nobody uses";
                gauge(encoder, "store_connections_idle", help, None, &number(idle))?;
                store.accepts_writes().is_ok()
            }
        };
        let help = "1 where the store accepts changes, 0 where it refuses them";
        gauge(encoder, "store_writable", help, None, &i64::from(accepts))
    }

    fn encode_audit(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let sealed = self.app.plane().sealed();
        let help = "Audit events that were put into their chains";
        counter(encoder, "audit_events_sealed", help, &sealed.events)?;
        let help = "Failed attempts to put audit events into their chains";
        counter(encoder, "audit_seal_failures", help, &sealed.failures)?;
        let help = "Failed attempts to write checkpoints of the audit trail outside the store";
        counter(encoder, "audit_sink_failures", help, &sealed.sink_failures)?;
        // Of the embedded store alone: a scrape asks no database.
        if let Store::Embedded(store) = &self.store
            && let Ok(waiting) = store.unsealed_events()
        {
            let waiting = i64::try_from(waiting).unwrap_or(i64::MAX);
            let help = "Audit events that are not in their chains yet";
            gauge(encoder, "audit_unsealed_events", help, None, &waiting)?;
        }
        if let Some(at) = sealed.checkpoint_at {
            let help = "When the last checkpoint of the audit trail was made, since the epoch";
            gauge(encoder, "audit_checkpoint_time", help, Some(&Unit::Seconds), &at.seconds())?;
        }
        Ok(())
    }
}

fn encode_requests(encoder: &mut DescriptorEncoder<'_>, traffic: &[RouteTraffic]) -> fmt::Result {
    let help = "Requests by route and class of status";
    let mut family = encoder.encode_descriptor("http_requests", help, None, MetricType::Counter)?;
    for route in traffic {
        for (class, count) in route.classes.iter().filter(|(_, count)| *count > 0) {
            let labels = [labels_of(route)[0], labels_of(route)[1], ("status", class)];
            let mut metric = family.encode_family(&labels)?;
            metric.encode_counter::<NoLabelSet, _, u64>(count, None)?;
        }
    }
    Ok(())
}

fn encode_durations(encoder: &mut DescriptorEncoder<'_>, traffic: &[RouteTraffic]) -> fmt::Result {
    let (name, help) = ("http_request_duration", "How long requests took");
    let unit = Some(&Unit::Seconds);
    let mut family = encoder.encode_descriptor(name, help, unit, MetricType::Histogram)?;
    for route in traffic {
        let count = route.buckets.iter().sum();
        if count == 0 {
            continue;
        }
        #[expect(clippy::cast_precision_loss, reason = "the bounds are small")]
        let bound = |index: usize| BUCKET_MICROS.get(index).map_or(f64::MAX, |b| *b as f64 / 1e6);
        let buckets = route.buckets.iter().enumerate();
        let buckets: Vec<_> = buckets.map(|(index, count)| (bound(index), *count)).collect();
        let labels = labels_of(route);
        let mut metric = family.encode_family(&labels)?;
        let sum = route.sum.as_secs_f64();
        metric.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)?;
    }
    Ok(())
}

/// Who was turned away before their request was looked into.
fn encode_refused(encoder: &mut DescriptorEncoder<'_>, app: &App) -> fmt::Result {
    let counts: Vec<_> = app.shed_counts().into_iter().collect();
    let families = [
        ("http_connections_shed", "Connections turned away, by the cap that was reached"),
        ("http_requests_shed", "Requests answered 503, by the cap that was reached"),
    ];
    for (name, help) in families {
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (cap, count) in &counts {
            let (of, limit) = match cap {
                Cap::Connections => (families[0].0, "all"),
                Cap::ConnectionsPerAddress => (families[0].0, "address"),
                Cap::Requests => (families[1].0, "all"),
                Cap::RequestsPerAddress => (families[1].0, "address"),
            };
            if of == name {
                let labels = [("cap", limit)];
                let mut metric = family.encode_family(&labels)?;
                metric.encode_counter::<NoLabelSet, _, u64>(count, None)?;
            }
        }
    }
    let help = "Wrong credentials answered 429, by whose budget was spent";
    let mut family =
        encoder.encode_descriptor("misses_refused", help, None, MetricType::Counter)?;
    for (budget, count) in app.plane().misses_refused() {
        let name = match budget {
            Budget::Bearer => "bearer",
            Budget::Client => "client",
            Budget::Caller => "caller",
            Budget::AllBearers => "all_bearers",
            Budget::AllQuestions => "all_questions",
            Budget::SlowHashes => "slow_hashes",
        };
        let labels = [("budget", name)];
        let mut metric = family.encode_family(&labels)?;
        metric.encode_counter::<NoLabelSet, _, u64>(&count, None)?;
    }
    Ok(())
}

fn labels_of(route: &RouteTraffic) -> [(&'static str, &'static str); 2] {
    let (method, path) = match route.route {
        Some(route) => (route.method.as_str(), route.path),
        None => ("none", "none"),
    };
    [("method", method), ("route", path)]
}

/// What the kernel says of this process. A figure that it does not give is left out.
fn encode_process(encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    if let Some(bytes) = resident_bytes() {
        let help = "Memory that the process holds";
        gauge(encoder, "process_resident_memory", help, Some(&Unit::Bytes), &bytes)?;
    }
    if let Ok(entries) = std::fs::read_dir("/proc/self/fd") {
        let open = i64::try_from(entries.count()).unwrap_or(i64::MAX);
        gauge(encoder, "process_open_fds", "Open file descriptors", None, &open)?;
    }
    Ok(())
}

fn resident_bytes() -> Option<i64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: i64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kilobytes * 1024)
}

fn counter(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    value: &impl EncodeCounterValue,
) -> fmt::Result {
    let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
    metric.encode_counter::<NoLabelSet, _, u64>(value, None)
}

fn gauge(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    unit: Option<&Unit>,
    value: &impl EncodeGaugeValue,
) -> fmt::Result {
    encoder.encode_descriptor(name, help, unit, MetricType::Gauge)?.encode_gauge(value)
}
