//! A server in this process, on a free port, and clients that speak bytes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tenantry_backends::sqlite::{SqliteOptions, SqliteStore};
use tenantry_core::Plane;
use tenantry_core::accounts::NewOrganization;
use tenantry_core::actor::{Actor, Context, OperatorActor};
use tenantry_core::clock::{Clock as _, SystemClock};
use tenantry_core::plane::{Parts, Policy};
use tenantry_core::realms::Realms;
use tenantry_core::replay::Once;
use tenantry_core::rng::SystemRng;
use tenantry_core::secrets::{Secrets, SecretsMaterial};
use tenantry_core::text::{Line, Name};
use tenantry_http::server::{self, Limits, Network};
use tenantry_http::{App, Options};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

/// Longer than anything here takes, unless it hangs.
pub(crate) const LONG: Duration = Duration::from_secs(30);

/// A running server.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    /// A master key.
    pub(crate) key: String,
    _dir: tempfile::TempDir,
}

impl Running {
    pub(crate) async fn start(limits: Limits) -> Self {
        Self::start_with(Network { limits, ..Network::default() }).await
    }

    pub(crate) async fn start_with(network: Network) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let store = SqliteStore::open(&SqliteOptions::new(dir.path(), SystemClock.now()));
        let material = SecretsMaterial::generate(&SystemRng).expect("secrets");
        let plane = Arc::new(Plane::new(Parts {
            meters: None,
            database_servers: None,
            store: Arc::new(store.expect("a store")),
            clock: Arc::new(SystemClock),
            rng: Arc::new(SystemRng),
            secrets: Secrets::new(&material),
            realms: Realms::new(&material, false, Vec::new()).expect("the built-in realm"),
            policy: Policy { cache_entries: 1000, ..Policy::default() },
        }));
        let context = Context {
            actor: Actor::Operator(OperatorActor { organization: None }),
            request_id: "test".into(),
            address: None,
        };
        let new = NewOrganization {
            name: Name::parse("Acme").expect("a name"),
            member_name: Name::parse("Owner").expect("a name"),
            member_email: Line::parse("owner@example.com").expect("an address"),
        };
        let created =
            plane.initialize(&context, new, Once::unkept()).await.expect("an organization");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("its address");
        let app = App::new(plane, Options::default());
        // Ends with the test's runtime.
        tokio::spawn(server::serve_network(app, listener, network, std::future::pending()));
        Self { address, key: created.secret.reveal().to_owned(), _dir: dir }
    }

    pub(crate) async fn connect(&self) -> Wire {
        Wire(TcpStream::connect(self.address).await.expect("a connection"))
    }

    /// The bytes of a verification of the master key itself.
    pub(crate) fn verify(&self) -> String {
        let body = format!(r#"{{"key":"{}"}}"#, self.key);
        format!(
            "POST /v1/keys/verify HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\
             Content-Length: {}\r\n\r\n{body}",
            self.key,
            body.len()
        )
    }

    /// What the server answers to these bytes until it closes or `quiet` passes without a byte.
    pub(crate) async fn exchange(&self, bytes: &[u8]) -> String {
        let mut wire = self.connect().await;
        wire.send(bytes).await;
        wire.rest().await
    }
}

/// A connection that speaks bytes.
pub(crate) struct Wire(pub(crate) TcpStream);

impl Wire {
    /// Sends as much as the server takes.
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.0.write_all(bytes.as_ref()).await;
    }

    /// One reply with a `Content-Length`.
    pub(crate) async fn reply(&mut self) -> String {
        let mut bytes = Vec::new();
        loop {
            if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
                let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
                let length = head.split("content-length: ").nth(1);
                let length =
                    length.and_then(|rest| rest.split("\r\n").next()?.parse::<usize>().ok());
                if bytes.len() >= end + 4 + length.unwrap_or(0) {
                    return String::from_utf8(bytes).expect("UTF-8");
                }
            }
            let read = timeout(LONG, self.0.read_buf(&mut bytes)).await.expect("no reply");
            let closed = read.expect("a reply") == 0;
            assert!(!closed, "closed after {:?}", String::from_utf8_lossy(&bytes));
        }
    }

    /// Everything until the server closes the connection, in whatever way.
    pub(crate) async fn rest(&mut self) -> String {
        let mut bytes = Vec::new();
        let _ = timeout(LONG, self.0.read_to_end(&mut bytes)).await.expect("the server's end");
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// The statuses of the replies in `text`.
pub(crate) fn statuses(text: &str) -> Vec<u16> {
    let after = text.split("HTTP/1.1 ").skip(1);
    after.map(|rest| rest[..3].parse().expect("a status")).collect()
}
