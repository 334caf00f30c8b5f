//! The client's `traceparent`: whose trace it is, and whether it is recorded.

use crate::collector::{Collector, Traced};
use crate::support::site::Site;
use serde_json::Value;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const SPAN: &str = "b7ad6b7169203331";

fn traceparent(flags: &str) -> String {
    format!("00-{TRACE}-{SPAN}-{flags}")
}

/// The trace that the access log names for a request.
fn logged(site: &Site, request: &str) -> Option<String> {
    let log = site.whole_log();
    let mut lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let line = lines.find(|line| line["request_id"] == request).expect("the request is logged");
    line["trace_id"].as_str().map(str::to_owned)
}

/// Also the other way round: with a ratio of 0 only those are recorded whose client records them.
#[test]
fn a_sampled_traceparent_is_the_spans_parent_and_its_tracestate_goes_on() {
    let collector = Collector::start();
    let mut traced = Traced::start(&collector.url, "0");
    let parent = traceparent("01");
    let headers = [("traceparent", &*parent), ("tracestate", "a=1,b=2")];
    assert_eq!(traced.send("child", "GET", "/v1/whoami", &headers, ""), 200);
    assert_eq!(traced.send("root", "GET", "/v1/whoami", &[], ""), 200);
    let later = parent.replacen("00", "01", 1) + "-later";
    assert_eq!(traced.send("later", "GET", "/v1/whoami", &[("traceparent", &later)], ""), 200);
    let (site, _folder) = traced.stop();

    let span = collector.span("child").expect("a span");
    assert_eq!(span.lineage(), (TRACE.to_owned(), SPAN.to_owned()));
    assert_eq!(span.trace_state, "a=1,b=2");
    assert_eq!(span.id.len(), 8);
    let later = collector.span("later").expect("a span");
    assert_eq!(later.lineage(), (TRACE.to_owned(), SPAN.to_owned()));
    assert_ne!(span.id, later.id);
    assert_eq!(collector.spans().len(), 2, "no other request is recorded");
    assert_eq!(logged(&site, "child").as_deref(), Some(TRACE));
    assert_eq!(logged(&site, "root"), None);
}

#[test]
fn an_invalid_traceparent_is_ignored_and_its_tracestate_with_it() {
    let collector = Collector::start();
    let mut traced = Traced::start(&collector.url, "1");
    let invalid = [
        "",
        &traceparent("1"),
        &traceparent("01-more"),
        &traceparent("01").replacen("00", "ff", 1),
        &traceparent("01").to_ascii_uppercase(),
        &traceparent("01").replace(TRACE, &"0".repeat(32)),
        &traceparent("01").replace(SPAN, &"0".repeat(16)),
    ];
    for (number, traceparent) in invalid.iter().enumerate() {
        let headers = [("traceparent", *traceparent), ("tracestate", "a=1")];
        let id = format!("invalid-{number}");
        assert_eq!(traced.send(&id, "GET", "/v1/whoami", &headers, ""), 200, "{traceparent}");
    }
    let good = traceparent("01");
    let twice = [("traceparent", &*good), ("traceparent", &*good)];
    assert_eq!(traced.send("twice", "GET", "/v1/whoami", &twice, ""), 200);
    let (site, _folder) = traced.stop();

    let ids = (0..invalid.len()).map(|number| format!("invalid-{number}"));
    for id in ids.chain(["twice".to_owned()]) {
        let span = collector.span(&id).unwrap_or_else(|| panic!("{id} has no span"));
        let (trace, parent) = span.lineage();
        assert_ne!(trace, TRACE, "{id}");
        assert_eq!((&*parent, &*span.trace_state), ("", ""), "{id}");
        assert_eq!(logged(&site, &id), Some(trace), "the log names the trace that is exported");
    }
}

/// Seen failing with a sampler that looks at the ratio alone.
#[test]
fn a_parent_that_is_not_sampled_exports_nothing() {
    let collector = Collector::start();
    let mut traced = Traced::start(&collector.url, "1");
    for (id, flags) in [("unsampled", "00"), ("random", "02")] {
        let parent = traceparent(flags);
        let headers = [("traceparent", &*parent)];
        assert_eq!(traced.send(id, "GET", "/v1/whoami", &headers, ""), 200);
        assert_eq!(traced.send(id, "POST", "/v1/keys/verify", &headers, "{}"), 422);
    }
    assert_eq!(traced.send("root", "GET", "/v1/whoami", &[], ""), 200);
    let (site, _folder) = traced.stop();
    assert!(collector.span("root").is_some(), "others are exported");
    for id in ["unsampled", "random"] {
        assert_eq!(collector.span(id), None);
        assert_eq!(logged(&site, id).as_deref(), Some(TRACE), "the log names it all the same");
    }
    assert!(collector.spans().iter().all(|span| span.lineage().0 != TRACE));
}
