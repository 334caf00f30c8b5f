//! TLS: the operator's certificate and key, read again when they change.

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;

/// How often the files are looked at, at most.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// Certificate and key, and what was made of them.
pub struct Tls {
    files: Files,
    seen: Seen,
    checked: Instant,
    acceptor: TlsAcceptor,
}

struct Files {
    certificate: PathBuf,
    key: PathBuf,
}

/// What tells one state of the files from another: modification time, inode and size of each.
type Seen = [Option<(i64, i64, u64, u64)>; 2];

/// Why a certificate and its key cannot be used. Never holds what is in the key.
#[derive(Debug)]
pub struct TlsProblem(String);

impl std::fmt::Display for TlsProblem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for TlsProblem {}

impl Tls {
    /// TLS with the certificate chain and the key in these PEM files.
    ///
    /// # Errors
    /// Files that cannot be read or do not belong together, and a key that others can read.
    pub fn load(certificate: &Path, key: &Path) -> Result<Self, TlsProblem> {
        let files = Files { certificate: certificate.to_owned(), key: key.to_owned() };
        let seen = files.look();
        let acceptor = files.read()?;
        Ok(Self { files, seen, checked: Instant::now(), acceptor })
    }

    /// What takes the next connection. Looks at the files once a second, and keeps what it has
    /// where they have changed into something that cannot be used.
    pub(super) fn acceptor(&mut self) -> TlsAcceptor {
        if self.checked.elapsed() >= CHECK_INTERVAL {
            self.checked = Instant::now();
            let seen = self.files.look();
            if seen != self.seen {
                self.seen = seen;
                match self.files.read() {
                    Ok(acceptor) => {
                        self.acceptor = acceptor;
                        tracing::info!("the certificate was read again");
                    }
                    Err(problem) => tracing::error!(
                        alarm = "certificate",
                        %problem,
                        "the new certificate cannot be used; the old one stays"
                    ),
                }
            }
        }
        self.acceptor.clone()
    }
}

impl Files {
    fn look(&self) -> Seen {
        [&self.certificate, &self.key].map(|path| {
            let metadata = fs::metadata(path).ok()?;
            Some((metadata.mtime(), metadata.mtime_nsec(), metadata.ino(), metadata.size()))
        })
    }

    fn read(&self) -> Result<TlsAcceptor, TlsProblem> {
        let (certificate, key) = (self.certificate.display(), self.key.display());
        let mode = fs::metadata(&self.key)
            .map_err(|error| TlsProblem(format!("could not read {key}: {error}")))?
            .permissions()
            .mode();
        // A group may read it, as Debian's ssl-cert does.
        if mode & 0o027 != 0 {
            let mode = mode & 0o777;
            return Err(TlsProblem(format!(
                "{key} can be read by everybody or written by others (mode {mode:o}): its key must \
                 be taken as known. If it is not, set `chmod 600` and start again"
            )));
        }
        let chain = CertificateDer::pem_file_iter(&self.certificate)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|error| TlsProblem(format!("could not read {certificate}: {error}")))?;
        if chain.is_empty() {
            return Err(TlsProblem(format!("{certificate} holds no certificate in PEM")));
        }
        // What the parser says of a key is not repeated.
        let pair = PrivateKeyDer::from_pem_file(&self.key)
            .map_err(|_| TlsProblem(format!("{key} holds no private key in PEM")))?;
        let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, pair))
            .map_err(|error| TlsProblem(format!("{certificate} and {key}: {error}")))?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}
