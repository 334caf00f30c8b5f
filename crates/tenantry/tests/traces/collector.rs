//! A collector that keeps what it is sent, and the server that sends it.

use crate::otlp::{Export, Span};
use crate::support::http::Connection;
use crate::support::site::{Credentials, Server, Site};
use prost::Message as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// Takes OTLP over HTTP for as long as it lives.
pub(crate) struct Collector {
    /// What `--otlp-endpoint` is told.
    pub(crate) url: String,
    bodies: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Collector {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let bodies: Arc<Mutex<Vec<_>>> = Arc::default();
        let kept = bodies.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let kept = kept.clone();
                std::thread::spawn(move || take(stream, &kept));
            }
        });
        Self { url, bodies }
    }

    /// Every byte that was sent.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.bodies.lock().expect("nobody panics").concat()
    }

    /// Everything that was sent.
    pub(crate) fn exports(&self) -> Vec<Export> {
        let bodies = self.bodies.lock().expect("nobody panics");
        bodies.iter().map(|body| Export::decode(&body[..]).expect("OTLP")).collect()
    }

    /// Every span that was sent.
    pub(crate) fn spans(&self) -> Vec<Span> {
        let resources = self.exports().into_iter().flat_map(|export| export.resource_spans);
        let scopes = resources.flat_map(|resource| resource.scope_spans);
        scopes.flat_map(|scope| scope.spans).collect()
    }

    /// The span of the request that had this id, if there is one.
    pub(crate) fn span(&self, request: &str) -> Option<Span> {
        let mut found = self.spans();
        found.retain(|span| span.attribute("tenantry.request_id") == request);
        assert!(found.len() <= 1, "a request has one span: {found:?}");
        found.pop()
    }
}

/// Takes requests on a connection, and answers them once they are kept.
fn take(stream: TcpStream, kept: &Mutex<Vec<Vec<u8>>>) -> Option<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if stream.read_line(&mut head).ok()? == 0 {
                return None;
            }
        }
        let lower = head.to_ascii_lowercase();
        assert!(head.starts_with("POST /v1/traces HTTP/1.1\r\n"), "{head}");
        assert!(lower.contains("\r\ncontent-type: application/x-protobuf\r\n"), "{head}");
        let length = lower.lines().find_map(|line| line.strip_prefix("content-length: "));
        let mut body = vec![0; length.expect("a length").parse().expect("a number")];
        stream.read_exact(&mut body).ok()?;
        kept.lock().expect("nobody panics").push(body);
        stream.get_mut().write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").ok()?;
    }
}

/// A server that is traced.
pub(crate) struct Traced {
    folder: tempfile::TempDir,
    pub(crate) site: Site,
    pub(crate) server: Server,
    pub(crate) credentials: Credentials,
    pub(crate) connection: Connection,
}

impl Traced {
    /// Starts one that sends its spans to `url`, those of requests without a parent by `sample`.
    pub(crate) fn start(url: &str, sample: &str) -> Self {
        let folder = tempfile::tempdir().expect("a directory");
        let mut site = Site::new(folder.path());
        site.options.extend(["--otlp-endpoint", url, "--trace-sample", sample].map(str::to_owned));
        // Of which nobody answers, so that a request fails.
        let settings = folder.path().join("tenantry.toml");
        let away = "[[database_servers]]\nname = \"away\"\nhost = \"127.0.0.1\"\nport = 1\n\
             user = \"u\"\npassword-env = \"PATH\"\n";
        std::fs::write(&settings, away).expect("written");
        site.options.extend(["--config".to_owned(), settings.display().to_string()]);
        site.options.extend(["--metrics-listen", "127.0.0.1:0"].map(str::to_owned));
        site.environment.push(("NO_PROXY".to_owned(), "*".into()));
        let server = site.start();
        let credentials = site.credentials();
        let connection = Connection::open(&server.address).expect("a connection");
        Self { folder, site, server, credentials, connection }
    }

    /// Sends a request of the organization's owner that has this id; its status.
    pub(crate) fn send(
        &mut self,
        request_id: &str,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> u16 {
        let bearer = format!("Bearer {}", self.credentials.master);
        let mut all = vec![("authorization", &*bearer), ("x-request-id", request_id)];
        all.extend([("content-type", "application/json")]);
        all.extend(headers);
        self.connection.send(method, path, &all, body).expect("a reply").status
    }

    /// Stops the server, which sends what is left, and gives back its site.
    pub(crate) fn stop(self) -> (Site, tempfile::TempDir) {
        assert!(self.server.stop().success());
        (self.site, self.folder)
    }
}
