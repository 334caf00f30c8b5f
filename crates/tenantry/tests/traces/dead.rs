//! Collectors that do not work: requests are answered as ever, and the server stops in time.

use crate::collector::Traced;
use crate::support::{http, monotonic, since};
use serde_json::Value;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::time::Duration;

/// Requests of a test: more than wait for a collector.
const REQUESTS: usize = 3_000;
/// Longest stop: the two seconds that the last batches have, and room for a busy machine. Without
/// that bound the silent collector has five seconds for each of four batches.
const STOP_MAX: Duration = Duration::from_secs(10);

/// Serves with a collector that does not work; what the metrics say of spans.
fn disturb(url: &str) -> Vec<(String, u64)> {
    let mut traced = Traced::start(url, "1");
    let body = format!("{{\"key\":\"{}\"}}", traced.credentials.master);
    for _ in 0..REQUESTS {
        assert_eq!(traced.send("r", "POST", "/v1/keys/verify", &[], &body), 200);
    }
    let log = traced.site.whole_log();
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut served = lines.filter(|line| line["message"] == "metrics are served");
    let address = served.next().expect("metrics are served")["address"].clone();
    let address = address.as_str().expect("an address");
    let metrics = http::once(address, "GET", "/metrics", &[], "").expect("metrics").text;
    let counts = metrics.lines().filter_map(|line| {
        let count = line.strip_prefix("tenantry_trace_spans_total{outcome=\"")?;
        let (outcome, count) = count.split_once("\"} ")?;
        Some((outcome.to_owned(), count.parse().expect("a count")))
    });
    let counts = counts.collect();
    let started = monotonic();
    let (site, _folder) = traced.stop();
    assert!(since(started) < STOP_MAX, "{:?}", since(started));
    let log = site.whole_log();
    assert!(log.contains("not all spans were exported"), "{}", site.last_log());
    assert!(log.contains(r#""message":"stopped""#), "{}", site.last_log());
    counts
}

fn count(counts: &[(String, u64)], name: &str) -> u64 {
    counts.iter().find(|(outcome, _)| outcome == name).unwrap_or_else(|| panic!("{name}")).1
}

#[test]
fn a_collector_that_is_not_there_disturbs_nobody() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    drop(listener);
    let counts = disturb(&url);
    assert_eq!(count(&counts, "exported"), 0, "{counts:?}");
}

/// Seen failing with a stop that waits for all batches.
#[test]
fn a_collector_that_never_answers_disturbs_nobody_and_what_is_dropped_is_counted() {
    // The kernel takes connections; nobody reads them.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let counts = disturb(&format!("http://{}", listener.local_addr().expect("an address")));
    assert_eq!(count(&counts, "exported"), 0, "{counts:?}");
    let gone = count(&counts, "dropped") + count(&counts, "failed");
    assert!(gone >= 900, "of 3000 only 2048 may wait: {counts:?}");
}

#[test]
fn a_collector_that_refuses_disturbs_nobody_and_what_it_refused_is_counted() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let mut stream = BufReader::new(stream);
            let mut line = String::new();
            let _ = stream.read_line(&mut line);
            let reply =
                b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
            let _ = stream.get_mut().write_all(reply);
        }
    });
    let counts = disturb(&url);
    assert_eq!(count(&counts, "exported"), 0, "{counts:?}");
}
