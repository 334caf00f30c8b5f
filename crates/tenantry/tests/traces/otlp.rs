//! What of OTLP's messages the tests look at, by the field numbers of `opentelemetry-proto`.

use std::collections::BTreeMap;

/// `ExportTraceServiceRequest`
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Export {
    #[prost(message, repeated, tag = "1")]
    pub(crate) resource_spans: Vec<ResourceSpans>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ResourceSpans {
    #[prost(message, optional, tag = "1")]
    pub(crate) resource: Option<Resource>,
    #[prost(message, repeated, tag = "2")]
    pub(crate) scope_spans: Vec<ScopeSpans>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Resource {
    #[prost(message, repeated, tag = "1")]
    pub(crate) attributes: Vec<KeyValue>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ScopeSpans {
    #[prost(message, repeated, tag = "2")]
    pub(crate) spans: Vec<Span>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Span {
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) trace_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) id: Vec<u8>,
    #[prost(string, tag = "3")]
    pub(crate) trace_state: String,
    #[prost(bytes = "vec", tag = "4")]
    pub(crate) parent_span_id: Vec<u8>,
    #[prost(string, tag = "5")]
    pub(crate) name: String,
    #[prost(int32, tag = "6")]
    pub(crate) kind: i32,
    #[prost(fixed64, tag = "7")]
    pub(crate) start_time_unix_nano: u64,
    #[prost(fixed64, tag = "8")]
    pub(crate) end_time_unix_nano: u64,
    #[prost(message, repeated, tag = "9")]
    pub(crate) attributes: Vec<KeyValue>,
    #[prost(message, optional, tag = "15")]
    pub(crate) status: Option<Status>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Status {
    #[prost(string, tag = "2")]
    pub(crate) message: String,
    #[prost(int32, tag = "3")]
    pub(crate) code: i32,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct KeyValue {
    #[prost(string, tag = "1")]
    pub(crate) key: String,
    #[prost(message, optional, tag = "2")]
    pub(crate) value: Option<AnyValue>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct AnyValue {
    #[prost(string, optional, tag = "1")]
    pub(crate) string: Option<String>,
    #[prost(int64, optional, tag = "3")]
    pub(crate) int: Option<i64>,
}

/// `Span.SpanKind.SPAN_KIND_SERVER`
pub(crate) const SERVER: i32 = 2;
/// `Status.StatusCode.STATUS_CODE_ERROR`
pub(crate) const ERROR: i32 = 2;

/// Attributes by name; a number as its digits.
pub(crate) fn attributes(pairs: &[KeyValue]) -> BTreeMap<&str, String> {
    let read = |pair: &AnyValue| pair.string.clone().or_else(|| Some(pair.int?.to_string()));
    let value = |pair: &KeyValue| pair.value.as_ref().and_then(read).expect("a text or a number");
    pairs.iter().map(|pair| (pair.key.as_str(), value(pair))).collect()
}

impl Span {
    /// The value of an attribute, empty where there is none.
    pub(crate) fn attribute(&self, name: &str) -> String {
        attributes(&self.attributes).remove(name).unwrap_or_default()
    }

    /// The ids of its trace and its parent, in hexadecimal.
    pub(crate) fn lineage(&self) -> (String, String) {
        (hex(&self.trace_id), hex(&self.parent_span_id))
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("strings take every write");
        text
    })
}
