//! `/metrics` of the started binary: on its own loopback listener, in Prometheus' words.

use crate::support::{Installation, Tree};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("a connection");
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .expect("sent");
    let mut reply = String::new();
    stream.read_to_string(&mut reply).expect("a reply");
    reply
}

/// The value of a sample, `None` where there is none.
fn sample(text: &str, name: &str) -> Option<f64> {
    let line =
        text.lines().find(|line| line.strip_prefix(name).is_some_and(|r| r.starts_with(' ')))?;
    line.rsplit(' ').next()?.parse().ok()
}

#[test]
fn metrics_tell_what_was_answered_and_hold_no_label_that_a_client_wrote() {
    let installation = Installation::new();
    let server = installation.serve(&["--metrics-listen", "127.0.0.1:0"]);
    let line = server.await_log("metrics are served");
    let address = Tree::parse(&line).text("address").to_owned();
    let key = std::fs::read_to_string(installation.data().join("master-key")).expect("a key");
    let key = key.trim();
    installation.json(&["keys", "verify", "--secret", key]);
    let unknown = "sa-00000000000000000000000000000000";
    installation.run(&["keys", "verify", "--secret", unknown]);
    get(server.address(), "/canary-path");

    let text = get(&address, "/metrics");
    assert!(text.starts_with("HTTP/1.1 200 OK\r\n"), "{text:.200}");
    assert!(text.trim_end().ends_with("# EOF"), "{text}");
    for (name, value) in [
        ("tenantry_verifications_total{code=\"VALID\"}", 1.0),
        ("tenantry_verifications_total{code=\"NOT_FOUND\"}", 1.0),
        ("tenantry_verifications_total{code=\"REVOKED\"}", 0.0),
        ("tenantry_credential_look_ups_total", 2.0),
        ("tenantry_cached_credentials", 1.0),
        (
            "tenantry_http_requests_total{method=\"POST\",route=\"/v1/keys/verify\",status=\"2xx\"}",
            2.0,
        ),
        ("tenantry_http_requests_total{method=\"none\",route=\"none\",status=\"4xx\"}", 1.0),
        (
            "tenantry_http_request_duration_seconds_count{method=\"POST\",route=\"/v1/keys/verify\"}",
            2.0,
        ),
    ] {
        assert_eq!(sample(&text, name), Some(value), "{name} in\n{text}");
    }
    assert!(sample(&text, "tenantry_store_commits_total").is_some_and(|commits| commits >= 1.0));
    assert!(sample(&text, "tenantry_process_resident_memory_bytes").is_some_and(|b| b > 1e6));
    for word in ["canary-path", key, unknown] {
        assert!(!text.contains(word), "{word} in\n{text}");
    }

    for path in ["/", "/livez", "/v1/whoami", "/metrics/x", "/metrics?x"] {
        let status = if path == "/metrics?x" { "200 OK" } else { "404 Not Found" };
        assert!(get(&address, path).starts_with(&format!("HTTP/1.1 {status}")), "{path}");
    }
    assert!(get(server.address(), "/metrics").starts_with("HTTP/1.1 404"), "case 98");
}
