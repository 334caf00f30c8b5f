//! One request from its head to its reply: request id, checks that come before any route, the
//! route, the family's error shape, the access log.

use crate::refusal::{self, Refusal};
use crate::routes::{Effect, Family, Found, ROUTES, Router};
use crate::server::{HEADERS_MAX, Limits};
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, Uri, Version, header};
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt as _;
use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tenantry_core::Plane;
use tenantry_core::error::{Error, Kind};
use tenantry_core::rng;
use tenantry_core::secrets::plain;

/// Longest request target, in bytes.
pub(crate) const URI_BYTES_MAX: usize = 8 * 1024;
/// How long a changing request may take.
const WRITE_DEADLINE: Duration = Duration::from_secs(10);
/// Longest request id that is taken over from a client, in bytes.
const REQUEST_ID_BYTES_MAX: usize = 128;

const REQUEST_ID: &str = "x-request-id";

/// What every handler has.
#[derive(Clone)]
pub struct AppState {
    pub(crate) plane: Arc<Plane>,
    pub(crate) readiness: Arc<Readiness>,
    /// How long a body may take to arrive.
    pub(crate) body_deadline: Duration,
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

/// The id of a request, in its extensions.
#[derive(Clone, Debug)]
pub(crate) struct RequestId(pub(crate) Box<str>);

/// The whole surface.
#[derive(Clone)]
pub struct App {
    state: AppState,
    router: Arc<Router>,
}

impl App {
    /// The surface of a plane.
    #[must_use]
    pub fn new(plane: Arc<Plane>) -> Self {
        let body_deadline = Limits::default().body_deadline;
        let state = AppState { plane, readiness: Arc::default(), body_deadline };
        Self { state, router: Arc::new(Router::new(ROUTES)) }
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

    /// Answers a request.
    pub async fn handle(&self, request: Request, peer: Peer) -> Response {
        self.answer(request, peer, None).await
    }

    /// Answers a request that there is no room for.
    pub async fn shed(&self, request: Request, peer: Peer) -> Response {
        self.answer(request, peer, Some(Refusal::Overloaded)).await
    }

    async fn answer(&self, mut request: Request, peer: Peer, refused: Option<Refusal>) -> Response {
        let started = self.state.plane.clock().monotonic();
        let request_id = self.request_id(request.headers());
        let method = request.method().clone();
        let family = Family::of(request.uri().path());
        request.extensions_mut().insert(RequestId(request_id.clone()));
        request.extensions_mut().insert(peer);

        let (route, mut response) = match refused.map_or_else(|| self.check(&request), Err) {
            Err(refusal) => (None, refusal.into_response()),
            Ok(()) => self.dispatch(request, peer).await,
        };
        if let Some(refusal) = response.extensions_mut().remove::<Refusal>() {
            let now = self.state.plane.clock().now();
            response = refusal::render(&refusal, family, &request_id, now);
        }
        if let Ok(value) = HeaderValue::from_str(&request_id) {
            response.headers_mut().insert(REQUEST_ID, value);
        }
        if method == Method::HEAD {
            *response.body_mut() = Body::empty();
        }
        let took = self.state.plane.clock().monotonic().saturating_sub(started);
        // Neither the path nor anything else that the client wrote: a key in a path stays out.
        tracing::info!(
            target: "tenantry::access",
            request_id = &*request_id,
            method = known_method(&method),
            route = route.unwrap_or("none"),
            status = response.status().as_u16(),
            micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
            address = peer.address().map(tracing::field::display),
        );
        response
    }

    async fn dispatch(&self, mut request: Request, peer: Peer) -> (Option<&'static str>, Response) {
        let operator = matches!(peer, Peer::Operator);
        let (route, parameters) =
            match self.router.find(request.method(), request.uri().path(), operator) {
                Found::Route(route, parameters) => (route, parameters),
                Found::OtherMethods(allow) => {
                    return (None, Refusal::MethodNotAllowed { allow }.into_response());
                }
                Found::Nothing => {
                    return (None, Refusal::from(Error::NotFound(Kind::Path)).into_response());
                }
            };
        request.extensions_mut().insert(parameters);
        let call = AssertUnwindSafe(route.call(self.state.clone(), request)).catch_unwind();
        let response = match route.effect {
            Effect::Reads => call.await.unwrap_or_else(|_| panicked()),
            Effect::Writes => {
                // A client that hangs up drops this future, and with it only the wait.
                let task = tokio::spawn(call);
                match tokio::time::timeout(WRITE_DEADLINE, task).await {
                    Ok(Ok(outcome)) => outcome.unwrap_or_else(|_| panicked()),
                    Ok(Err(_)) => panicked(),
                    Err(_) => Refusal::OutcomeUnknown.into_response(),
                }
            }
        };
        (Some(route.path), response)
    }

    /// What is refused before any route is looked for.
    fn check(&self, request: &Request) -> Result<(), Refusal> {
        let uri = request.uri();
        if uri.path().len() + uri.query().map_or(0, str::len) > URI_BYTES_MAX {
            return Err(Refusal::UriTooLong);
        }
        // HTTP/1 is held to it before; HTTP/2 only to the sum of their sizes.
        if request.headers().len() > HEADERS_MAX {
            return Err(Refusal::HeadTooLarge);
        }
        check_host(request.version(), uri, request.headers())?;
        let prefix = &self.state.plane.policy().key_prefix;
        let looks_secret = |text: &str| {
            let text = percent_encoding::percent_decode_str(text).decode_utf8_lossy();
            plain::looks_like_secret(&text, prefix)
        };
        let in_path = uri.path().split('/').any(looks_secret);
        let in_query = uri.query().unwrap_or_default().split('&').any(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            CREDENTIAL_PARAMETERS.contains(&name) || looks_secret(value) || looks_secret(name)
        });
        if in_path || in_query {
            return Err(Error::AmbiguousCredentials.into());
        }
        Ok(())
    }

    /// The client's own request id where it is one sane word, else a new one.
    fn request_id(&self, headers: &HeaderMap) -> Box<str> {
        let mut sent = headers.get_all(REQUEST_ID).iter();
        let sane = |text: &&str| {
            (1..=REQUEST_ID_BYTES_MAX).contains(&text.len())
                && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
                && !plain::looks_like_secret(text, &self.state.plane.policy().key_prefix)
        };
        match (sent.next().and_then(|value| value.to_str().ok()).filter(sane), sent.next()) {
            (Some(text), None) => text.into(),
            _ => format!("{:032x}", u128::from_be_bytes(rng::draw(self.state.plane.rng()))).into(),
        }
    }
}

/// Query parameters in which other products take credentials. Here they never belong: URLs are
/// logged by whoever forwards them.
const CREDENTIAL_PARAMETERS: [&str; 6] =
    ["api_key", "apikey", "access_token", "client_secret", "key", "token"];

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

fn panicked() -> Response {
    // The panic hook has logged where; what the handler held is not repeated.
    Refusal::from(Error::internal("a handler panicked")).into_response()
}

fn known_method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}
