//! Accepting connections: our own loop, since limits on slow clients are set per connection.

mod admission;
mod connections;
mod limits;
mod metrics;
mod patience;
mod proxies;
mod tls;

pub(crate) use limits::HEADERS_MAX;
pub use limits::{DRAIN_DEADLINE, Limits};
pub use metrics::serve_metrics;
pub use proxies::Proxies;
pub use tls::{Tls, TlsProblem};

use crate::app::App;
use connections::{Client, Connections};
use limits::{ACCEPT_PAUSE, OPERATOR_CONNECTIONS_MAX};
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

/// What the network is served with.
#[derive(Default)]
pub struct Network {
    /// What clients may take of the server.
    pub limits: Limits,
    /// The certificate; without one, requests come in clear.
    pub tls: Option<Tls>,
    /// Proxies in front.
    pub proxies: Proxies,
}

/// What a client is told that there is no room for. Its request is not read.
const NO_ROOM: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\n\
    Content-Length: 0\r\nConnection: close\r\n\r\n";

/// Serves the network until `stop` completes, then lets requests that are under way end.
pub async fn serve_network(
    app: App,
    listener: TcpListener,
    mut network: Network,
    stop: impl Future<Output = ()>,
) {
    let connections = Connections::new(app, &network.limits, network.proxies);
    tokio::pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, address)) => {
                    let acceptor = network.tls.as_mut().map(Tls::acceptor);
                    accept(&connections, stream, address, acceptor);
                }
                Err(error) => pause(&error).await,
            },
        }
    }
    drop(listener);
    connections.drain().await;
}

fn accept(
    connections: &Connections,
    stream: TcpStream,
    address: SocketAddr,
    acceptor: Option<TlsAcceptor>,
) {
    let address = address.ip().to_canonical();
    if !connections.proxies.admit(address) {
        tracing::debug!(%address, "a connection was turned away: it is no trusted proxy's");
        return;
    }
    let proxy = connections.proxies.trust(address);
    let seat = match connections.admission.connect(address, proxy) {
        Ok(seat) => seat,
        Err(cap) => {
            tracing::debug!(%address, ?cap, "a connection was turned away: there are too many");
            connections.count_shed(cap);
            if acceptor.is_none() {
                let _ = stream.try_write(NO_ROOM);
            }
            return;
        }
    };
    // Replies are small and whole; waiting to fill a segment only delays them.
    let _ = stream.set_nodelay(true);
    let (server, watcher) = connections.server();
    let client = if proxy { Client::Proxy(seat, address) } else { Client::Network(seat, address) };
    match acceptor {
        None => tokio::spawn(server.serve(stream, client, watcher)),
        Some(acceptor) => tokio::spawn(async move {
            let handshake = timeout(server.limits.head_deadline, acceptor.accept(stream)).await;
            if let Ok(Ok(stream)) = handshake {
                server.serve(stream, client, watcher).await;
            }
        }),
    };
}

/// Serves the operator on the socket in the data directory until `stop` completes. `owner` is the
/// user that may speak there, beside root.
pub async fn serve_operator(
    app: App,
    listener: UnixListener,
    owner: u32,
    stop: impl Future<Output = ()>,
) {
    let connections = Connections::new(app, &Limits::default(), Proxies::default());
    let seats = Arc::new(Semaphore::new(OPERATOR_CONNECTIONS_MAX));
    tokio::pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => match stream.peer_cred() {
                    Ok(peer) if peer.uid() == owner || peer.uid() == 0 => {
                        let Ok(seat) = seats.clone().try_acquire_owned() else { continue };
                        let (server, watcher) = connections.server();
                        tokio::spawn(async move {
                            server.serve(stream, Client::Operator, watcher).await;
                            drop(seat);
                        });
                    }
                    Ok(peer) => tracing::warn!(uid = peer.uid(), "another user tried the operator's socket"),
                    Err(error) => tracing::warn!(%error, "the operator's socket does not tell who asks"),
                },
                Err(error) => pause(&error).await,
            },
        }
    }
    connections.drain().await;
}

async fn pause(error: &std::io::Error) {
    tracing::warn!(%error, "a connection could not be accepted");
    tokio::time::sleep(ACCEPT_PAUSE).await;
}
