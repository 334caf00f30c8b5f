//! The first start: the one command after which the three contracts work.

use crate::support::forms::{native_key, uuid};
use crate::support::{Curl, Installation};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("a file").permissions().mode() & 0o777
}

#[test]
fn the_first_start_prints_one_call_per_contract_that_works_as_it_is_printed() {
    let Some(curl) = Curl::find() else { return };
    let installation = Installation::new();
    let mut server = installation.serve(&[]);
    let mut lines = Vec::new();
    while lines.len() < 3 {
        let line = server.read_line().expect("three calls");
        lines.extend(Some(line).filter(|line| line.starts_with("curl ")));
    }
    let contracts = [
        ("/sub-accounts/create'", 200, "application/json"),
        ("/api/v1/accounts'", 201, "application/vnd.api+json"),
        ("/api/v1/admin/service-account/create'", 200, "application/json"),
    ];
    for (line, (path, status, media)) in lines.iter().zip(contracts) {
        assert!(line.contains(path), "{line}");
        curl.run(line, &[]).expect(status, media);
    }
}

#[test]
fn off_a_terminal_the_master_key_goes_to_a_private_file_and_is_not_printed() {
    let installation = Installation::new();
    let mut server = installation.serve(&[]);
    let mut printed = String::new();
    while !printed.contains("/service-account/create") {
        printed.push_str(&server.read_line().expect("three calls"));
        printed.push('\n');
    }
    let data = installation.data();
    let key = fs::read_to_string(data.join("master-key")).expect("the master key");
    assert!(native_key(key.trim_end()), "another form");
    let words = printed.split_whitespace();
    assert!(words.into_iter().any(uuid), "the organization: {printed}");

    assert_eq!(mode(&data), 0o700);
    for name in ["master-key", "secrets.toml", "admin.sock", "tenantry.db"] {
        assert_eq!(mode(&data.join(name)), 0o600, "{name}");
    }
    let ended = server.end();
    assert!(ended.status.success(), "{}", ended.status);
    let told = format!("{printed}{ended:?}");
    assert!(!told.contains(key.trim_end()), "the master key is in what was printed or logged");
    // The plane itself keeps a tag of it alone.
    assert_eq!(installation.files_with(key.trim_end().as_bytes()), [data.join("master-key")]);
}

#[test]
fn a_later_start_creates_nothing_and_prints_no_key() {
    let installation = Installation::new();
    drop(installation.serve(&[]));
    let first = installation.json(&["organizations", "list"]);
    let key = fs::read(installation.data().join("master-key")).expect("the master key");
    let secrets = fs::read(installation.data().join("secrets.toml")).expect("the secrets");

    let ended = installation.serve(&[]).end();
    assert!(ended.status.success(), "{ended:?}");
    assert_eq!(ended.printed, "", "more than the address was printed");
    assert_eq!(installation.json(&["organizations", "list"]), first);
    assert_eq!(fs::read(installation.data().join("master-key")).expect("the key"), key);
    assert_eq!(fs::read(installation.data().join("secrets.toml")).expect("secrets"), secrets);
}
