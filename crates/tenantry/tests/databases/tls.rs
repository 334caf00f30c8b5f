//! Sessions with customers' servers are encrypted, and the certificate has to be for the host that was
//! named, of an authority that is trusted.

use crate::provisioning::text;
use crate::support::{Customer, May, Settings, TestApp, made_for_tenants};
use hyper::StatusCode;
use std::fs;
use std::path::Path;
use tenantry_backends::testing::Server;
use tenantry_core::dialling::DialRules;
use tenantry_testbed::programs;

/// A plane that encrypts, whatever the network, and trusts these.
async fn trusting(authorities: &Path) -> TestApp {
    let mut settings = Settings::default();
    settings.dialling.plaintext = Vec::new();
    settings.dialling.authorities = Some(authorities.to_owned());
    assert_ne!(settings.dialling.rules.allowed, DialRules::default().allowed);
    TestApp::start(settings).await
}

#[tokio::test]
async fn a_server_without_the_right_certificate_is_told_no_password() {
    let Some(programs) = programs::find_postgres() else { return };
    let directory = tempfile::tempdir().expect("a directory");
    let made = |name: &str| rcgen::generate_simple_self_signed([name.to_owned()]).expect("a pair");
    let start = |pair: &rcgen::CertifiedKey<rcgen::KeyPair>| {
        let (certificate, key) = (pair.cert.pem(), pair.signing_key.serialize_pem());
        Server::start_with_tls_and_passwords(&programs, &certificate, &key)
    };
    let (right, elsewhere, foreign) =
        (made("127.0.0.1"), made("db.example.com"), made("127.0.0.1"));
    let trusted = directory.path().join("trusted.pem");
    fs::write(&trusted, right.cert.pem() + &elsewhere.cert.pem()).expect("written");
    let app = trusting(&trusted).await;

    let server = start(&right);
    let customer = Customer::new(&server, May::MakeBoth);
    let reply = app.made(&customer).await;
    let id = text(&reply, "id");
    let (_, database) = app.get(&format!("/v1/accounts/{id}/database")).await;
    assert_eq!([&database["state"], &database["credential"]], ["active", "limited"]);
    // Read through, by the limited role.
    let (status, account) = app.get(&format!("/v1/accounts/{id}")).await;
    assert_eq!((status, &account["name"]), (StatusCode::OK, &reply["name"]));

    assert!(server.log().contains(&customer.user), "the log says who came");

    // Of another host, of nobody who is trusted, in clear.
    for other in [start(&elsewhere), start(&foreign), Server::start_plain(&programs)] {
        let customer = Customer::new(&other, May::MakeBoth);
        let (status, body) = app.create(&customer.request()).await;
        let message = text(&body, "message");
        assert_eq!(status, StatusCode::BAD_REQUEST, "{body}");
        assert!(message.contains("cannot be reached"), "{message}");
        assert_eq!(made_for_tenants(&other), Vec::<String>::new());
        assert!(!other.log().contains(&customer.user), "nobody comes to it");
    }
    assert_eq!(app.counts().await, (2, 1));
}
