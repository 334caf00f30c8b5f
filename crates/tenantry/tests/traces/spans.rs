//! What a span tells of its request.

use crate::collector::{Collector, Traced};
use crate::otlp::{ERROR, SERVER, attributes};
use std::collections::BTreeMap;

/// Attributes that a span may have. None of them holds what a client wrote, save the request's id,
/// which is looked at first.
const KNOWN: [&str; 7] = [
    "error.type",
    "http.request.method",
    "http.response.status_code",
    "http.route",
    "network.protocol.version",
    "tenantry.request_id",
    "url.scheme",
];

#[test]
fn a_request_is_a_server_span_named_by_its_method_and_route() {
    let collector = Collector::start();
    let mut traced = Traced::start(&collector.url, "1");
    let tenancy = r#"{"name":"d","database":{"managed":true}}"#;
    let key = format!("{{\"key\":\"{}\"}}", traced.credentials.master);
    let question = format!("{{\"key\":\"{}\",\"permissions\":[]}}", traced.credentials.master);
    let account = "/v1/accounts/acc_1ChJtYekYs4eivSZWdZF2J";
    let requests = [
        ("create", "POST", "/v1/accounts", r#"{"name":"Ada"}"#, "POST /v1/accounts", 201),
        ("short-cut", "POST", "/v1/keys/verify", &*key, "POST /v1/keys/verify", 200),
        ("question", "POST", "/v1/keys/verify", &*question, "POST /v1/keys/verify", 200),
        ("query", "GET", "/v1/whoami?a=b", "", "GET /v1/whoami", 200),
        ("id", "GET", account, "", "GET /v1/accounts/{id}", 404),
        ("nowhere", "GET", "/v1/Ada", "", "GET", 404),
        ("made-up", "ADA", "/v1/whoami", "", "HTTP", 405),
        ("failed", "POST", "/v1/accounts", tenancy, "POST /v1/accounts", 503),
    ];
    for (id, method, path, body, _, status) in requests {
        assert_eq!(traced.send(id, method, path, &[], body), status, "{id}");
    }
    drop(traced.stop());

    for (id, method, _, _, name, status) in requests {
        let span = collector.span(id).unwrap_or_else(|| panic!("{id} has no span"));
        assert_eq!((&*span.name, span.kind), (name, SERVER), "{id}");
        assert!(span.start_time_unix_nano > 0, "{id}");
        assert!(span.start_time_unix_nano <= span.end_time_unix_nano, "{id}");
        let mut wanted = BTreeMap::from([
            ("http.request.method", if method == "ADA" { "_OTHER" } else { method }.to_owned()),
            ("http.response.status_code", status.to_string()),
            ("network.protocol.version", "1.1".to_owned()),
            ("tenantry.request_id", id.to_owned()),
            ("url.scheme", "http".to_owned()),
        ]);
        if let Some((_, route)) = name.split_once(' ') {
            wanted.insert("http.route", route.to_owned());
        }
        let failed = status >= 500;
        if failed {
            wanted.insert("error.type", status.to_string());
        }
        assert_eq!(attributes(&span.attributes), wanted, "{id}");
        let code = span.status.clone().unwrap_or_default();
        assert_eq!((code.code == ERROR, &*code.message), (failed, ""), "{id}");
        assert_eq!(span.lineage().1, "", "{id} has no parent");
    }
    for span in collector.spans() {
        for name in attributes(&span.attributes).keys() {
            assert!(KNOWN.contains(name), "{name} of {span:?}");
        }
    }
    let operator = collector.spans().into_iter().filter(|span| span.name.contains("/operator/"));
    assert!(operator.count() >= 2, "the operator's own requests are traced too");
    for resource in collector.exports().iter().flat_map(|export| &export.resource_spans) {
        let resource = resource.resource.clone().expect("a resource");
        let attributes = attributes(&resource.attributes);
        assert_eq!(attributes["service.name"], "tenantry");
        assert_eq!(attributes["service.version"], env!("CARGO_PKG_VERSION"));
    }
}
