//! TLS: both protocols, files that change, and clients that do not finish the handshake.

use crate::support::{LONG, Running};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tenantry_http::server::{Limits, Network, Tls};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

struct Pair {
    dir: tempfile::TempDir,
}

impl Pair {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().expect("a directory") }
    }

    fn paths(&self) -> (PathBuf, PathBuf) {
        (self.dir.path().join("cert.pem"), self.dir.path().join("key.pem"))
    }

    /// Writes a new pair, and gives what trusts it.
    fn renew(&self) -> TlsConnector {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]);
        let made = made.expect("a certificate");
        let (certificate, key) = self.paths();
        fs::write(&certificate, made.cert.pem()).expect("written");
        fs::write(&key, made.signing_key.serialize_pem()).expect("written");
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).expect("set");
        let mut roots = RootCertStore::empty();
        roots.add(made.cert.der().clone()).expect("a root");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        TlsConnector::from(Arc::new(config))
    }

    fn load(&self) -> Result<Tls, String> {
        let (certificate, key) = self.paths();
        Tls::load(&certificate, &key).map_err(|problem| problem.to_string())
    }
}

async fn shake(server: &Running, connector: &TlsConnector) -> Option<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(server.address).await.expect("a connection");
    let name = ServerName::try_from("localhost").expect("a name");
    timeout(LONG, connector.connect(name, stream)).await.expect("a handshake").ok()
}

/// Waits until the server's certificate is one that `connector` trusts.
async fn await_trust(server: &Running, connector: &TlsConnector) {
    let trusted = async { while shake(server, connector).await.is_none() {} };
    timeout(LONG, trusted).await.expect("the certificate is read again");
}

#[tokio::test]
async fn requests_are_answered_over_tls_and_not_in_clear() {
    let pair = Pair::new();
    let connector = pair.renew();
    let tls = Some(pair.load().expect("a pair"));
    let server = Running::start_with(Network { tls, ..Network::default() }).await;
    let mut stream = shake(&server, &connector).await.expect("trusted");
    stream.write_all(server.verify().as_bytes()).await.expect("sent");
    let mut reply = [0; 15];
    stream.read_exact(&mut reply).await.expect("a reply");
    assert_eq!(&reply, b"HTTP/1.1 200 OK");
    assert!(!server.exchange(server.verify().as_bytes()).await.contains("HTTP/1.1"));
}

#[tokio::test]
async fn http2_is_agreed_on_where_the_client_speaks_it() {
    let pair = Pair::new();
    let connector = pair.renew();
    let tls = Some(pair.load().expect("a pair"));
    let server = Running::start_with(Network { tls, ..Network::default() }).await;
    for (offered, agreed) in [(vec!["h2", "http/1.1"], "h2"), (vec!["http/1.1"], "http/1.1")] {
        let mut config = (**connector.config()).clone();
        config.alpn_protocols = offered.iter().map(|name| name.as_bytes().to_vec()).collect();
        let stream = shake(&server, &TlsConnector::from(Arc::new(config))).await.expect("trusted");
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(agreed.as_bytes()));
    }
}

#[tokio::test]
async fn a_new_pair_is_taken_over_without_a_restart_and_a_bad_one_is_not() {
    let pair = Pair::new();
    let first = pair.renew();
    let tls = Some(pair.load().expect("a pair"));
    let server = Running::start_with(Network { tls, ..Network::default() }).await;
    let mut kept = shake(&server, &first).await.expect("trusted");

    let second = pair.renew();
    await_trust(&server, &second).await;
    assert!(shake(&server, &first).await.is_none(), "the old certificate is still shown");
    // Who is connected stays connected.
    kept.write_all(server.verify().as_bytes()).await.expect("sent");
    let mut reply = [0; 15];
    kept.read_exact(&mut reply).await.expect("a reply");

    // A certificate whose key is not there yet, and then is.
    let (certificate, key) = pair.paths();
    let key_before = fs::read(&key).expect("a key");
    let third = pair.renew();
    let (new_certificate, new_key) =
        (fs::read(&certificate).expect("there"), fs::read(&key).expect("there"));
    fs::write(&key, key_before).expect("written");
    let mut pace = tokio::time::interval(Duration::from_millis(50));
    for _ in 0..40 {
        pace.tick().await;
        // Either may be seen between the writes above, but never nothing.
        assert!(
            shake(&server, &second).await.is_some() || shake(&server, &third).await.is_some(),
            "no certificate is shown"
        );
    }
    fs::write(&certificate, new_certificate).expect("written");
    fs::write(&key, new_key).expect("written");
    await_trust(&server, &third).await;
}

#[tokio::test]
async fn a_handshake_that_is_not_finished_is_cut_off() {
    let pair = Pair::new();
    pair.renew();
    let tls = Some(pair.load().expect("a pair"));
    let limits = Limits { head_deadline: Duration::from_millis(150), ..Limits::default() };
    let server = Running::start_with(Network { limits, tls, ..Network::default() }).await;
    for begun in [&b""[..], &[0x16, 3, 1, 1, 0]] {
        assert_eq!(server.exchange(begun).await, "");
    }
}

#[tokio::test]
async fn case_101_a_key_that_everybody_can_read_is_refused() {
    let pair = Pair::new();
    pair.renew();
    let (certificate, key) = pair.paths();
    for mode in [0o644, 0o604, 0o660, 0o602] {
        fs::set_permissions(&key, fs::Permissions::from_mode(mode)).expect("set");
        let problem = pair.load().err().expect("refused");
        assert!(problem.contains("must be taken as known"), "{problem}");
    }
    fs::set_permissions(&key, fs::Permissions::from_mode(0o640)).expect("set");
    assert!(pair.load().is_ok(), "a group may read it");
    let whole = fs::read_to_string(&key).expect("a key");
    for bad in [String::new(), whole.replace("PRIVATE KEY", "SECRET")] {
        fs::write(&key, &bad).expect("written");
        let problem = pair.load().err().expect("refused");
        assert!(problem.contains("holds no private key"), "{problem}");
        assert!(!problem.contains(&whole[40..60]), "{problem}");
    }
    fs::write(&key, whole).expect("written");
    fs::write(&certificate, "").expect("written");
    assert!(pair.load().err().expect("refused").contains("holds no certificate"));
}
