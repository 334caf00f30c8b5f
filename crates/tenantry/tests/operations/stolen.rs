//! Cases 86 and 99: what a stolen backup shows, and what can be done with it.

use crate::support::{ORGANIZATION, PASSPHRASE, Site, outcome};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use std::fs;

/// A site whose store holds one of everything, and the plaintexts that were handed out.
fn filled() -> (Site, Vec<String>) {
    let site = Site::new();
    let server = site.serve(&site.data());
    let master = site.master_key();
    let mut secrets = vec![master.to_owned()];
    for (path, media, body, at) in [
        ("/sub-accounts/create", "json", r#"{"name":"Canary Account"}"#, "/api_key"),
        (
            "/v1/accounts",
            "json",
            r#"{"name":"Canary Account","metadata":{"plan":"Canary Plan"}}"#,
            "/key/secret",
        ),
        (
            "/api/v1/accounts",
            "vnd.api+json",
            r#"{"data":{"type":"accounts","attributes":{"name":"Canary Account"}}}"#,
            "/included/0/attributes/secret",
        ),
    ] {
        let media = format!("application/{media}");
        let (status, reply) = server.post_as(path, master, &[("content-type", &media)], body);
        assert!(status < 300, "{reply}");
        secrets.push(reply.pointer(at).and_then(|key| key.as_str()).expect("a key").to_owned());
    }
    let tenant = site.organization["organization_id"].as_str().expect("an id");
    let words = ["token", "--tenant", tenant, "--role", "tenant_admin"];
    let token = site.run(&words).good().stdout.trim().to_owned();
    let path = "/api/v1/admin/service-account/create";
    let (status, reply) = server.post_as(path, &token, &[("x-tenantid", tenant)], "");
    assert!(status < 300, "{reply}");
    let secret = reply.pointer("/data/clientSecret").and_then(|secret| secret.as_str());
    secrets.push(secret.expect("a client secret").to_owned());
    secrets.push(token.rsplit('.').next().expect("a signature").to_owned());
    let platform = site.run(&["keys", "create", "--platform", "--json"]).good().json();
    secrets.push(platform["secret"].as_str().expect("a key").to_owned());
    server.end();
    (site, secrets)
}

/// What the secrets file holds, as text and as bytes.
fn operators_secrets(site: &Site) -> Vec<Vec<u8>> {
    let file = fs::read_to_string(site.data().join("secrets.toml")).expect("the secrets");
    let quoted: Vec<&str> = file.split('"').skip(1).step_by(2).collect();
    assert_eq!(quoted.len(), 3, "pepper, key-encryption key, the realm's key");
    let mut all: Vec<Vec<u8>> = quoted.iter().map(|text| text.as_bytes().to_vec()).collect();
    for text in quoted {
        let bytes = STANDARD.decode(text).expect("base64");
        all.push(bytes[bytes.len() - 32..].to_vec());
    }
    all
}

fn holds(file: &[u8], text: &[u8]) -> bool {
    file.windows(text.len()).any(|window| window == text)
}

/// Seen failing with chunks that are written as they are.
#[test]
fn case_86_a_backup_shows_no_secret_and_no_customer_and_opened_no_credential() {
    let (site, secrets) = filled();
    let mut hidden = operators_secrets(&site);
    hidden.extend(secrets.iter().map(|text| text.clone().into_bytes()));
    for text in [ORGANIZATION, "Canary", "canary@example.com", PASSPHRASE] {
        hidden.push(text.as_bytes().to_vec());
    }
    hidden.extend([b"SQLite format 3".to_vec(), b"key_encryption_key".to_vec()]);
    for (number, sealed) in site.sealings().iter().enumerate() {
        let (name, directory) = (format!("{number}.backup"), format!("opened-{number}"));
        sealed.backup(&name).good();
        let file = fs::read(site.path(&name)).expect("the backup");
        for text in &hidden {
            assert!(!holds(&file, text), "{name} shows {:?}", String::from_utf8_lossy(text));
        }
        // Opened, it is the store: customers' texts, and the operator's secrets in their file, but
        // the plaintext of no credential.
        sealed.restore(&[&name, "--data-dir", &directory]).good();
        let database = fs::read(site.path(&directory).join("tenantry.db")).expect("the database");
        for text in ["Canary Account", "Canary Plan", ORGANIZATION] {
            assert!(holds(&database, text.as_bytes()), "the search finds what is there");
        }
        let opened = fs::read(site.path(&directory).join("secrets.toml")).expect("the secrets");
        for secret in &secrets {
            let shown = holds(&database, secret.as_bytes()) || holds(&opened, secret.as_bytes());
            assert!(!shown, "{name} opened shows {secret}");
        }
        for secret in operators_secrets(&site) {
            assert!(!holds(&database, &secret), "a secret of the operator in the database");
        }
    }
}

/// Whoever has all of it, the operator's secrets included, is let in: that is what is kept apart.
#[test]
fn case_99_a_stolen_backup_authenticates_nobody() {
    let (site, secrets) = filled();
    let [under, to] = site.sealings();
    under.backup("under.backup").good();
    to.backup("to.backup").good();
    // Without what opens it.
    let (stranger, _) = site.key_pair("stranger");
    let restore = ["restore", "to.backup", "--data-dir", "new", "--identity", &stranger];
    site.run(&restore).refused("it is not sealed to the recipient of this identity");
    let restore = ["restore", "under.backup", "--data-dir", "new"];
    let guessed = "correct horse battery stable";
    outcome(site.command(&restore).env("TENANTRY_BACKUP_PASSPHRASE", guessed))
        .refused("the passphrase is not the one");
    assert_eq!(site.names(), ["data", "to.backup", "under.backup"]);

    // With the database alone, and secrets of one's own.
    to.restore(&["to.backup", "--data-dir", "new"]).good();
    let own = Site::new();
    let master = site.master_key();
    for (stolen, keys, expected) in
        [("tenantry.db", &secrets[..], 401), ("secrets.toml", &[master.to_owned()], 200)]
    {
        fs::copy(site.path("new").join(stolen), own.data().join(stolen)).expect("copied");
        let server = own.serve(&own.data());
        for key in keys {
            let (status, reply) = server.post("/v1/keys/verify", key, &json!({ "key": key }));
            assert_eq!(status, expected, "with {stolen}: {reply}");
        }
        server.end();
    }
}
