//! TLS to the database: its certificate has to be of an authority that is trusted, and name its host.

use super::errors::OpenError;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use std::path::Path;
use std::sync::Arc;
use tokio_postgres_rustls::MakeRustlsConnect;

/// What makes TLS sessions: with the authorities in a file, or with the machine's.
pub(crate) fn connector(authorities: Option<&Path>) -> Result<MakeRustlsConnect, OpenError> {
    let mut roots = RootCertStore::empty();
    if let Some(path) = authorities {
        let bad = |source| OpenError::Authorities { path: path.to_owned(), source };
        let certificates = CertificateDer::pem_file_iter(path).map_err(|e| bad(e.into()))?;
        for certificate in certificates {
            let certificate = certificate.map_err(|error| bad(error.into()))?;
            roots.add(certificate).map_err(|error| bad(error.into()))?;
        }
        if roots.is_empty() {
            return Err(bad("it holds none".into()));
        }
    } else {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            return Err(OpenError::NoAuthorities);
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(OpenError::Tls)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}
