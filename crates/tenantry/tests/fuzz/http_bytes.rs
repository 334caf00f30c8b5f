//! Bytes on a connection to a real server.

use crate::fuzz;
use crate::json_api::app;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;
use tenantry_http::server::{Network, serve_network};
use tokio::net::TcpListener;

/// How long to wait for more of an answer. What is incomplete gets none before the server's
/// deadline for a head, which is not waited for.
const PATIENCE: Duration = Duration::from_millis(20);
/// What a server that lives answers.
const LIVEZ: &[u8] = b"GET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
/// Largest answer that is read.
const ANSWER_BYTES_MAX: u64 = 1 << 20;

/// Sends bytes; what comes back until the server closes or says no more for `patience`.
fn exchange(address: SocketAddr, bytes: &[u8], patience: Duration) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).expect("the server accepts");
    stream.set_read_timeout(Some(patience)).expect("set");
    // The server may close before it has read everything.
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    let _ = stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer);
    answer
}

#[test]
fn http_bytes() {
    let folder = tempfile::tempdir().expect("a directory");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("one");
    let app = app(folder.path());
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
    let address = listener.local_addr().expect("an address");
    let network = Network::default();
    runtime.spawn(serve_network(app, listener, network, std::future::pending()));
    fuzz("http_bytes", 10, move |input| {
        let answer = exchange(address, input, PATIENCE);
        let text = String::from_utf8_lossy(&answer);
        // Nobody has a credential, so nothing is ever created.
        let first = text.lines().next().unwrap_or_default();
        assert!(!first.contains(" 201 "), "{text}");
        assert!(!first.contains(" 500 "), "{text}");
        let alive = exchange(address, LIVEZ, Duration::from_secs(10));
        assert!(alive.starts_with(b"HTTP/1.1 200 OK"), "{}", String::from_utf8_lossy(&alive));
    });
}
