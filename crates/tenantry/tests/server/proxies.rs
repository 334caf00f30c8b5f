//! Who is the client behind a proxy (case 85), told apart by whose budget a wrong key spends.

use crate::support::{Running, statuses};
use tenantry_http::server::{Network, Proxies};

/// Statuses of so many wrong keys, each with this `X-Forwarded-For`.
async fn guess(server: &Running, times: usize, forwarded: &str) -> Vec<u16> {
    let mut wire = server.connect().await;
    let mut all = Vec::new();
    for n in 0..times {
        wire.send(format!(
            "GET /v1/whoami HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer sa-{n:032x}\r\n\
             X-Forwarded-For: {forwarded}\r\n\r\n"
        ))
        .await;
        all.extend(statuses(&wire.reply().await));
    }
    all
}

async fn behind(networks: &[&str], required: bool) -> Running {
    let trusted = networks.iter().map(|text| text.parse().expect("a network")).collect();
    let proxies = Proxies { trusted, required };
    Running::start_with(Network { proxies, ..Network::default() }).await
}

#[tokio::test]
async fn a_trusted_proxys_clients_have_budgets_of_their_own_and_cannot_choose_others() {
    let server = behind(&["127.0.0.1/32", "10.0.0.0/8"], true).await;
    assert_eq!(guess(&server, 400, "192.0.2.1").await.last(), Some(&429));
    assert_eq!(guess(&server, 1, "192.0.2.2").await, [401]);
    // What stands before the proxy's own word is the client's invention.
    assert_eq!(guess(&server, 1, "198.51.100.1, 192.0.2.1").await, [429]);
    assert_eq!(guess(&server, 1, "198.51.100.1, 192.0.2.1, 10.2.3.4").await, [429]);
}

#[tokio::test]
async fn nobody_else_is_believed() {
    let server = behind(&["10.0.0.0/8"], false).await;
    assert_eq!(guess(&server, 400, "192.0.2.1").await.last(), Some(&429));
    assert_eq!(guess(&server, 1, "192.0.2.2").await, [429]);
}
