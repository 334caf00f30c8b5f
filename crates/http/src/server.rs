//! Accepting connections: our own loop, since limits on slow clients are set per connection.

use crate::app::{App, Peer};
use axum::body::Body;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use std::convert::Infallible;
use std::future::Future;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};

/// How long a request's head may take to arrive.
const HEADER_DEADLINE: Duration = Duration::from_secs(5);
/// Largest head of a request, in bytes.
const HEADER_BYTES_MAX: usize = 32 * 1024;
/// Most header fields of a request.
pub(crate) const HEADERS_MAX: usize = 100;
/// How long requests that are under way may take to end once the server stops.
pub const DRAIN_DEADLINE: Duration = Duration::from_secs(25);
/// Pause after an accept that failed, as it does when descriptors run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves the network until `stop` completes, then lets requests that are under way end.
pub async fn serve_network(app: App, listener: TcpListener, stop: impl Future<Output = ()>) {
    let connections = Connections::new(app);
    tokio::pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, address)) => {
                    // Replies are small and whole; waiting to fill a segment only delays them.
                    let _ = stream.set_nodelay(true);
                    connections.spawn(stream, Peer::Network(address.ip().to_canonical()));
                }
                Err(error) => pause(&error).await,
            },
        }
    }
    drop(listener);
    connections.drain().await;
}

/// Serves the operator on the socket in the data directory until `stop` completes. `owner` is the
/// user that may speak there, beside root.
pub async fn serve_operator(
    app: App,
    listener: UnixListener,
    owner: u32,
    stop: impl Future<Output = ()>,
) {
    let connections = Connections::new(app);
    tokio::pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => match stream.peer_cred() {
                    Ok(peer) if peer.uid() == owner || peer.uid() == 0 => {
                        connections.spawn(stream, Peer::Operator);
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

struct Connections {
    app: App,
    builder: auto::Builder<TokioExecutor>,
    graceful: GracefulShutdown,
}

impl Connections {
    fn new(app: App) -> Self {
        let mut builder = auto::Builder::new(TokioExecutor::new());
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER_DEADLINE)
            .max_headers(HEADERS_MAX)
            .max_buf_size(HEADER_BYTES_MAX);
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_header_list_size(32 * 1024)
            .max_concurrent_streams(128);
        Self { app, builder, graceful: GracefulShutdown::new() }
    }

    fn spawn(&self, stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static, peer: Peer) {
        let app = self.app.clone();
        let service = service_fn(move |request: hyper::Request<Incoming>| {
            let app = app.clone();
            async move {
                let request: Request = request.map(Body::new);
                Ok::<_, Infallible>(app.handle(request, peer).await)
            }
        });
        let connection = self.builder.serve_connection(TokioIo::new(stream), service).into_owned();
        let connection = self.graceful.watch(connection);
        tokio::spawn(async move {
            // A client that breaks the protocol or goes away is no event of the server's.
            if let Err(error) = connection.await {
                tracing::debug!(error = &*error, "a connection ended early");
            }
        });
    }

    async fn drain(self) {
        if tokio::time::timeout(DRAIN_DEADLINE, self.graceful.shutdown()).await.is_err() {
            tracing::warn!("requests were still under way when the time to drain ran out");
        }
    }
}
