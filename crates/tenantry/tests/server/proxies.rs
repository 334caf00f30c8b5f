//! Who is the client behind a proxy (case 85), told apart by whose budget a wrong key spends.

use crate::support::{Running, statuses};
use tenantry_http::server::{Network, Proxies};

/// Guesses until an address that nobody guessed from would have spent half its budget, or until
/// the answer is 429: true where that is so. Tokens come back while a test runs, but not as fast.
async fn is_limited(server: &Running, forwarded: &str) -> bool {
    guess(server, 100, forwarded).await
}

/// Spends the whole budget.
async fn spend(server: &Running, forwarded: &str) {
    assert!(guess(server, 10_000, forwarded).await, "never limited");
}

async fn guess(server: &Running, times: usize, forwarded: &str) -> bool {
    let mut wire = server.connect().await;
    for n in 0..times {
        wire.send(format!(
            "GET /v1/whoami HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer sa-{n:032x}\r\n\
             X-Forwarded-For: {forwarded}\r\n\r\n"
        ))
        .await;
        match statuses(&wire.reply().await)[..] {
            [401] => {}
            [429] => return true,
            ref other => panic!("{other:?}"),
        }
    }
    false
}

async fn behind(networks: &[&str], required: bool) -> Running {
    let trusted = networks.iter().map(|text| text.parse().expect("a network")).collect();
    let proxies = Proxies { trusted, required };
    Running::start_with(Network { proxies, ..Network::default() }).await
}

#[tokio::test]
async fn a_trusted_proxys_clients_have_budgets_of_their_own_and_cannot_choose_others() {
    let server = behind(&["127.0.0.1/32", "10.0.0.0/8"], true).await;
    spend(&server, "192.0.2.1").await;
    assert!(!is_limited(&server, "192.0.2.2").await);
    // What stands before the proxy's own word is the client's invention.
    assert!(is_limited(&server, "198.51.100.1, 192.0.2.1").await);
    assert!(is_limited(&server, "198.51.100.1, 192.0.2.1, 10.2.3.4").await);
}

#[tokio::test]
async fn nobody_else_is_believed() {
    let server = behind(&["10.0.0.0/8"], false).await;
    spend(&server, "192.0.2.1").await;
    assert!(is_limited(&server, "192.0.2.2").await);
}
