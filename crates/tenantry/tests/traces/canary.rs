//! Case 86: no plaintext secret in what leaves the process as traces, and nothing else that a
//! client wrote.

use crate::collector::{Collector, Traced};
use crate::support::exercise::exercise;
use crate::support::say;

/// Seen failing with every method in the spans' names, and with the tracestate not looked at.
#[test]
fn case_86_no_exported_byte_holds_a_secret_a_name_or_an_idempotency_key() {
    let collector = Collector::start();
    let mut traced = Traced::start(&collector.url, "1");
    let mut secrets = exercise(&traced.site, &traced.server, &traced.credentials);
    for text in [
        "idempotency-key-0123456789",
        "Augusta Ada King-Noel",
        "ada.lovelace@example.com",
        "metadata-of-a-customer",
        "path-that-a-client-wrote",
        "query-that-a-client-wrote",
        "header-that-a-client-wrote",
        "METHODTHATACLIENTMADEUP",
    ] {
        secrets.add(text);
    }
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let master = traced.credentials.master.clone();
    let states = [format!("a={master}"), format!("{master}=a"), format!("x=1,a={master}")];
    let token = format!("t={}", traced.credentials.token);
    for state in states.iter().chain([&token]) {
        let headers = [
            ("traceparent", parent),
            ("tracestate", state),
            ("baggage", state),
            ("idempotency-key", "idempotency-key-0123456789"),
            ("user-agent", "header-that-a-client-wrote"),
            ("referer", "header-that-a-client-wrote"),
        ];
        let body = r#"{"name":"Augusta Ada King-Noel","metadata":{"note":"metadata-of-a-customer",
            "mail":"ada.lovelace@example.com"}}"#;
        for path in ["/v1/accounts", "/sub-accounts/create", "/v1/accounts/bulk"] {
            traced.send("canary", "POST", path, &headers, body);
        }
        let path = "/v1/accounts/path-that-a-client-wrote?a=query-that-a-client-wrote";
        traced.send("canary", "GET", path, &headers, "");
        traced.send("canary", "GET", "/path-that-a-client-wrote", &headers, "");
        traced.send("canary", "METHODTHATACLIENTMADEUP", "/v1/whoami", &headers, "");
    }
    let (site, _folder) = traced.stop();

    let bytes = collector.bytes();
    assert_eq!(secrets.hits(&bytes), 0, "in what was exported");
    let names: Vec<String> = collector.spans().into_iter().map(|span| span.name).collect();
    for family in [
        "POST /v1/accounts",
        "POST /v1/keys/verify",
        "POST /sub-accounts/create",
        "POST /api/v1/accounts",
        "POST /api/v1/admin/service-account/create",
        "POST /operator/platform-keys",
    ] {
        assert!(names.iter().any(|name| name == family), "{family} was looked at");
    }
    let children = collector.spans().iter().filter(|span| !span.parent_span_id.is_empty()).count();
    assert!(children >= 6 * 4, "what came with a tracestate was looked at");
    assert!(!site.whole_log().contains("not all spans were exported"), "nothing was missed");
    say(&format!(
        "86: {} secrets, {} spans, {} bytes, 0 hits",
        secrets.len(),
        names.len(),
        bytes.len()
    ));
}
