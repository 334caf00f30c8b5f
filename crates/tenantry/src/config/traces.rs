//! Settings of traces. A build without the feature `otel` knows them, to say what it lacks.

use crate::{Failure, Result};

/// The ratio of requests without a parent that are recorded.
#[cfg(feature = "otel")]
const SAMPLE: f64 = 0.01;
/// Where collectors take traces, below the endpoint of all signals.
#[cfg(feature = "otel")]
const PATH: &str = "v1/traces";

/// Variables of OpenTelemetry's own that name a collector: of traces, as it stands, and of all
/// signals.
const STANDARD: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];

/// Settings as the command line, the environment or `tenantry.toml` gives them.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct TraceSettings {
    /// Collector that traces go to over OTLP/HTTP, such as `http://127.0.0.1:4318`; only in builds
    /// with feature `otel` (default: `OTEL_EXPORTER_OTLP_ENDPOINT`, without which there are none)
    #[arg(long, global = true, env = "TENANTRY_OTLP_ENDPOINT", value_name = "URL")]
    pub otlp_endpoint: Option<String>,
    /// Ratio of traced requests, 0 to 1, where the client's traceparent does not say (default: 0.01)
    #[arg(long, global = true, env = "TENANTRY_TRACE_SAMPLE", value_name = "RATIO")]
    pub trace_sample: Option<f64>,
}

/// Where traces go, and which.
#[cfg(feature = "otel")]
#[derive(Debug, PartialEq)]
pub struct TraceConfig {
    /// The URL that spans are posted to.
    pub url: String,
    /// The ratio of requests without a parent that are recorded.
    pub sample: f64,
}

/// Nothing: this build has no traces.
#[cfg(not(feature = "otel"))]
#[derive(Debug, PartialEq)]
pub enum TraceConfig {}

#[cfg(feature = "otel")]
impl TraceSettings {
    /// The settings in force, `variable` last, which reads the standard variables.
    pub(super) fn in_force(
        &self,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<TraceConfig>> {
        let sample = self.trace_sample.unwrap_or(SAMPLE);
        if !(0.0..=1.0).contains(&sample) {
            return Err(Failure::Setting("--trace-sample: a ratio from 0 to 1".to_owned()));
        }
        let below = |base: &str| format!("{}/{PATH}", base.trim_end_matches('/'));
        let [traces, all] = STANDARD;
        let (name, url) = if let Some(base) = &self.otlp_endpoint {
            ("--otlp-endpoint", below(base))
        } else if let Some(url) = variable(traces) {
            (traces, url)
        } else if let Some(base) = variable(all) {
            (all, below(&base))
        } else {
            return Ok(None);
        };
        check(name, &url)?;
        Ok(Some(TraceConfig { url, sample }))
    }
}

/// A collector's URL, without a credential: it is logged.
#[cfg(feature = "otel")]
fn check(name: &str, url: &str) -> Result<()> {
    let parsed = url.parse::<axum::http::Uri>().ok();
    let good = parsed.is_some_and(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https"))
            && uri.authority().is_some_and(|authority| !authority.as_str().contains('@'))
            && uri.query().is_none()
    });
    if good {
        return Ok(());
    }
    Err(Failure::Setting(format!(
        "{name}: an http or https URL such as http://127.0.0.1:4318, without a user and a query; \
         what the collector wants to know its clients by goes into OTEL_EXPORTER_OTLP_HEADERS"
    )))
}

#[cfg(not(feature = "otel"))]
impl TraceSettings {
    /// Refuses what this build cannot do.
    pub(super) fn in_force(
        &self,
        _: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<TraceConfig>> {
        let name = match (&self.otlp_endpoint, self.trace_sample) {
            (Some(_), _) => "otlp-endpoint",
            (None, Some(_)) => "trace-sample",
            (None, None) => return Ok(None),
        };
        Err(Failure::Setting(format!(
            "--{name}: this build has no traces; build it with `cargo build --release --features \
             otel`"
        )))
    }
}

/// A standard variable that asks for traces, of which this build has none.
#[cfg(not(feature = "otel"))]
pub(crate) fn ignored_variable() -> Option<&'static str> {
    let set = |name: &&str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    STANDARD.into_iter().find(set)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(endpoint: Option<&str>, sample: Option<f64>) -> TraceSettings {
        TraceSettings { otlp_endpoint: endpoint.map(str::to_owned), trace_sample: sample }
    }

    #[cfg(not(feature = "otel"))]
    #[test]
    fn a_build_without_traces_says_so() {
        let set = |_: &str| Some("http://127.0.0.1:4318".to_owned());
        assert_eq!(settings(None, None).in_force(set).expect("ignored"), None);
        for (settings, name) in [
            (settings(Some("http://127.0.0.1:4318"), Some(1.0)), "--otlp-endpoint"),
            (settings(None, Some(1.0)), "--trace-sample"),
        ] {
            let error = settings.in_force(set).expect_err(name).to_string();
            assert!(error.contains(name) && error.contains("--features otel"), "{error}");
        }
    }

    #[cfg(feature = "otel")]
    #[test]
    fn traces_go_where_the_nearest_setting_says() {
        let urls = |endpoint: Option<&str>, set: &[(&str, &str)]| {
            let variable = |name: &str| {
                set.iter().find(|(set, _)| *set == name).map(|(_, value)| (*value).to_owned())
            };
            let config = settings(endpoint, None).in_force(variable).expect("good");
            config.map(|config| config.url)
        };
        let [traces, all] = STANDARD;
        let (traces, all) = ((traces, "https://t.example/x"), (all, "http://a.example:4318/"));
        let own = urls(Some("http://[::1]:4318"), &[traces, all]);
        assert_eq!(own.as_deref(), Some("http://[::1]:4318/v1/traces"));
        assert_eq!(urls(None, &[all, traces]).as_deref(), Some("https://t.example/x"));
        assert_eq!(urls(None, &[all]).as_deref(), Some("http://a.example:4318/v1/traces"));
        assert_eq!(urls(None, &[]), None, "without a collector no traces");
    }

    #[cfg(feature = "otel")]
    #[test]
    fn bad_settings_of_traces_are_refused_by_name() {
        let none = |_: &str| None;
        for url in [
            "",
            "collector:4318",
            "grpc://collector:4317",
            "http://user:word@collector",
            "http://collector?key=word",
        ] {
            let error = settings(Some(url), None).in_force(none).expect_err(url).to_string();
            assert!(error.starts_with("--otlp-endpoint: "), "{error}");
            assert!(!error.contains("word"), "{error}");
        }
        for ratio in [-0.1, 1.1, f64::NAN] {
            let error = settings(None, Some(ratio)).in_force(none).expect_err("no ratio");
            assert!(error.to_string().starts_with("--trace-sample: "), "{error}");
        }
    }
}
