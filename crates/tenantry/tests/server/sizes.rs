//! Heads, targets and streams that are too large or too many (cases 9, 60).

use crate::support::{Running, statuses};
use std::fmt::Write as _;
use tenantry_http::server::Limits;

fn get(path: &str, fields: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{fields}\r\n")
}

#[tokio::test]
async fn case_60_heads_and_targets_are_held_to_their_sizes() {
    let server = Running::start(Limits::default()).await;
    let field = |n: usize| format!("x: {}\r\n", "a".repeat(n));
    let fields = |n: usize| {
        (0..n).fold(String::new(), |mut text, n| {
            let _ = write!(text, "x-{n}: a\r\n");
            text
        })
    };
    let target = |n: usize| format!("/livez?{}", "a".repeat(n));
    for (request, status) in [
        (get("/livez", &field(31 * 1024)), 200),
        (get("/livez", &field(33 * 1024)), 431),
        (get("/livez", &field(100 * 1024)), 431),
        (get("/livez", &fields(98)), 200),
        (get("/livez", &fields(99)), 431),
        (get("/livez", &fields(500)), 431),
        (get(&target(8 * 1024 - 6), ""), 200),
        (get(&target(8 * 1024 + 1), ""), 414),
    ] {
        let reply = server.exchange(request.as_bytes()).await;
        assert_eq!(statuses(&reply), [status], "{}…: {reply}", &request[..40]);
    }
    let reply = server.exchange(get(&target(64 * 1024), "").as_bytes()).await;
    assert!([414, 431].contains(&statuses(&reply)[0]), "{reply}");
}

#[tokio::test]
async fn case_9_a_token_of_a_megabyte_is_431() {
    let server = Running::start(Limits::default()).await;
    let token = format!("Authorization: Bearer {}\r\n", "a".repeat(1 << 20));
    let reply = server.exchange(get("/v1/whoami", &token).as_bytes()).await;
    // What is not read makes the kernel reset the connection, which may overtake the reply.
    assert!(reply.is_empty() || statuses(&reply) == [431], "{reply}");
}
