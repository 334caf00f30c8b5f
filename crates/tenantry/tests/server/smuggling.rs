//! Requests whose end is a matter of opinion (case 58). Behind each stands a second request, which
//! must not be answered: an intermediary may have taken it for a part of the first one's body.

use crate::support::{Running, statuses};
use tenantry_http::server::Limits;

const SECOND: &str = "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n";

async fn replies(server: &Running, head: &str, body: &str) -> (Vec<u16>, String) {
    let request = format!("POST /v1/keys/verify HTTP/1.1\r\nHost: x\r\n{head}\r\n{body}{SECOND}");
    let reply = server.exchange(request.as_bytes()).await;
    (statuses(&reply), reply)
}

#[tokio::test]
async fn case_58_what_cannot_be_framed_is_400_and_ends_the_connection() {
    let server = Running::start(Limits::default()).await;
    for (head, body) in [
        ("Content-Length: 2\r\nContent-Length: 3\r\n", "{}"),
        ("Content-Length: 2, 3\r\n", "{}"),
        ("Content-Length: +2\r\n", "{}"),
        ("Content-Length: -2\r\n", "{}"),
        ("Content-Length: 0x2\r\n", "{}"),
        ("Content-Length: 2 2\r\n", "{}"),
        ("Content-Length: \r\n", "{}"),
        ("Content-Length: 99999999999999999999\r\n", "{}"),
        ("Content-Length : 2\r\n", "{}"),
        ("Transfer-Encoding : chunked\r\n", "0\r\n\r\n"),
        ("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n"),
        ("Transfer-Encoding: chunked, identity\r\n", "0\r\n\r\n"),
        ("Transfer-Encoding: identity\r\n", "0\r\n\r\n"),
        ("Transfer-Encoding: \x0bchunked\r\n", "0\r\n\r\n"),
        ("X: a\r\n Content-Length: 2\r\n", "{}"),
        ("X: a\r\n\tb\r\nContent-Length: 2\r\n", "{}"),
        ("X: a\0b\r\nContent-Length: 2\r\n", "{}"),
        ("X: a\rContent-Length: 2\r\n", "{}"),
        ("No colon\r\nContent-Length: 2\r\n", "{}"),
    ] {
        let (statuses, reply) = replies(&server, head, body).await;
        assert_eq!(statuses, [400], "{head:?}: {reply}");
    }
}

#[tokio::test]
async fn case_58_two_framings_end_the_connection_after_the_one_reply() {
    let server = Running::start(Limits::default()).await;
    let te = "Transfer-Encoding: chunked\r\n";
    for (head, body) in [
        (format!("Content-Length: 4\r\n{te}"), "0\r\n\r\n"),
        (format!("{te}Content-Length: 4\r\n"), "0\r\n\r\n"),
    ] {
        let (statuses, reply) = replies(&server, &head, body).await;
        assert_eq!(statuses.len(), 1, "{head:?}: {reply}");
    }
}

#[tokio::test]
async fn case_58_a_chunk_extension_has_an_end() {
    let server = Running::start(Limits::default()).await;
    let key = format!("Authorization: Bearer {}\r\nTransfer-Encoding: chunked\r\n", server.key);
    let body = format!("2;{}\r\n{{}}\r\n0\r\n\r\n", "x".repeat(1 << 20));
    let (statuses, reply) = replies(&server, &key, &body).await;
    assert!(statuses.is_empty() || statuses == [400], "{reply}");
}
