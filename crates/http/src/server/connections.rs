//! One connection: hyper's settings, and a request's way from its head to the app.

use super::admission::{Admission, Seat};
use super::limits::{self, Limits};
use super::patience::{Activity, NoTimer, Patient};
use super::proxies::Proxies;
use crate::app::{self, App, Holdable, Peer};
use crate::traffic::Cap;
use axum::response::Response;
use hyper::Version;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Semaphore;

/// Everything that connections of one listener share.
pub(super) struct Connections {
    pub(super) admission: Arc<Admission>,
    pub(super) proxies: Arc<Proxies>,
    server: Server,
    graceful: GracefulShutdown,
}

/// What a connection takes along.
#[derive(Clone)]
pub(super) struct Server {
    app: App,
    builder: Arc<auto::Builder<TokioExecutor>>,
    pub(super) limits: Arc<Limits>,
    proxies: Arc<Proxies>,
    /// Places for refusals that are held.
    held: Arc<Semaphore>,
}

impl Connections {
    pub(super) fn new(app: App, limits: &Limits, proxies: Proxies) -> Self {
        let proxies = Arc::new(proxies);
        let server = Server {
            app: app.with_body_deadline(limits.body_deadline),
            builder: Arc::new(builder(limits)),
            limits: Arc::new(limits.clone()),
            proxies: proxies.clone(),
            held: Arc::new(Semaphore::new(limits::HELD_REFUSALS_MAX)),
        };
        let admission = Admission::new(limits.clone());
        Self { admission, proxies, server, graceful: GracefulShutdown::new() }
    }

    /// What a task of its own needs to serve a connection.
    pub(super) fn server(&self) -> (Server, Watcher) {
        (self.server.clone(), self.graceful.watcher())
    }

    /// Counts a connection that a cap turned away.
    pub(super) fn count_shed(&self, cap: Cap) {
        self.server.app.count_shed(cap);
    }

    pub(super) async fn drain(self) {
        let ended = async {
            self.graceful.shutdown().await;
            // Changes whose clients hung up have no connection any more.
            self.server.app.drain().await;
        };
        if tokio::time::timeout(limits::DRAIN_DEADLINE, ended).await.is_err() {
            tracing::warn!("requests were still under way when the time to drain ran out");
        }
    }
}

fn builder(limits: &Limits) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(NoTimer::new())
        // Heads are `Patient`'s: this only makes hyper wait for the next one at once.
        .header_read_timeout(limits.idle_deadline)
        .max_headers(limits::HEADERS_MAX)
        .writev(false)
        .max_buf_size(limits::HEAD_BYTES_MAX);
    builder
        .http2()
        .timer(TokioTimer::new())
        // h2 bounds CONTINUATION frames by this too: five for 32 kB.
        .max_header_list_size(u32::try_from(limits::HEAD_BYTES_MAX).unwrap_or(u32::MAX))
        .max_concurrent_streams(limits::STREAMS_MAX)
        .max_pending_accept_reset_streams(limits::RESET_STREAMS_MAX)
        .max_local_error_reset_streams(limits::ERROR_STREAMS_MAX)
        .initial_stream_window_size(limits::STREAM_WINDOW_BYTES)
        .initial_connection_window_size(limits::CONNECTION_WINDOW_BYTES)
        .max_send_buf_size(limits::SEND_BUFFER_BYTES_MAX)
        .keep_alive_interval(limits::PING_INTERVAL)
        .keep_alive_timeout(limits::PING_DEADLINE);
    builder
}

/// Who is at the other end, and their place where places are counted.
pub(super) enum Client {
    Network(Seat, IpAddr),
    /// A trusted proxy, who says for whom each request is.
    Proxy(Seat, IpAddr),
    Operator,
}

impl Server {
    /// Serves a connection to its end.
    pub(super) async fn serve(
        self,
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
        client: Client,
        watcher: Watcher,
    ) {
        let link = Arc::new(Link {
            app: self.app,
            client,
            proxies: self.proxies,
            held: self.held,
            activity: Arc::new(Activity::new()),
        });
        let stream = Patient::new(stream, link.activity.clone(), &self.limits);
        let service = service_fn(move |request: hyper::Request<Incoming>| {
            let under_way = UnderWay::begin(&link, request.version() == Version::HTTP_2);
            let question = app::Hot::of(&request).is_some_and(app::Hot::is_question);
            async move {
                let link = &*under_way.0;
                let response = link.answer(request).await;
                if !(question && response.status().is_success()) {
                    let holdable = response.extensions().get::<Holdable>().is_some();
                    // Not a proxy's: it would run out of connections that others wait for.
                    let holds = holdable && matches!(link.client, Client::Network(..));
                    take_time(holds, &link.held).await;
                }
                Ok::<_, Infallible>(response)
            }
        });
        let connection = self.builder.serve_connection(TokioIo::new(stream), service).into_owned();
        // A client that breaks the protocol or goes away is no event of the server's.
        if let Err(error) = watcher.watch(connection).await {
            tracing::debug!(error = &*error, "a connection ended early");
        }
    }
}

/// Lets others go first: a client that sends the next request before it has read the reply would be
/// served at once again, and again. Not after questions that were answered, which are shorter
/// than the turn that this takes.
async fn take_time(holds: bool, held: &Semaphore) {
    if holds && let Ok(_place) = held.try_acquire() {
        tokio::time::sleep(limits::REFUSAL_HOLD).await;
    } else {
        tokio::task::yield_now().await;
    }
}

/// What the requests of a connection share.
struct Link {
    app: App,
    client: Client,
    proxies: Arc<Proxies>,
    /// Places for refusals that are held.
    held: Arc<Semaphore>,
    activity: Arc<Activity>,
}

/// A request under way.
struct UnderWay(Arc<Link>);

impl UnderWay {
    fn begin(link: &Arc<Link>, multiplexed: bool) -> Self {
        link.activity.begin(multiplexed);
        Self(link.clone())
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.activity.end();
    }
}

impl Link {
    async fn answer(&self, request: hyper::Request<Incoming>) -> Response {
        let app = &self.app;
        let (seat, address) = match &self.client {
            Client::Operator => return app.handle(request, Peer::Operator).await,
            Client::Network(seat, address) => (seat, *address),
            Client::Proxy(seat, address) => {
                (seat, self.proxies.client(*address, request.headers()))
            }
        };
        let peer = Peer::Network(address);
        match seat.enter(address) {
            Ok(_permit) => app.handle(request, peer).await,
            // A server that is busy is not one to restart.
            Err(_) if request.uri().path() == "/livez" => app.handle(request, peer).await,
            Err(cap) => app.shed(request, peer, cap).await,
        }
    }
}
