//! How commands reach a plane: a server by its URL, the running server of the data directory by
//! its socket, or the store itself where no server runs. All three speak the same API.

mod endpoint;

use crate::cli::Remote;
use crate::config::Config;
use crate::wiring::{self, Missing};
use crate::{Failure, Result};
use axum::body::Body;
use endpoint::Endpoint;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::{Method, Request, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::io::ErrorKind;
use std::time::Duration;
use tenantry_api::operator::ORGANIZATION_HEADER;
use tenantry_api::problem::Problem;
use tenantry_core::audit::Sealer;
use tenantry_core::rng::{self, SystemRng};
use tenantry_http::{App, Options, Peer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixStream;
use tokio::sync::Mutex;

/// Largest answer that is read, in bytes.
const ANSWER_BYTES_MAX: usize = 8 * 1024 * 1024;
/// How long a server may take to answer.
const ANSWER_DEADLINE: Duration = Duration::from_secs(30);
/// How long it may take to bring the product's schema up to date in one tenant database: longer than the
/// server itself allows.
const MIGRATION_DEADLINE: Duration = Duration::from_mins(35);
/// How often a request that makes something is sent where no reply comes.
const ATTEMPTS_MAX: u32 = 3;

/// A way to a plane.
pub(crate) enum Transport {
    /// A server on the network.
    Server { endpoint: Box<Endpoint>, key: Option<String> },
    /// The running server of the data directory.
    Socket(std::path::PathBuf),
    /// The store itself, and what seals the audit trail of the data directory's. That of a store
    /// which nodes share is sealed by them.
    Store(App, Option<Box<Mutex<Sealer>>>),
}

impl Transport {
    /// The server that was named, else the plane of the data directory.
    pub(crate) async fn open(config: &Config, remote: &Remote) -> Result<Self> {
        match &remote.url {
            Some(url) => {
                let endpoint = Box::new(Endpoint::parse(url, remote.ca_cert.as_deref())?);
                Ok(Self::Server { endpoint, key: remote.key.clone() })
            }
            None => Self::local(config, Missing::Refuse).await,
        }
    }

    /// The plane of the data directory, through its server where one runs.
    pub(crate) async fn local(config: &Config, missing: Missing) -> Result<Self> {
        let path = config.operator_socket();
        match UnixStream::connect(&path).await {
            Ok(_) => return Ok(Self::Socket(path)),
            // Nobody listens: no server runs, or it was killed and left the name behind.
            Err(error)
                if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) => {}
            Err(error) => return Err(Failure::Io(format!("reach {}", path.display()), error)),
        }
        if let Some(database) = &config.database {
            let plane = wiring::open_shared(config, database, missing).await?.plane;
            return Ok(Self::Store(App::new(plane, Options::default()), None));
        }
        let app = App::new(wiring::open(config, missing)?.plane, Options::default());
        Ok(Self::Store(app, Some(Box::new(Mutex::new(wiring::sealer(config))))))
    }

    /// Sends a request with a JSON body.
    pub(crate) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        organization: Option<&str>,
        body: &impl Serialize,
    ) -> Result<T> {
        let body = serde_json::to_vec(body).map_err(|error| Failure::Answer(error.to_string()))?;
        self.send(Method::POST, path, organization, body, None).await
    }

    /// Sends a request that makes something, under a key of its own: where the reply is lost, it is
    /// sent again and has the reply that it had.
    pub(crate) async fn create<T: DeserializeOwned>(
        &self,
        path: &str,
        organization: Option<&str>,
        body: &impl Serialize,
    ) -> Result<T> {
        let body = serde_json::to_vec(body).map_err(|error| Failure::Answer(error.to_string()))?;
        let key = format!("{:032x}", u128::from_be_bytes(rng::draw(&SystemRng)));
        let mut attempt = 1;
        loop {
            let sent = self.send(Method::POST, path, organization, body.clone(), Some(&key)).await;
            match sent {
                Err(Failure::Io(..) | Failure::Answer(_)) if attempt < ATTEMPTS_MAX => attempt += 1,
                outcome => return outcome,
            }
        }
    }

    /// Any other call.
    pub(crate) async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        organization: Option<&str>,
        body: Option<&Value>,
    ) -> Result<T> {
        let body = body.map(serde_json::to_vec).transpose();
        let body = body.map_err(|error| Failure::Answer(error.to_string()))?;
        self.send(method, path, organization, body.unwrap_or_default(), None).await
    }

    /// Asks for what is at `path`.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        self.send(Method::GET, path, None, Vec::new(), None).await
    }

    /// A change that takes as long as it takes.
    pub(crate) async fn lasting<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        self.send_within(MIGRATION_DEADLINE, Method::POST, path, None, b"{}".to_vec(), None).await
    }

    async fn send<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        organization: Option<&str>,
        body: Vec<u8>,
        idempotency_key: Option<&str>,
    ) -> Result<T> {
        let deadline = ANSWER_DEADLINE;
        self.send_within(deadline, method, path, organization, body, idempotency_key).await
    }

    async fn send_within<T: DeserializeOwned>(
        &self,
        deadline: Duration,
        method: Method,
        path: &str,
        organization: Option<&str>,
        body: Vec<u8>,
        idempotency_key: Option<&str>,
    ) -> Result<T> {
        let mut request = Request::builder().method(method).uri(path);
        request = request.header(header::CONTENT_TYPE, "application/json");
        let host = match self {
            Self::Server { endpoint, .. } => endpoint.authority(),
            Self::Socket(_) | Self::Store(..) => "localhost",
        };
        request = request.header(header::HOST, host);
        if let Some(key) = idempotency_key {
            request = request.header("idempotency-key", key);
        }
        if let Some(organization) = organization {
            request = request.header(ORGANIZATION_HEADER, organization);
        }
        if let Self::Server { key: Some(key), .. } = self {
            request = request.header(header::AUTHORIZATION, format!("Bearer {key}"));
        }
        let body = Full::new(Bytes::from(body));
        let request = request.body(body).map_err(|error| Failure::Setting(error.to_string()))?;
        let exchange = async {
            match self {
                Self::Server { endpoint, .. } => exchange(endpoint.connect().await?, request).await,
                Self::Socket(path) => {
                    let unreachable =
                        |error| Failure::Io(format!("reach {}", path.display()), error);
                    exchange(UnixStream::connect(path).await.map_err(unreachable)?, request).await
                }
                Self::Store(app, sealer) => {
                    let answer = app.handle(request.map(Body::new), Peer::Operator).await;
                    // No server is there to do it in a moment.
                    if let Some(sealer) = sealer
                        && let Err(error) =
                            app.plane().finish_sealing(&mut *sealer.lock().await).await
                    {
                        tracing::warn!(%error, "the end of the audit trail is not sealed yet");
                    }
                    read(answer).await
                }
            }
        };
        let (status, bytes) = tokio::time::timeout(deadline, exchange)
            .await
            .map_err(|_| Failure::Answer("it took too long".to_owned()))??;
        decode(status, &bytes)
    }
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    request: Request<Full<Bytes>>,
) -> Result<(StatusCode, Bytes)> {
    let answer = |error: hyper::Error| Failure::Answer(error.to_string());
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(answer)?;
    tokio::spawn(connection);
    read(sender.send_request(request).await.map_err(answer)?).await
}

async fn read<B>(response: Response<B>) -> Result<(StatusCode, Bytes)>
where
    B: hyper::body::Body,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let status = response.status();
    let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX);
    let body = body.collect().await.map_err(|error| Failure::Answer(error.to_string()))?;
    Ok((status, body.to_bytes()))
}

fn decode<T: DeserializeOwned>(status: StatusCode, bytes: &[u8]) -> Result<T> {
    if status.is_success() {
        return serde_json::from_slice(bytes).map_err(|error| Failure::Answer(error.to_string()));
    }
    match serde_json::from_slice::<Problem>(bytes) {
        Ok(problem) => Err(Failure::Refused(Box::new(problem))),
        Err(_) => Err(Failure::Answer(format!("status {status} without an explanation"))),
    }
}
