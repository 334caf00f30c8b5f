//! Fetching what issuers publish: their keys, and the document that says where those are.
//!
//! Whoever names a host must not make this server speak to what only it can reach. So a name is
//! resolved once, every answer is looked at, the address that was looked at is dialled, and TLS
//! holds it to the name. There are no redirects, no proxies, no credentials and no compression.

use async_trait::async_trait;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::header::{ACCEPT, HOST, USER_AGENT};
use hyper::{Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};
use tenantry_core::dialling::{DialRules, NamedBy};
use tenantry_core::error::BoxError;
use tenantry_core::limits;
use tenantry_core::realms::KeyFetch;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Fetches documents over HTTPS; over plain HTTP only from this machine, where the operator named it.
pub struct Documents {
    rules: DialRules,
    tls: OnceLock<Arc<ClientConfig>>,
}

/// Where a document is.
struct Place {
    host: String,
    port: u16,
    tls: bool,
    authority: String,
    path: String,
}

impl Place {
    fn parse(url: &str) -> Result<Self, BoxError> {
        let uri: Uri = url.parse()?;
        let tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err("the URL is neither https nor http".into()),
        };
        let authority = uri.authority().ok_or("the URL names no host")?;
        if authority.as_str().contains('@') {
            return Err("the URL has credentials".into());
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        let is_name = host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.".contains(&b));
        if host.is_empty() || !(is_name || host.parse::<IpAddr>().is_ok()) {
            return Err("the URL names no host".into());
        }
        let port = match authority.as_str().strip_prefix(authority.host()) {
            Some("") => Some(if tls { 443 } else { 80 }),
            Some(rest) => rest.strip_prefix(':').and_then(|port| port.parse().ok()),
            None => None,
        };
        Ok(Self {
            host: host.to_owned(),
            port: port.ok_or("the URL has no port of TCP")?,
            tls,
            authority: authority.to_string(),
            path: uri.path_and_query().map_or("/", |path| path.as_str()).to_owned(),
        })
    }
}

impl Documents {
    /// Dials what these rules permit.
    #[must_use]
    pub const fn new(rules: DialRules) -> Self {
        Self { rules, tls: OnceLock::new() }
    }

    /// The address to dial, of a host all of whose addresses may be dialled.
    async fn resolve(&self, place: &Place, named_by: NamedBy) -> Result<SocketAddr, BoxError> {
        // The resolver of the machine reads odd spellings of numbers as addresses; what it makes of
        // them is what is looked at.
        let found = tokio::net::lookup_host((place.host.as_str(), place.port)).await?;
        let addresses: Vec<SocketAddr> = found.collect();
        if addresses.iter().any(|address| !self.rules.permit(address.ip(), named_by)) {
            return Err("the host has an address that may not be dialled".into());
        }
        let address = addresses.first().ok_or("the host has no address")?;
        let at_home = address.ip().to_canonical().is_loopback() && named_by == NamedBy::Operator;
        if !(place.tls || at_home) {
            return Err("plain HTTP is for this machine alone".into());
        }
        Ok(*address)
    }

    async fn get(&self, url: &str, named_by: NamedBy) -> Result<Vec<u8>, BoxError> {
        let place = Place::parse(url)?;
        let stream = TcpStream::connect(self.resolve(&place, named_by).await?).await?;
        if !place.tls {
            return ask(stream, &place).await;
        }
        let name = ServerName::try_from(place.host.clone())?;
        let stream = TlsConnector::from(self.tls()?).connect(name, stream).await?;
        ask(stream, &place).await
    }

    fn tls(&self) -> Result<Arc<ClientConfig>, BoxError> {
        if let Some(known) = self.tls.get() {
            return Ok(known.clone());
        }
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(self.tls.get_or_init(|| Arc::new(config)).clone())
    }
}

async fn ask(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    place: &Place,
) -> Result<Vec<u8>, BoxError> {
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let request = Request::get(&place.path)
        .header(HOST, &place.authority)
        .header(ACCEPT, "application/json")
        .header(USER_AGENT, concat!("tenantry/", env!("CARGO_PKG_VERSION")))
        .body(Empty::<Bytes>::new())?;
    let answer = async {
        let reply = sender.send_request(request).await?;
        if reply.status() != StatusCode::OK {
            return Err(format!("the answer is {}", reply.status().as_u16()).into());
        }
        let body = Limited::new(reply.into_body(), limits::KEY_SET_BYTES_MAX).collect().await?;
        Ok(body.to_bytes().to_vec())
    };
    // Both on this task: whoever stops waiting closes the connection.
    let mut answer = std::pin::pin!(answer);
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        outcome = &mut answer => outcome,
        ended = &mut connection => match ended {
            // What had arrived by then may be all of it.
            Ok(()) => answer.await,
            Err(error) => Err(error.into()),
        },
    }
}

#[async_trait]
impl KeyFetch for Documents {
    async fn fetch(&self, url: &str, named_by: NamedBy) -> Result<Vec<u8>, BoxError> {
        match tokio::time::timeout(limits::KEY_SET_DEADLINE, self.get(url, named_by)).await {
            Ok(outcome) => outcome,
            Err(_) => Err("it took too long".into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    fn get(url: &str, named_by: NamedBy) -> Result<Vec<u8>, String> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let documents = Documents::new(DialRules::default());
        runtime
            .expect("a runtime")
            .block_on(documents.fetch(url, named_by))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn case_64_what_a_customer_names_is_not_dialled_unless_it_is_public() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.set_nonblocking(true).expect("set");
        let port = listener.local_addr().expect("its address").port();
        for host in [
            "127.0.0.1",
            "localhost",
            "127.1",
            "0x7f.1",
            "2130706433",
            "0",
            "0.0.0.0",
            "[::]",
            "[::1]",
            "[::ffff:127.0.0.1]",
            "[::ffff:7f00:1]",
            "169.254.169.254",
            "10.0.0.1",
            "[fd00:ec2::254]",
        ] {
            for scheme in ["https", "http"] {
                let refused = get(&format!("{scheme}://{host}:{port}/"), NamedBy::Customer);
                assert!(refused.is_err(), "{scheme} {host}");
            }
        }
        let nobody = listener.accept().expect_err("nobody came");
        assert_eq!(nobody.kind(), std::io::ErrorKind::WouldBlock);
    }

    #[test]
    fn case_67_only_urls_of_a_host_and_a_path_are_taken() {
        for url in [
            "file:///etc/passwd",
            "ftp://id.example.com/",
            "/keys",
            "id.example.com",
            "https://",
            "https://user:pw@id.example.com/",
            "https://id.example.com@127.0.0.1/",
            "https://a_b.example.com/",
            "https://a,b/",
            "https://%6c/",
            "https://id.example.com:99999/",
        ] {
            assert!(Place::parse(url).is_err(), "{url}");
        }
        let place = Place::parse("https://id.example.com:8443/a?b=c").expect("a place");
        assert_eq!((place.host.as_str(), place.port, place.tls), ("id.example.com", 8443, true));
        assert_eq!(
            (place.authority.as_str(), place.path.as_str()),
            ("id.example.com:8443", "/a?b=c")
        );
    }

    #[test]
    fn a_server_whose_certificate_nobody_trusts_is_not_asked() {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("made");
        let key = made.signing_key.serialize_der();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key.try_into().expect("a key"))
            .expect("a certificate");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("https://localhost:{}/", listener.local_addr().expect("it").port());
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a connection");
            let mut session = rustls::ServerConnection::new(Arc::new(config)).expect("a session");
            let mut asked = [0; 1];
            let mut stream = rustls::Stream::new(&mut session, &mut stream);
            std::io::Read::read(&mut stream, &mut asked).is_ok_and(|read| read > 0)
        });
        assert!(get(&url, NamedBy::Operator).is_err());
        assert!(!server.join().expect("no panic"));
    }
}
