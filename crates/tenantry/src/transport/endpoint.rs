//! A server on the network, and how it is reached without anybody listening in.
//!
//! Requests carry keys, so they go over TLS, whose certificate is verified for the host in the URL
//! whatever happens, or in clear to this machine alone.

use crate::{Failure, Result};
use hyper::Uri;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{CertificateError, ClientConfig, RootCertStore};
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Where a server is.
pub(crate) struct Endpoint {
    /// What its URL begins with, to name it by.
    base: String,
    authority: String,
    host: String,
    port: u16,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

/// A connection to a server.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

impl Endpoint {
    /// The server at `url`, whose certificate is to be from a CA of the PEM file `ca_cert`, else
    /// from one that this machine trusts.
    pub(crate) fn parse(url: &str, ca_cert: Option<&Path>) -> Result<Self> {
        // The URL of somebody who writes a password into it is not repeated.
        if url.contains('@') {
            let text = "--url: names a user, and may hold a password: give the key with --key";
            return Err(Failure::Setting(text.to_owned()));
        }
        let bad = |what: &str| Failure::Setting(format!("--url {url}: {what}"));
        let uri: Uri = url.parse().map_err(|_| bad("is not a URL"))?;
        let secure = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(bad("must begin with https://, or with http:// on this machine")),
        };
        if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            return Err(bad("must end after host and port"));
        }
        let authority = uri.authority().ok_or_else(|| bad("names no host"))?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let address = host.parse::<IpAddr>().ok();
        if !secure && host != "localhost" && !address.is_some_and(|address| address.is_loopback()) {
            return Err(bad(
                "requests carry keys, which are not sent in clear to another machine: use https://",
            ));
        }
        let tls = if secure {
            let name = ServerName::try_from(host.clone()).map_err(|_| bad("names no host"))?;
            Some((connector(ca_cert)?, name))
        } else {
            None
        };
        let scheme = if secure { "https" } else { "http" };
        Ok(Self {
            base: format!("{scheme}://{authority}"),
            authority: authority.to_string(),
            host,
            port: authority.port_u16().unwrap_or(if secure { 443 } else { 80 }),
            tls,
        })
    }

    /// Host and port as the URL has them.
    pub(crate) fn authority(&self) -> &str {
        &self.authority
    }

    /// A connection over which a key may be sent.
    pub(crate) async fn connect(&self) -> Result<Box<dyn Stream>> {
        let unreachable = |error| Failure::Io(format!("reach {}", self.base), error);
        let stream = TcpStream::connect((&*self.host, self.port)).await.map_err(unreachable)?;
        let Some((connector, name)) = &self.tls else {
            // What `localhost` means is for the resolver to say.
            if !stream.peer_addr().map_err(unreachable)?.ip().is_loopback() {
                let base = &self.base;
                let text = "is another machine, to which keys are not sent in clear: use https://";
                return Err(Failure::Setting(format!("--url {base}: {text}")));
            }
            return Ok(Box::new(stream));
        };
        match connector.connect(name.clone(), stream).await {
            Ok(stream) => Ok(Box::new(stream)),
            Err(error) if is_of_unknown_issuer(&error) => Err(Failure::Setting(format!(
                "could not reach {}: its certificate is from no CA that is trusted here. If the CA \
                 is your own, name its certificate with --ca-cert",
                self.base
            ))),
            Err(error) => Err(unreachable(error)),
        }
    }
}

fn is_of_unknown_issuer(error: &std::io::Error) -> bool {
    let error = error.get_ref().and_then(|error| error.downcast_ref());
    let unknown = rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer);
    error.is_some_and(|error: &rustls::Error| *error == unknown)
}

/// TLS that trusts what it is told to, and HTTP/1.1 within.
fn connector(ca_cert: Option<&Path>) -> Result<TlsConnector> {
    let roots = match ca_cert {
        Some(path) => named_roots(path)?,
        None => system_roots()?,
    };
    let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| Failure::Setting(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}

/// The certificates of the file, and no others.
fn named_roots(path: &Path) -> Result<RootCertStore> {
    let bad = |what: String| Failure::Setting(format!("--ca-cert {}: {what}", path.display()));
    let certificates = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| bad(error.to_string()))?;
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        roots.add(certificate).map_err(|error| bad(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(bad("it holds no certificate in PEM".to_owned()));
    }
    Ok(roots)
}

/// What the machine trusts. One of a hundred that cannot be read is no reason to trust none.
fn system_roots() -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        return Err(Failure::Setting(
            "this machine has no CA certificates that could be trusted: install them (Debian: \
             ca-certificates), or name one with --ca-cert"
                .to_owned(),
        ));
    }
    Ok(roots)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(url: &str) -> String {
        Endpoint::parse(url, None).err().unwrap_or_else(|| panic!("{url}")).to_string()
    }

    #[test]
    fn in_clear_only_this_machine_is_spoken_to() {
        for url in
            ["http://127.0.0.1:8080", "http://[::1]:1", "http://localhost", "http://127.1.2.3/"]
        {
            let endpoint = Endpoint::parse(url, None).unwrap_or_else(|error| panic!("{error}"));
            assert!(endpoint.tls.is_none());
        }
        for url in [
            "http://192.0.2.1:8080",
            "http://example.com",
            "http://localhost.example.com",
            "http://127.0.0.1.example.com",
            "http://0.0.0.0:80",
            "http://[::]",
            "http://[2001:db8::1]",
        ] {
            let told = refused(url);
            assert!(told.contains("not sent in clear") && told.contains("https://"), "{told}");
        }
    }

    #[test]
    fn urls_that_say_more_than_a_server_are_refused() {
        for url in ["ftp://localhost", "localhost:80", "http://localhost/v1", "http://localhost?x"]
        {
            assert!(refused(url).contains(url), "{url}");
        }
        let told = refused("http://user:pa55word@localhost");
        assert!(!told.contains("pa55word"), "{told}");
    }
}
