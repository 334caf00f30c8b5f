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
        ("tenantry_usage_uncounted_verifications_total", 0.0),
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
    let sealed = sample(&text, "tenantry_audit_events_sealed_total").expect("a counter");
    let waiting = sample(&text, "tenantry_audit_unsealed_events").expect("a gauge");
    assert!(sealed <= 1.0 && waiting <= 1.0, "the organization's event: {text}");
    assert_eq!(sample(&text, "tenantry_audit_sink_failures_total"), Some(0.0));
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

/// Sends a request on a connection that stays open; its status.
fn send(stream: &mut TcpStream, request: &str) -> u16 {
    stream.write_all(request.as_bytes()).expect("sent");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("a head");
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).expect("ASCII").to_lowercase();
    let length = head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next());
    let length = length.map_or(0, |length| length.parse().expect("a length"));
    stream.read_exact(&mut vec![0; length]).expect("a body");
    head[9..12].parse().expect("a status")
}

#[test]
fn who_is_turned_away_is_counted_by_what_turned_them_away() {
    let installation = Installation::new();
    let caps = ["--connections-per-address-max", "2", "--requests-per-address-max", "1"];
    let options = [&["--metrics-listen", "127.0.0.1:0"], &caps[..]].concat();
    let server = installation.serve(&options);
    let line = server.await_log("metrics are served");
    let address = Tree::parse(&line).text("address").to_owned();
    let key = std::fs::read_to_string(installation.data().join("master-key")).expect("a key");

    // A request whose body does not come takes the address's one place.
    let mut slow = TcpStream::connect(server.address()).expect("a connection");
    let head = format!(
        "POST /v1/keys/verify HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\
         Content-Length: 2\r\nExpect: 100-continue\r\n\r\n",
        key.trim()
    );
    assert_eq!(send(&mut slow, &head), 100);
    let mut other = TcpStream::connect(server.address()).expect("a connection");
    let wrong = "GET /v1/whoami HTTP/1.1\r\nHost: x\r\n\
        Authorization: Bearer sa-00000000000000000000000000000000\r\n\r\n";
    assert_eq!(send(&mut other, wrong), 503);
    let alive = "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n";
    assert_eq!(send(&mut other, alive), 200);
    let mut third = TcpStream::connect(server.address()).expect("a connection");
    assert_eq!(send(&mut third, ""), 503);
    assert_eq!(send(&mut slow, "{}"), 422);
    let refused = (0..400).find(|_| send(&mut other, wrong) == 429);
    assert!(refused.is_some(), "nobody was refused");

    let text = get(&address, "/metrics");
    for (name, value) in [
        ("tenantry_http_connections_shed_total{cap=\"address\"}", 1.0),
        ("tenantry_http_connections_shed_total{cap=\"all\"}", 0.0),
        ("tenantry_http_requests_shed_total{cap=\"address\"}", 1.0),
        ("tenantry_http_requests_shed_total{cap=\"all\"}", 0.0),
        ("tenantry_misses_refused_total{budget=\"bearer\"}", 1.0),
        ("tenantry_misses_refused_total{budget=\"all_bearers\"}", 0.0),
        ("tenantry_store_writable", 1.0),
    ] {
        assert_eq!(sample(&text, name), Some(value), "{name} in\n{text}");
    }
}
