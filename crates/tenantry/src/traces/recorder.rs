//! Spans of requests, by OpenTelemetry's semantic conventions for HTTP servers.
//!
//! Of these `url.path`, `url.query`, `client.address` and `user_agent.original` are left out on
//! purpose: clients put keys and names of people into all of them.

use axum::http::Version;
use opentelemetry::trace::{
    Span as _, SpanContext, SpanId, SpanKind, Status, TraceContextExt as _, TraceFlags,
    TraceId as SdkTraceId, TraceState, Tracer as _,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::{SdkTracer, Span};
use tenantry_http::trace::{self, Answer, Head, Recorder, TraceId};

/// Makes spans.
#[derive(Debug)]
pub(super) struct SpanRecorder {
    tracer: SdkTracer,
    /// What clients on the network speak.
    scheme: &'static str,
}

/// A span under way, and the method that its name begins with.
struct Recorded {
    span: Span,
    method: &'static str,
}

impl SpanRecorder {
    pub(super) fn new(tracer: SdkTracer, scheme: &'static str) -> Self {
        Self { tracer, scheme }
    }
}

impl Recorder for SpanRecorder {
    fn begin(&self, head: &Head<'_>) -> Option<Box<dyn trace::Span>> {
        // A method that the client made up is none: "HTTP" stands for it in a span's name.
        let method = head.method.unwrap_or("HTTP");
        let builder = self.tracer.span_builder(method).with_kind(SpanKind::Server);
        let mut span = self.tracer.build_with_context(builder, &context(head));
        if !span.is_recording() {
            return None;
        }
        let scheme = if head.operator { "http" } else { self.scheme };
        span.set_attributes([
            KeyValue::new("http.request.method", head.method.unwrap_or("_OTHER")),
            KeyValue::new("url.scheme", scheme),
        ]);
        if let Some(version) = version(head.version) {
            span.set_attribute(KeyValue::new("network.protocol.version", version));
        }
        Some(Box::new(Recorded { span, method }))
    }
}

/// The context of the client's span, or of none.
fn context(head: &Head<'_>) -> Context {
    let Some(parent) = head.parent else { return Context::new() };
    let flags = TraceFlags::new(parent.flags) & (TraceFlags::SAMPLED | RANDOM);
    let state = if flags.is_sampled() { head.tracestate() } else { None };
    let state: Option<TraceState> = state.and_then(|state| state.parse().ok());
    Context::new().with_remote_span_context(SpanContext::new(
        SdkTraceId::from(parent.trace_id.0),
        SpanId::from(parent.span_id),
        flags,
        true,
        state.unwrap_or_default(),
    ))
}

/// Trace Context level 2: the trace's id was drawn by chance.
const RANDOM: TraceFlags = TraceFlags::new(2);

fn version(version: Version) -> Option<&'static str> {
    match version {
        Version::HTTP_10 => Some("1.0"),
        Version::HTTP_11 => Some("1.1"),
        Version::HTTP_2 => Some("2"),
        _ => None,
    }
}

impl trace::Span for Recorded {
    fn trace_id(&self) -> TraceId {
        TraceId(u128::from_be_bytes(self.span.span_context().trace_id().to_bytes()))
    }

    fn end(mut self: Box<Self>, answer: &Answer<'_>) {
        let span = &mut self.span;
        if let Some(route) = answer.route {
            span.update_name(format!("{} {route}", self.method));
            span.set_attribute(KeyValue::new("http.route", route));
        }
        span.set_attributes([
            KeyValue::new("http.response.status_code", i64::from(answer.status)),
            KeyValue::new("tenantry.request_id", answer.request_id.to_owned()),
        ]);
        // Of the answers of a server only these are its errors.
        if answer.status >= 500 {
            span.set_attribute(KeyValue::new("error.type", answer.status.to_string()));
            span.set_status(Status::error(""));
        }
        span.end();
    }
}
