//! The trace that a request belongs to (W3C Trace Context), and the port through which whoever
//! records traces is told of requests.
//!
//! What a recorder is told is all in this module: no path, query, body, and of the headers only
//! `tracestate`. A recorder cannot leak what it does not get.

use axum::http::{HeaderMap, HeaderName, Version};
use std::fmt;
use tenantry_core::jwt::looks_like_jwt;
use tenantry_core::secrets::plain;

/// Longest `tracestate` that is carried on, in bytes: what §3.3.1.5 asks for at least.
pub(crate) const TRACESTATE_BYTES_MAX: usize = 512;

static TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
static TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// Records the traces of requests.
pub trait Recorder: fmt::Debug + Send + Sync {
    /// Begins the span of a request; none where the request is not sampled.
    fn begin(&self, head: &Head<'_>) -> Option<Box<dyn Span>>;
}

/// The span of a request that is under way. Dropped, it ends without an answer: the client hung up.
pub trait Span: Send {
    /// The trace that it belongs to.
    fn trace_id(&self) -> TraceId;
    /// Ends it with the answer.
    fn end(self: Box<Self>, answer: &Answer<'_>);
}

/// What a recorder is told of a request that begins.
#[derive(Debug)]
pub struct Head<'a> {
    /// The span that the client names, if it names one.
    pub parent: Option<Parent>,
    /// The method; none where it is not one of the usual, which the client may have made up.
    pub method: Option<&'static str>,
    /// The version of HTTP.
    pub version: Version,
    /// Whether it came over the operator's socket.
    pub operator: bool,
    headers: &'a HeaderMap,
}

/// What a recorder is told of the answer.
#[derive(Debug)]
pub struct Answer<'a> {
    /// The route's path, with `{names}` for its variable segments; none where there is no route.
    pub route: Option<&'static str>,
    /// The status code.
    pub status: u16,
    /// The request's id.
    pub request_id: &'a str,
}

/// The id of a trace, printed as 32 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceId(pub u128);

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// The client's own span, as its `traceparent` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parent {
    /// The trace. Not zero.
    pub trace_id: TraceId,
    /// The span. Not zero.
    pub span_id: u64,
    /// The flags; the lowest bit says that the client records the trace.
    pub flags: u8,
}

impl Parent {
    /// The one valid `traceparent` of a request. Any other is ignored, as §3.2.2.5 wants it.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        let first = headers.get(&TRACEPARENT)?;
        let lone = headers.get_all(&TRACEPARENT).iter().nth(1).is_none();
        if lone { Self::parse(first.as_bytes()) } else { None }
    }

    /// `00-` 32 hexadecimal digits `-` 16 `-` 2; later versions may go on after another `-`
    /// (§3.2.2, §3.2.4).
    fn parse(text: &[u8]) -> Option<Self> {
        const BYTES: usize = 55;
        let (known, rest) = text.split_at_checked(BYTES)?;
        let version = hex(&known[..2])?;
        let ends = match version {
            0 => rest.is_empty(),
            0xff => false,
            _ => rest.first().is_none_or(|byte| *byte == b'-'),
        };
        let dashes = [known[2], known[35], known[52]] == *b"---";
        let trace_id = hex(&known[3..35])?;
        let span_id = u64::try_from(hex(&known[36..52])?).ok()?;
        let flags = u8::try_from(hex(&known[53..])?).ok()?;
        let valid = ends && dashes && trace_id != 0 && span_id != 0;
        valid.then_some(Self { trace_id: TraceId(trace_id), span_id, flags })
    }
}

/// A number in lower-case hexadecimal digits.
fn hex(digits: &[u8]) -> Option<u128> {
    digits.iter().try_fold(0, |number, digit| {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(number << 4 | u128::from(value))
    })
}

impl<'a> Head<'a> {
    pub(crate) fn new(
        parent: Option<Parent>,
        method: Option<&'static str>,
        version: Version,
        operator: bool,
        headers: &'a HeaderMap,
    ) -> Self {
        Self { parent, method, version, operator, headers }
    }

    /// The `tracestate` to carry on beside the parent. None where it is longer than need be, or
    /// holds what looks like a credential: it leaves the process.
    #[must_use]
    pub fn tracestate(&self) -> Option<String> {
        // §3.3: it means nothing without a valid traceparent.
        self.parent?;
        let mut joined = String::new();
        for value in self.headers.get_all(&TRACESTATE) {
            if !joined.is_empty() {
                joined.push(',');
            }
            joined.push_str(value.to_str().ok()?);
            if joined.len() > TRACESTATE_BYTES_MAX {
                return None;
            }
        }
        let secret = |text: &str| {
            let text = text.trim();
            plain::looks_like_secret(text) || looks_like_jwt(text)
        };
        let mut members = joined.split(',').flat_map(|member| member.split('='));
        (!joined.is_empty() && !members.any(secret)).then_some(joined)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    const GOOD: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn headers(name: &'static str, values: &[&str]) -> HeaderMap {
        let values = values.iter().map(|value| HeaderValue::from_str(value).expect("a value"));
        values.map(|value| (HeaderName::from_static(name), value)).collect()
    }

    fn parent(values: &[&str]) -> Option<Parent> {
        Parent::of(&headers("traceparent", values))
    }

    #[test]
    fn a_valid_traceparent_names_the_clients_span() {
        let wanted = Parent {
            trace_id: TraceId(0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c),
            span_id: 0xb7ad_6b71_6920_3331,
            flags: 1,
        };
        assert_eq!(parent(&[GOOD]), Some(wanted));
        assert_eq!(wanted.trace_id.to_string(), &GOOD[3..35]);
        // A later version is read as far as this one goes.
        for later in [GOOD.replacen("00", "cc", 1), GOOD.replacen("00", "01", 1) + "-what-else"] {
            assert_eq!(parent(&[&later]), Some(wanted), "{later}");
        }
    }

    #[test]
    fn an_invalid_traceparent_is_ignored() {
        for bad in [
            "",
            "00",
            &GOOD[..54],
            &GOOD.replacen("00", "ff", 1),
            &GOOD.replacen("00", "0x", 1),
            &GOOD.to_ascii_uppercase(),
            &GOOD.replace('-', "_"),
            &format!("{GOOD}-more"),
            &format!("{GOOD}x"),
            &format!(" {GOOD}"),
            &(GOOD.replacen("00", "01", 1) + ".more"),
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0g",
            "00-0af7651916cd43dd8448eb211c80319-cb7ad6b7169203331-01",
        ] {
            assert_eq!(parent(&[bad]), None, "{bad:?}");
        }
        assert_eq!(parent(&[]), None);
        assert_eq!(parent(&[GOOD, GOOD]), None, "which of the two is meant?");
    }

    #[test]
    fn a_tracestate_is_carried_on_unless_it_is_long_or_holds_a_credential() {
        let carried = |values: &[&str]| {
            let headers = headers("tracestate", values);
            Head::new(parent(&[GOOD]), None, Version::HTTP_11, false, &headers).tracestate()
        };
        assert_eq!(carried(&["a=1", "b=2"]).as_deref(), Some("a=1,b=2"));
        assert_eq!(carried(&[]), None);
        let secret = format!("sa-{}", "0".repeat(32));
        let jwt = "eyJhbGciOiJFZERTQSJ9.e30.c2ln";
        for bad in [&format!("a=1, b={secret} "), &secret, &format!("a={jwt}"), &"a".repeat(513)] {
            assert_eq!(carried(&[bad]), None, "{bad}");
        }
    }
}
