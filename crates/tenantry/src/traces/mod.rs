//! Traces of requests, exported over OTLP/HTTP in builds with the feature `otel`.
//!
//! Spans are made on the request's task, queued up to a bound and exported by a thread of their own:
//! a collector that is slow or gone costs spans, which are counted, and never a request.

#[cfg(not(feature = "otel"))]
mod missing;
#[cfg(feature = "otel")]
mod otlp;
#[cfg(feature = "otel")]
mod queue;
#[cfg(feature = "otel")]
mod recorder;

#[cfg(not(feature = "otel"))]
pub(crate) use missing::{Traces, start};
#[cfg(feature = "otel")]
pub(crate) use otlp::{Traces, start};
