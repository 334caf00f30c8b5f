//! Calls of every surface in which secrets are made, used and put where they do not belong.

use super::http::{self, Connection, Reply};
use super::secrets::Secrets;
use super::site::{Credentials, Server, Site};
use super::writers::{Call, create, read};
use serde_json::{Value, json};

/// Creates through every surface, organizations, platform keys, tokens; all that was returned.
pub(crate) fn exercise(site: &Site, server: &Server, credentials: &Credentials) -> Secrets {
    let mut secrets = Secrets::default();
    secrets.add(&credentials.master);
    secrets.add_token(&credentials.token);
    let mut connection = Connection::open(&server.address).expect("a connection");
    for surface in 0..16 {
        let reply = create(&mut connection, credentials, surface).expect("a reply");
        assert!(reply.status < 300, "{}", reply.text);
        let entry = read(surface, &reply);
        secrets.add(&entry.secret);
        misplace(&server.address, credentials, &entry.secret);
        let bearer = format!("Bearer {}", credentials.master);
        let question = json!({ "key": entry.secret, "permissions": ["api:read"] }).to_string();
        for _ in 0..2 {
            let headers = [("authorization", &*bearer)];
            let _ = connection.send("POST", "/v1/keys/verify", &headers, &question);
        }
        if entry.client.is_none() {
            let own = format!("Bearer {}", entry.secret);
            let headers = [("authorization", &*own)];
            let whoami = connection.send("GET", "/v1/whoami", &headers, "").expect("a reply");
            assert_eq!(whoami.status, 200);
            let key = whoami.json().pointer("/key_id").and_then(Value::as_str).map(str::to_owned);
            if let Some(key) = key {
                let path = format!("/v1/keys/{key}/revoke");
                let _ = connection.send("POST", &path, &[("authorization", &*bearer)], "");
            }
        }
    }
    repeat_and_renew(&mut connection, credentials, &mut secrets);
    let words = ["organizations", "create", "--organization", "Other", "--name", "N"];
    let other = site.print(&[&words[..], &["--email", "n@example.com", "--json"]].concat());
    let other: Value = serde_json::from_str(&other).expect("JSON");
    secrets.add(other["api_key"].as_str().expect("a key"));
    let platform = site.print(&["keys", "create", "--platform", "--json"]);
    let platform: Value = serde_json::from_str(&platform).expect("JSON");
    secrets.add(platform["secret"].as_str().expect("a key"));
    misplace(&server.address, credentials, &credentials.token);
    misplace(&server.address, credentials, &credentials.master);
    // A customer's database password: sent where it is not used, and where it is refused.
    let password = "pa55word-0f-a-customer!";
    for wanted in [true, false] {
        let body = json!({ "name": "d", "multi_tenant": wanted, "db_host": "db.example.com",
            "db_port": 5432, "db_name": "d", "db_user": "u", "db_password": password });
        let bearer = format!("Bearer {}", credentials.master);
        let headers = [("authorization", &*bearer), ("content-type", "application/json")];
        let _ = connection.send("POST", "/sub-accounts/create", &headers, &body.to_string());
    }
    secrets.add(password);
    secrets.add_file(&site.data.join("secrets.toml"));
    secrets
}

/// What keeps a reply with a secret in the store, and what puts a secret in another's place.
fn repeat_and_renew(connection: &mut Connection, credentials: &Credentials, secrets: &mut Secrets) {
    for surface in 0..4 {
        let key = format!("a-clients-own-idempotency-key-{surface}");
        let call = Call::new(credentials, surface).repeatable(&key);
        let mut send = || {
            let reply = connection.send("POST", call.path, &call.headers(), call.body);
            read(surface, &reply.expect("a reply")).secret
        };
        let secret = send();
        assert_eq!(send(), secret, "the reply was kept");
        secrets.add(&secret);
        secrets.add(&key);
    }
    let bearer = format!("Bearer {}", credentials.master);
    let headers = [("authorization", &*bearer), ("content-type", "application/json")];
    let mut made = |path: &str, body: Value, secret: &str| {
        let reply = connection.send("POST", path, &headers, &body.to_string()).expect("a reply");
        assert!(reply.status < 300, "{path}: {}", reply.text);
        secrets.add(&reply.text_at(secret));
        reply
    };
    let account = made("/v1/accounts", json!({ "name": "renewed" }), "/key/secret");
    let (id, key) = (account.text_at("/account/id"), account.text_at("/key/id"));
    made(&format!("/v1/keys/{key}/rotate"), json!({ "grace_seconds": 60 }), "/key/secret");
    made(&format!("/v1/accounts/{id}/keys"), json!({}), "/secret");
    let path = format!("/v1/accounts/{id}/service-accounts");
    let machine = made(&path, json!({}), "/secret/secret").text_at("/service_account/id");
    made(&format!("/v1/service-accounts/{machine}/secrets"), json!({}), "/secret");
    // A key of another system, known by its hash until it is used, and then by ours.
    let foreign = "legacy.0123456789abcdef0123456789abcdef";
    // Its SHA-256.
    let digest = "9c370879505f6ec3a9d06103c4924be9dde3518449251d60457941db5cb4788e";
    let hash = json!({ "algorithm": "sha256", "value": digest });
    let body = json!({ "keys": [{ "account_id": id, "hash": hash }] }).to_string();
    let import = connection.send("POST", "/v1/keys/import", &headers, &body).expect("a reply");
    assert_eq!(import.status, 200, "{}", import.text);
    for _ in 0..2 {
        let question = json!({ "key": foreign }).to_string();
        let reply = connection.send("POST", "/v1/keys/verify", &headers, &question);
        assert_eq!(reply.expect("a reply").json()["code"], "VALID");
    }
    secrets.add(foreign);
}

/// A secret in every place where it does not belong.
fn misplace(address: &str, credentials: &Credentials, secret: &str) {
    let good = format!("Bearer {}", credentials.master);
    let (basic, twice) = (format!("Basic {secret}"), format!("Bearer {secret} {secret}"));
    let wrong = format!("Bearer {}x", &secret[..secret.len() - 1]);
    let once = |method, path: &str, headers: &[(&str, &str)], body: &str| {
        let _: std::io::Result<Reply> = http::once(address, method, path, headers, body);
    };
    once("GET", &format!("/v1/accounts/{secret}"), &[("authorization", &good)], "");
    once("GET", &format!("/v1/whoami?key={secret}"), &[], "");
    once("GET", &format!("/v1/whoami?x={secret}&{secret}=1"), &[("authorization", &good)], "");
    once("POST", &format!("/{secret}"), &[("authorization", &good)], secret);
    once(secret, "/v1/whoami", &[], "");
    for header in ["x-request-id", "user-agent", "cookie", "x-api-key", "x-tenantid", "realmname"] {
        once("GET", "/v1/whoami", &[("authorization", &good), (header, secret)], "");
    }
    for authorization in [&basic, &twice, &wrong, secret] {
        once("GET", "/v1/whoami", &[("authorization", authorization)], "");
    }
    let json = ("content-type", "application/json");
    let both = [("authorization", &*good), json];
    for body in [
        // Not as a name or in metadata, which are the caller's own texts and stored as they are.
        json!({ "nom": secret }),
        json!({ "name": "n", "metadata": [secret] }),
        json!({ "name": "n", "api_key": secret }),
        json!({ "name": "n", "key": { "permissions": [secret] } }),
        json!({ "name": { "x": secret } }),
        json!({ "data": { "type": secret, "attributes": { "name": secret } } }),
        json!({ "key": { "key": secret } }),
    ] {
        for path in ["/v1/accounts", "/sub-accounts/create", "/v1/keys/verify"] {
            once("POST", path, &both, &body.to_string());
        }
        let media = [("authorization", &*good), ("content-type", "application/vnd.api+json")];
        once("POST", "/api/v1/accounts", &media, &body.to_string());
    }
    once("POST", "/v1/accounts", &both, &format!("{{\"name\":\"{secret}"));
    let token = format!("Bearer {}", credentials.token);
    let service = [("authorization", &*token), ("x-tenantid", secret)];
    once("POST", "/api/v1/admin/service-account/create", &service, secret);
}
