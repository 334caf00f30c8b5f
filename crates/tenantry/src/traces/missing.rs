//! What stands for traces in a build without them.

use crate::Result;
use crate::config::{TraceConfig, ignored_variable};
use std::sync::Arc;
use tenantry_http::trace::Recorder;

/// Never: no configuration asks this build for traces.
#[derive(Clone)]
pub(crate) enum Traces {}

/// Starts nothing. Standard variables are often set for a whole machine, so that they are told of
/// and no reason not to serve.
#[expect(clippy::unnecessary_wraps, reason = "the signature of builds with traces")]
pub(crate) fn start(config: Option<&TraceConfig>, _: &'static str) -> Result<Option<Traces>> {
    if let Some(never) = config {
        match *never {}
    }
    if let Some(variable) = ignored_variable() {
        tracing::warn!(variable, "ignored: this build has no traces (feature otel)");
    }
    Ok(None)
}

impl Traces {
    pub(crate) fn recorder(&self) -> Arc<dyn Recorder> {
        match *self {}
    }

    pub(crate) fn counts(&self) -> [(&'static str, u64); 3] {
        match *self {}
    }

    #[expect(clippy::unused_async, reason = "the signature of builds with traces")]
    pub(crate) async fn stop(self) {
        match self {}
    }
}
