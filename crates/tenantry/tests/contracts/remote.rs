//! The command line and a server on the network: over TLS with a certificate that is verified, or
//! not at all.

use crate::support::{Installation, Outcome, Server, Tree};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use std::fs;
use std::io::Read as _;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;

/// A server that shows a certificate for `localhost` from a CA of its own.
struct Site {
    installation: Installation,
    server: Server,
    master_key: String,
}

impl Site {
    fn new() -> Self {
        let installation = Installation::new();
        let created = installation.json(&[
            "init",
            "--organization",
            "Acme",
            "--name",
            "Ann",
            "--email",
            "ann@example.com",
        ]);
        let ca = authority("Ours");
        let key = KeyPair::generate().expect("a key");
        let leaf = CertificateParams::new(["localhost".to_owned()]).expect("a name");
        let leaf = leaf.signed_by(&key, &ca).expect("a certificate");
        let path = |name: &str| installation.path(name).to_str().expect("UTF-8").to_owned();
        fs::write(path("ca.pem"), ca.pem()).expect("written");
        fs::write(path("other.pem"), authority("Another").pem()).expect("written");
        fs::write(path("cert.pem"), leaf.pem()).expect("written");
        fs::write(path("key.pem"), key.serialize_pem()).expect("written");
        fs::set_permissions(path("key.pem"), fs::Permissions::from_mode(0o600)).expect("set");
        let tls = ["--tls-cert", &path("cert.pem"), "--tls-key", &path("key.pem")];
        let server = installation.serve(&tls);
        let master_key = created.text("api_key").to_owned();
        Self { installation, server, master_key }
    }

    fn port(&self) -> &str {
        self.server.base.rsplit(':').next().expect("a port")
    }

    /// Creates an account at `url`; with the machine's own CAs in `trusted`, a file.
    fn create(&self, url: &str, trusted: &str, options: &[&str]) -> Outcome {
        let words = ["accounts", "create", "--name", "alpha", "--json", "--url", url];
        let mut command = self.installation.command(&[&words[..], options].concat());
        command.env("SSL_CERT_FILE", self.installation.path(trusted)).env_remove("SSL_CERT_DIR");
        Installation::outcome(command.env("TENANTRY_KEY", &self.master_key))
    }

    fn assert_refused(&self, url: &str, trusted: &str, options: &[&str], text: &str) {
        let outcome = self.create(url, trusted, options);
        assert_eq!(outcome.code, Some(1), "{url}: {}", outcome.stderr);
        assert!(outcome.stderr.contains(text), "{url}: {}", outcome.stderr);
        assert!(outcome.stdout.is_empty() && !outcome.stderr.contains(&self.master_key));
    }
}

fn authority(name: &str) -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("a key");
    CertifiedIssuer::self_signed(params, key).expect("a CA")
}

/// Seen failing with every certificate taken for one of `localhost`, and with the machine's CAs
/// trusted beside the one that is named.
#[test]
fn over_tls_a_server_is_spoken_to_whose_certificate_is_trusted_and_for_its_name() {
    let site = Site::new();
    let url = format!("https://localhost:{}", site.port());
    for (trusted, options) in [
        ("other.pem", &["--ca-cert", "ca.pem"][..]),
        ("ca.pem", &[]),
        ("ca.pem", &["--ca-cert", "ca.pem"]),
    ] {
        let outcome = site.create(&url, trusted, options);
        assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
        let created = Tree::parse(&outcome.stdout);
        let key = created.text("key.secret");
        let words = ["keys", "verify", "--secret", key, "--url", &url, "--ca-cert", "ca.pem"];
        let mut verify = site.installation.command(&words);
        let verified = Installation::outcome(verify.env("TENANTRY_KEY", &site.master_key));
        assert_eq!(verified.code, Some(0), "{}", verified.stderr);
    }
    // Another CA, and one named in the place of the machine's.
    site.assert_refused(&url, "other.pem", &[], "from no CA that is trusted here");
    site.assert_refused(
        &url,
        "ca.pem",
        &["--ca-cert", "other.pem"],
        "name its certificate with --ca-cert",
    );
    // The certificate of another host.
    let address = format!("https://127.0.0.1:{}", site.port());
    site.assert_refused(&address, "ca.pem", &[], "not valid for name");
    // Not in clear, and not where nothing can be trusted.
    let clear = format!("http://localhost:{}", site.port());
    assert_eq!(site.create(&clear, "ca.pem", &[]).code, Some(1));
    site.assert_refused(&url, "key.pem", &[], "no CA certificates that could be trusted");
    site.assert_refused(&url, "ca.pem", &["--ca-cert", "key.pem"], "holds no certificate");
    site.assert_refused(&url, "ca.pem", &["--ca-cert", "nowhere"], "--ca-cert nowhere");
}

/// Seen failing with the look at the host left out.
#[test]
fn a_key_is_not_sent_in_clear_to_another_machine() {
    let site = Site::new();
    // Nobody has this address, so that a request would have to wait for its time-out.
    for host in ["192.0.2.1", "[2001:db8::1]", "tenantry.example"] {
        let url = format!("http://{host}:8080");
        site.assert_refused(
            &url,
            "ca.pem",
            &[],
            "not sent in clear to another machine: use https://",
        );
    }
}

/// Who answers on the port is shown nothing before it shows its certificate.
#[test]
fn who_has_no_certificate_is_shown_no_key() {
    let site = Site::new();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("its address").port();
    let seen = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a client");
        let mut seen = vec![0; 16 * 1024];
        let length = stream.read(&mut seen).expect("a greeting");
        seen.truncate(length);
        // Speaks HTTP where TLS is meant.
        std::io::Write::write_all(&mut stream, b"HTTP/1.1 200 OK\r\n\r\n").expect("sent");
        let _ = stream.read_to_end(&mut seen);
        seen
    });
    let url = format!("https://localhost:{port}");
    site.assert_refused(&url, "ca.pem", &[], "could not reach https://localhost");
    let seen = seen.join().expect("no panic");
    assert_eq!(seen.first(), Some(&0x16), "a TLS handshake");
    let key = site.master_key.as_bytes();
    assert!(!seen.windows(key.len()).any(|window| window == key));
}
