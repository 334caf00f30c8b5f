//! One request from its head to its reply: request id, checks that come before any route, the
//! route, the family's error shape, the access log.

use crate::body::RequestBody;
use crate::native::verify;
use crate::oauth2::{introspect, token};
use crate::refusal::{self, Refusal};
use crate::routes::{Effect, Family, Found, ROUTES, Route, Router};
use crate::server::{HEADERS_MAX, Limits};
use crate::trace::{self, Parent, Recorder, TraceId};
use crate::traffic::{Cap, RouteTraffic, Traffic};
use axum::body::Body;
use axum::extract::Request;
use axum::http;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, Version, header};
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt as _;
use std::borrow::Cow;
use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tenantry_core::Plane;
use tenantry_core::error::{Error, Kind};
use tenantry_core::jwt::looks_like_jwt;
use tenantry_core::oauth::TOKEN_PATH;
use tenantry_core::rng;
use tenantry_core::secrets::plain;
use tokio_util::task::TaskTracker;

/// Longest request target, in bytes.
pub(crate) const URI_BYTES_MAX: usize = 8 * 1024;
/// How long a changing request may take.
const WRITE_DEADLINE: Duration = Duration::from_secs(10);
// A change that is waited for until it holds everywhere is answered within it.
const _: () =
    assert!(tenantry_core::limits::EVERYWHERE_WAIT_MAX.as_secs() < WRITE_DEADLINE.as_secs());
/// Longest request id that is taken over from a client, in bytes.
const REQUEST_ID_BYTES_MAX: usize = 128;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What every handler has.
#[derive(Clone)]
pub struct AppState {
    pub(crate) plane: Arc<Plane>,
    pub(crate) readiness: Arc<Readiness>,
    /// How long a body may take to arrive.
    pub(crate) body_deadline: Duration,
    /// Changes under way, which outlive a client that hangs up.
    writes: TaskTracker,
}

impl AppState {
    /// Carries a change out in a task of its own: a client that hangs up drops only the wait.
    pub(crate) async fn change<T: Send + 'static>(
        &self,
        change: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, Refusal> {
        let task = self.writes.spawn(AssertUnwindSafe(change).catch_unwind());
        match tokio::time::timeout(WRITE_DEADLINE, task).await {
            Ok(Ok(Ok(outcome))) => Ok(outcome),
            // The panic hook has logged where; what the task held is not repeated.
            Ok(_) => Err(Error::internal("a handler panicked").into()),
            Err(_) => Err(Refusal::OutcomeUnknown),
        }
    }
}

/// Whether the server wants requests.
#[derive(Debug)]
pub struct Readiness(AtomicBool);

impl Default for Readiness {
    fn default() -> Self {
        Self(AtomicBool::new(true))
    }
}

impl Readiness {
    /// Says that the server is about to stop.
    pub fn set_draining(&self) {
        self.0.store(false, Ordering::SeqCst);
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// Who is at the other end of a connection.
#[derive(Clone, Copy, Debug)]
pub enum Peer {
    /// A client on the network.
    Network(IpAddr),
    /// The operator, over the socket in the data directory.
    Operator,
}

impl Peer {
    pub(crate) fn address(self) -> Option<IpAddr> {
        match self {
            Self::Network(address) => Some(address),
            Self::Operator => None,
        }
    }
}

/// In the extensions of a reply to a stranger who has guessed too much: it may leave late.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Holdable;

/// The id of a request, in its extensions.
#[derive(Clone, Debug)]
pub(crate) struct RequestId(pub(crate) Box<str>);

/// Where a request's id is from.
enum IdSource {
    Client(Box<str>),
    /// In hex, without an allocation.
    Drawn([u8; 32]),
}

impl IdSource {
    fn drawn(prefix: u64, number: u64) -> Self {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = [b'0'; 32];
        let bytes = (u128::from(prefix) << 64 | u128::from(number)).to_be_bytes();
        for (pair, byte) in text.chunks_exact_mut(2).zip(bytes) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 15)];
        }
        Self::Drawn(text)
    }

    fn as_str(&self) -> &str {
        match self {
            Self::Client(text) => text,
            Self::Drawn(text) => std::str::from_utf8(text).unwrap_or_default(),
        }
    }
}

/// How an [`App`] is set up.
#[derive(Clone, Debug)]
pub struct Options {
    /// Of the verifications and introspections that were answered, and of the requests that a cap or a budget
    /// refused, one in this many is logged; every other request always is.
    pub access_log_sample: u64,
    /// Whether verifications, introspections and tokens take the short-cut past the router. They
    /// answer the same either way.
    pub short_cut: bool,
    /// Who records traces.
    pub recorder: Option<Arc<dyn Recorder>>,
}

impl Default for Options {
    fn default() -> Self {
        Self { access_log_sample: 100, short_cut: true, recorder: None }
    }
}

/// The whole surface.
#[derive(Clone)]
pub struct App {
    state: AppState,
    shared: Arc<Shared>,
}

struct Shared {
    options: Options,
    router: Router,
    /// Where those that take the short-cut stand in the table.
    hot: [usize; Hot::ALL.len()],
    traffic: Traffic,
    /// What the ids of this process's requests begin with.
    request_id_prefix: u64,
    requests: AtomicU64,
}

/// A request's head, as far as its end needs it.
struct Begun {
    at: Duration,
    id: IdSource,
    number: u64,
    method: Method,
    family: Family,
    peer: Peer,
    /// The trace that the client or the recorder says it belongs to.
    trace_id: Option<TraceId>,
    span: Option<Box<dyn trace::Span>>,
}

impl App {
    /// The surface of a plane.
    ///
    /// # Panics
    /// When the table of routes contradicts itself.
    #[must_use]
    pub fn new(plane: Arc<Plane>, options: Options) -> Self {
        let shared = Shared {
            options,
            router: Router::new(ROUTES),
            hot: Hot::ALL.map(|hot| {
                let own = |route: &Route| route.method == Method::POST && route.path == hot.path();
                ROUTES.iter().position(own).expect("the short-cut's routes are in the table")
            }),
            traffic: Traffic::new(),
            request_id_prefix: u64::from_be_bytes(rng::draw(plane.rng())),
            requests: AtomicU64::new(0),
        };
        let body_deadline = Limits::default().body_deadline;
        let state = AppState {
            plane,
            readiness: Arc::default(),
            body_deadline,
            writes: TaskTracker::new(),
        };
        Self { state, shared: Arc::new(shared) }
    }

    /// The same with another deadline for bodies.
    #[must_use]
    pub fn with_body_deadline(mut self, deadline: Duration) -> Self {
        self.state.body_deadline = deadline;
        self
    }

    /// What `/readyz` tells, to be changed when the server stops.
    #[must_use]
    pub fn readiness(&self) -> Arc<Readiness> {
        self.state.readiness.clone()
    }

    /// What each route has answered since the start.
    #[must_use]
    pub fn traffic(&self) -> Vec<RouteTraffic> {
        self.shared.traffic.snapshot()
    }

    /// How many connections and requests each cap has turned away since the start.
    #[must_use]
    pub fn shed_counts(&self) -> impl IntoIterator<Item = (Cap, u64)> + use<> {
        self.shared.traffic.shed()
    }

    /// Counts a connection that a cap turned away.
    pub(crate) fn count_shed(&self, cap: Cap) {
        self.shared.traffic.count_shed(cap);
    }

    /// The plane beneath.
    #[must_use]
    pub fn plane(&self) -> &Plane {
        &self.state.plane
    }

    /// Waits for the changes that are under way, those of clients that hung up included.
    pub async fn drain(&self) {
        self.state.writes.close();
        self.state.writes.wait().await;
    }

    /// Answers a request.
    pub async fn handle(&self, request: http::Request<impl RequestBody>, peer: Peer) -> Response {
        let begun = self.begin(&request, peer);
        let hot = Hot::of(&request).filter(|_| self.shared.options.short_cut);
        let Some(hot) = hot else {
            // Boxed, so that the future of what most requests ask stays small.
            return Box::pin(self.answer(begun, request.map(Body::new), None)).await;
        };
        let (parts, body) = request.into_parts();
        let response = match check_head(parts.version, &parts.uri, &parts.headers) {
            Ok(()) => {
                let (state, headers) = (&self.state, &parts.headers);
                let answer = async {
                    match hot {
                        Hot::Verify => verify::answer(state, peer, headers, body).await,
                        Hot::Introspect => introspect::answer(state, peer, headers, body).await,
                        Hot::Token => token::answer(state, peer, headers, body).await,
                    }
                };
                AssertUnwindSafe(answer).catch_unwind().await.unwrap_or_else(|_| panicked())
            }
            Err(refusal) => refusal.into_response(),
        };
        self.finish(begun, Some(self.shared.hot[hot as usize]), response)
    }

    /// Answers a request that a cap leaves no room for.
    pub(crate) async fn shed(
        &self,
        request: http::Request<impl RequestBody>,
        peer: Peer,
        cap: Cap,
    ) -> Response {
        self.count_shed(cap);
        let begun = self.begin(&request, peer);
        Box::pin(self.answer(begun, request.map(Body::new), Some(Refusal::Overloaded))).await
    }

    async fn answer(
        &self,
        begun: Begun,
        mut request: Request,
        refused: Option<Refusal>,
    ) -> Response {
        request.extensions_mut().insert(RequestId(begun.id.as_str().into()));
        request.extensions_mut().insert(begun.peer);
        let (route, response) = match refused.map_or_else(|| check(&request), Err) {
            Err(refusal) => (None, refusal.into_response()),
            Ok(()) => self.dispatch(request, begun.peer).await,
        };
        self.finish(begun, route, response)
    }

    /// What every request begins with.
    fn begin<B>(&self, request: &http::Request<B>, peer: Peer) -> Begun {
        let at = self.state.plane.clock().monotonic();
        let number = self.shared.requests.fetch_add(1, Ordering::Relaxed);
        let headers = request.headers();
        let parent = Parent::of(headers);
        let span = self.shared.options.recorder.as_ref().and_then(|recorder| {
            let method = known_method(request.method());
            let operator = matches!(peer, Peer::Operator);
            let version = request.version();
            recorder.begin(&trace::Head::new(parent, method, version, operator, headers))
        });
        let own = || span.as_ref().map(|span| span.trace_id());
        Begun {
            at,
            id: self.request_id(headers, number),
            number,
            method: request.method().clone(),
            family: Family::of(request.uri().path()),
            peer,
            trace_id: parent.map(|parent| parent.trace_id).or_else(own),
            span,
        }
    }

    /// What every reply goes through, whichever way it was made.
    fn finish(&self, begun: Begun, route: Option<usize>, mut response: Response) -> Response {
        let id = begun.id.as_str();
        let mut flooded = false;
        if let Some(refusal) = response.extensions_mut().remove::<Refusal>() {
            let now = self.state.plane.clock().now();
            let ids = refusal::Ids { request: id, trace: begun.trace_id };
            response = refusal::render(&refusal, begun.family, ids, now);
            flooded = refusal.tells_of_a_flood();
            if refusal.is_of_a_guessing_stranger() {
                response.extensions_mut().insert(Holdable);
            }
        }
        if let Ok(value) = HeaderValue::from_str(id) {
            response.headers_mut().insert(REQUEST_ID, value);
        }
        if begun.method == Method::HEAD {
            *response.body_mut() = Body::empty();
        }
        let took = self.state.plane.clock().monotonic().saturating_sub(begun.at);
        self.shared.traffic.count(route, response.status(), took);
        let question = Hot::ALL
            .into_iter()
            .any(|hot| hot.is_question() && route == Some(self.shared.hot[hot as usize]));
        let answered = question && response.status() == StatusCode::OK;
        // A line for each request of a flood would make the flood the log's.
        let sampled = answered || flooded;
        let sample = if sampled { self.shared.options.access_log_sample.max(1) } else { 1 };
        if begun.number.is_multiple_of(sample) {
            log(&begun, route, response.status(), took, sample);
        }
        if let Some(span) = begun.span {
            let route = route.map(|index| ROUTES[index].path);
            let status = response.status().as_u16();
            span.end(&trace::Answer { route, status, request_id: begun.id.as_str() });
        }
        response
    }

    async fn dispatch(&self, mut request: Request, peer: Peer) -> (Option<usize>, Response) {
        let operator = matches!(peer, Peer::Operator);
        let router = &self.shared.router;
        let (index, route, parameters) =
            match router.find(request.method(), request.uri().path(), operator) {
                Found::Route(index, route, parameters) => (index, route, parameters),
                Found::OtherMethods(allow) => {
                    return (None, Refusal::MethodNotAllowed { allow }.into_response());
                }
                Found::Nothing => {
                    return (None, Refusal::from(Error::NotFound(Kind::Path)).into_response());
                }
            };
        request.extensions_mut().insert(parameters);
        let call = route.call(self.state.clone(), request);
        let response = match route.effect {
            Effect::Reads | Effect::Lasts => {
                AssertUnwindSafe(call).catch_unwind().await.unwrap_or_else(|_| panicked())
            }
            Effect::Writes | Effect::Creates => {
                self.state.change(call).await.unwrap_or_else(IntoResponse::into_response)
            }
        };
        (Some(index), response)
    }

    /// The client's own request id where it is one sane word, else a new one.
    fn request_id(&self, headers: &HeaderMap, number: u64) -> IdSource {
        let mut sent = headers.get_all(REQUEST_ID).iter();
        let sane = |text: &&str| {
            (1..=REQUEST_ID_BYTES_MAX).contains(&text.len())
                && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
                && !plain::looks_like_secret(text)
                && !looks_like_jwt(text)
        };
        match (sent.next().and_then(|value| value.to_str().ok()).filter(sane), sent.next()) {
            (Some(text), None) => IdSource::Client(text.into()),
            _ => IdSource::drawn(self.shared.request_id_prefix, number),
        }
    }
}

/// What is refused before any route is looked for.
fn check(request: &Request) -> Result<(), Refusal> {
    let uri = request.uri();
    if uri.path().len() + uri.query().map_or(0, str::len) > URI_BYTES_MAX {
        return Err(Refusal::UriTooLong);
    }
    check_head(request.version(), uri, request.headers())?;
    let looks_secret = |text: &str| {
        let text = decode(text);
        plain::looks_like_secret(&text) || looks_like_jwt(&text)
    };
    let in_path = uri.path().split('/').any(looks_secret);
    let in_query = uri.query().unwrap_or_default().split('&').any(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let names_credential =
            CREDENTIAL_PARAMETERS.contains(&decode(name).to_ascii_lowercase().as_str());
        names_credential || looks_secret(value) || looks_secret(name)
    });
    if in_path || in_query {
        return Err(Error::AmbiguousCredentials.into());
    }
    Ok(())
}

/// What takes the short-cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hot {
    Verify,
    Introspect,
    Token,
}

impl Hot {
    const ALL: [Self; 3] = [Self::Verify, Self::Introspect, Self::Token];

    const fn path(self) -> &'static str {
        match self {
            Self::Verify => verify::PATH,
            Self::Introspect => introspect::PATH,
            Self::Token => TOKEN_PATH,
        }
    }

    /// Exactly its route, and nothing else in the target.
    pub(crate) fn of<B>(request: &http::Request<B>) -> Option<Self> {
        if *request.method() != Method::POST || request.uri().query().is_some() {
            return None;
        }
        let path = request.uri().path();
        Self::ALL.into_iter().find(|hot| hot.path() == path)
    }

    /// True for what asks about a credential.
    pub(crate) fn is_question(self) -> bool {
        self != Self::Token
    }
}

fn decode(text: &str) -> Cow<'_, str> {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy()
}

/// Query parameters in which other products take credentials. Here they never belong: URLs are
/// logged by whoever forwards them.
const CREDENTIAL_PARAMETERS: [&str; 6] =
    ["api_key", "apikey", "access_token", "client_secret", "key", "token"];

/// What holds for every request's head, on whichever way it is answered.
fn check_head(version: Version, uri: &Uri, headers: &HeaderMap) -> Result<(), Refusal> {
    // HTTP/1 is held to it before; HTTP/2 only to the sum of their sizes.
    if headers.len() > HEADERS_MAX {
        return Err(Refusal::HeadTooLarge);
    }
    check_host(version, uri, headers)
}

/// RFC 9112 §3.2: exactly one `Host` in HTTP/1.1; HTTP/2 names the authority in its own field.
fn check_host(version: Version, uri: &Uri, headers: &HeaderMap) -> Result<(), Refusal> {
    let mut hosts = headers.get_all(header::HOST).iter();
    let fits = match (hosts.next(), hosts.next()) {
        (Some(_), Some(_)) => false,
        (Some(_), None) => true,
        (None, _) => version != Version::HTTP_11 || uri.authority().is_some(),
    };
    if fits { Ok(()) } else { Err(Error::Malformed("exactly one Host is required").into()) }
}

/// Neither the path nor anything else that the client wrote: a key in a path stays out.
fn log(begun: &Begun, route: Option<usize>, status: StatusCode, took: Duration, sample: u64) {
    tracing::info!(
        target: "tenantry::access",
        request_id = begun.id.as_str(),
        trace_id = begun.trace_id.map(tracing::field::display),
        method = known_method(&begun.method).unwrap_or("other"),
        route = route.map_or("none", |index| ROUTES[index].path),
        status = status.as_u16(),
        micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
        address = begun.peer.address().map(tracing::field::display),
        one_in = (sample > 1).then_some(sample),
    );
}

fn panicked() -> Response {
    // The panic hook has logged where; what the handler held is not repeated.
    Refusal::from(Error::internal("a handler panicked")).into_response()
}

/// None for a method that the client may have made up.
fn known_method(method: &Method) -> Option<&'static str> {
    let name = match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => return None,
    };
    Some(name)
}
