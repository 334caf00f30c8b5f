//! What `doctor` finds.

use crate::support::{Outcome, Site, create};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

/// The named check of a `doctor --json`.
fn check(outcome: &Outcome, name: &str) -> Value {
    let checks = outcome.json()["checks"].as_array().expect("checks").clone();
    checks.into_iter().find(|check| check["name"] == name).unwrap_or_else(|| panic!("{name}"))
}

#[test]
fn a_sound_directory_is_found_sound_beside_a_server_and_without_one() {
    let site = Site::new();
    for full in [&["doctor", "--json"][..], &["doctor", "--json", "--full"]] {
        let found = site.run(full).good();
        assert_eq!(found.json()["healthy"], true);
        for name in ["files", "server", "secrets", "header", "schema", "pages", "seals"] {
            assert_eq!(check(&found, name)["status"], "good", "{found:?}");
        }
        assert_eq!(check(&found, "references")["status"], "good", "{found:?}");
        assert_eq!(check(&found, "audit")["status"], "good", "{found:?}");
    }
    let server = site.serve(&site.data());
    create(server.address(), site.master_key());
    let found = site.run(&["doctor", "--json"]).good();
    let used = check(&found, "server")["detail"].as_str().expect("text").to_owned();
    assert!(used.starts_with("running "), "{found:?}");
    let table = site.run(&["doctor"]).good();
    assert!(table.stdout.contains("STATUS"), "{table:?}");
    // Nor does looking disturb whoever serves.
    create(server.address(), site.master_key());
    drop(server);
    let found = site.run(&["doctor", "--json"]).good();
    assert_eq!(check(&found, "server")["status"], "warning", "it was killed: {found:?}");
}

#[test]
fn what_a_disks_root_holds_is_nobodys_mistake_and_what_a_restore_left_is_told() {
    let site = Site::new();
    let make = |name: &str| {
        let path = site.data().join(name);
        fs::create_dir(&path).expect("a directory");
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("set");
    };
    make("lost+found");
    let found = site.run(&["doctor", "--json"]).good();
    assert_eq!(check(&found, "files")["status"], "good", "{found:?}");
    make("restoring");
    let found = site.run(&["doctor", "--json"]);
    assert_eq!(check(&found, "restoring")["status"], "warning", "{found:?}");
    assert_eq!(check(&found, "files")["status"], "wrong", "{found:?}");
}

#[test]
fn checkpoints_that_are_kept_nowhere_else_are_a_warning() {
    let site = Site::new();
    let copy = site.data().join("audit-checkpoints.jsonl");
    fs::remove_file(&copy).expect("removed");
    let found = site.run(&["doctor", "--json"]).good();
    assert_eq!(check(&found, "audit")["status"], "warning", "{found:?}");
    fs::write(&copy, "something else\n").expect("written");
    fs::set_permissions(&copy, fs::Permissions::from_mode(0o600)).expect("set");
    let found = site.run(&["doctor", "--json"]).good();
    assert_eq!(check(&found, "audit")["status"], "warning", "{found:?}");
}

#[test]
fn a_forged_row_is_named_beside_a_running_server() {
    let site = Site::new();
    let server = site.serve(&site.data());
    create(server.address(), site.master_key());
    site.sql("UPDATE credentials SET permissions = '[\"*:*\"]' WHERE format = 'sub_account'");
    site.sql("UPDATE accounts SET status = 'closed' WHERE parent_id IS NULL");
    let found = site.run(&["doctor", "--json"]);
    assert_eq!(found.code, Some(1), "{found:?}");
    assert_eq!(found.json()["healthy"], false);
    let seals = check(&found, "seals");
    let account = &site.organization["account_id"];
    assert!(seals["rows"].as_array().expect("rows").iter().any(|row| &row["id"] == account));
    // Every finding is told once, and no row's content with it.
    assert!(!found.stderr.contains("alarm"), "{found:?}");
}

#[test]
fn files_that_others_can_read_and_lost_secrets_are_found() {
    let site = Site::new();
    let mode = |name: &str, mode| {
        let path = site.data().join(name);
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("set");
    };
    mode("tenantry.db", 0o644);
    let found = site.run(&["doctor", "--json"]);
    assert_eq!(found.code, Some(1), "{found:?}");
    assert!(check(&found, "files")["detail"].as_str().expect("text").contains("tenantry.db"));
    mode("tenantry.db", 0o600);
    mode("secrets.toml", 0o640);
    let found = site.run(&["doctor", "--json"]);
    assert_eq!(check(&found, "secrets")["status"], "wrong", "{found:?}");
    fs::remove_file(site.data().join("secrets.toml")).expect("removed");
    let found = site.run(&["doctor", "--json"]);
    assert_eq!((found.code, &check(&found, "secrets")["status"]), (Some(1), &"wrong".into()));
}

#[test]
fn rows_without_an_account_and_another_schema_are_found() {
    let site = Site::new();
    site.sql("PRAGMA foreign_keys = OFF; DELETE FROM accounts");
    let found = site.run(&["doctor", "--json"]);
    assert_eq!(check(&found, "references")["status"], "wrong", "{found:?}");
    let site = Site::new();
    site.sql("UPDATE schema_migrations SET checksum = zeroblob(32)");
    let found = site.run(&["doctor", "--json"]);
    assert_eq!(check(&found, "schema")["status"], "wrong", "{found:?}");
    Site::new().run(&["doctor", "--data-dir", "nowhere"]).refused("there is nothing in");
}
