//! TLS to another host: the certificate has to be of a trusted authority, and name the host.

use crate::support::NOW;
use std::fs;
use std::path::Path;
use tenantry_backends::postgres::{OpenError, PostgresOptions, PostgresStore};
use tenantry_backends::testing::Server;
use tenantry_testbed::programs;

async fn open(url: String, authority: &Path) -> Result<PostgresStore, OpenError> {
    let authorities = Some(authority.to_owned());
    PostgresStore::open(&PostgresOptions { authorities, ..PostgresOptions::new(url, NOW) }).await
}

#[tokio::test]
async fn a_server_without_the_right_certificate_is_not_spoken_to() {
    let Some(programs) = programs::find_postgres() else { return };
    let directory = tempfile::tempdir().expect("a directory");
    let made = |name: &str| rcgen::generate_simple_self_signed([name.to_owned()]).expect("a pair");
    let (right, other) = (made("localhost"), made("localhost"));
    let pem = (right.cert.pem(), right.signing_key.serialize_pem());
    let server = Server::start_with_tls(&programs, &pem.0, &pem.1);
    let database = server.database();
    let port = server.port();
    let name = database.url().rsplit('/').next().expect("a name").to_owned();
    let trusted = directory.path().join("trusted.pem");
    fs::write(&trusted, &pem.0).expect("written");
    let foreign = directory.path().join("foreign.pem");
    fs::write(&foreign, other.cert.pem()).expect("written");

    let at =
        |host: &str, mode: &str| format!("postgres://tenantry@{host}:{port}/{name}?sslmode={mode}");
    open(at("localhost", "verify-full"), &trusted).await.expect("the right certificate");
    let refused = [
        open(at("localhost", "require"), &foreign).await,
        // Its address is not in it.
        open(at("127.0.0.1", "verify-full"), &trusted).await,
        // It takes no session in clear.
        open(at("localhost", "disable"), &trusted).await,
    ];
    for outcome in refused {
        assert!(matches!(outcome, Err(OpenError::Unreachable { .. })), "{outcome:?}");
    }
}
