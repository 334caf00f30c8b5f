//! `audit` of the started binary.

use crate::support::{Outcome, Site, create};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

fn verify(site: &Site, more: &[&str]) -> Outcome {
    site.run(&[&["audit", "verify", "--json"][..], more].concat())
}

#[test]
fn the_trail_is_sealed_by_server_and_commands_and_verified_beside_either() {
    let site = Site::new();
    let first = verify(&site, &[]).good().json();
    assert_eq!((&first["events"], &first["unsealed_events"]), (&1.into(), &0.into()), "{first}");
    let copy = site.data().join("audit-checkpoints.jsonl");
    let mode = fs::metadata(&copy).expect("the copy").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    let server = site.serve(&site.data());
    for _ in 0..5 {
        create(server.address(), site.master_key());
    }
    let beside = verify(&site, &[]).good().json();
    assert_eq!(beside["rows"], 1 + 1 + 5 + 5, "{beside}");
    server.end();
    let after = verify(&site, &[]).good().json();
    assert_eq!((&after["events"], &after["unsealed_events"]), (&6.into(), &0.into()), "{after}");
    assert_eq!((&after["uncovered_chains"], &after["copy"]["lacking"]), (&0.into(), &0.into()));
    let lines = fs::read_to_string(&copy).expect("the copy");
    assert_eq!(after["checkpoints"], lines.lines().count());

    let listed = site.run(&["audit", "list", "--action", "account.created", "--json"]).good();
    assert_eq!(listed.json()["data"].as_array().expect("a list").len(), 5);
    let plane = site.run(&["audit", "list", "--plane", "--json"]).good();
    assert_eq!(plane.json()["data"].as_array().expect("a list").len(), 0);
    let table = site.run(&["audit", "list"]).good();
    assert!(table.stdout.contains("organization.created"), "{table:?}");
}

#[test]
fn what_was_changed_by_sql_is_named_and_the_command_fails() {
    let site = Site::new();
    let server = site.serve(&site.data());
    create(server.address(), site.master_key());
    server.end();
    verify(&site, &[]).good();
    site.sql("DELETE FROM audit_events WHERE action = 'account.created'");
    let found = verify(&site, &[]);
    assert_eq!(found.code, Some(1), "{found:?}");
    assert_eq!(found.json()["findings"][0]["code"], "event_dropped");
    assert_eq!(found.json()["findings"][0]["organization_id"], site.organization["account_id"]);
    let table = site.run(&["audit", "verify"]);
    assert!(table.stdout.contains("was dropped"), "{table:?}");
    assert!(table.stderr.contains("is not what was written"), "{table:?}");
    // Each finding is told once.
    assert!(!table.stderr.contains("alarm"), "{table:?}");
}

#[test]
fn the_copy_can_be_kept_elsewhere_and_a_named_one_has_to_be_there() {
    let site = Site::new();
    let elsewhere = site.path("elsewhere.jsonl");
    let path = elsewhere.to_str().expect("UTF-8");
    site.run(&[
        "organizations",
        "create",
        "--organization",
        "o",
        "--name",
        "n",
        "--email",
        "e@x.y",
        "--audit-sink",
        path,
    ])
    .good();
    let lines = fs::read_to_string(&elsewhere).expect("the copy");
    assert_eq!(lines.lines().count(), 2, "the whole history: {lines}");
    verify(&site, &["--audit-sink", path]).good();
    let own = verify(&site, &[]).good().json();
    assert_eq!(own["copy"]["lacking"], 1, "{own}");
    verify(&site, &["--checkpoints", "nowhere"]).refused("nowhere");
    fs::remove_file(site.data().join("audit-checkpoints.jsonl")).expect("removed");
    assert_eq!(verify(&site, &[]).good().json()["copy"], serde_json::Value::Null);
    let table = site.run(&["audit", "verify"]).good();
    assert!(table.stdout.contains("is not seen"), "{table:?}");
    let altered = lines.replace("\"heads\":[[", "\"heads\": [[");
    fs::write(&elsewhere, altered).expect("written");
    let found = verify(&site, &["--checkpoints", path]);
    assert_eq!(found.json()["findings"][0]["code"], "copy_altered", "{found:?}");
}

/// As docs/operating/audit.md has it.
#[test]
#[expect(clippy::print_stderr, reason = "whoever runs the tests is to know what was left out")]
fn a_checkpoint_is_checked_by_another_program() {
    let site = Site::new();
    fs::write(site.path("key.pem"), site.run(&["audit", "key"]).good().stdout).expect("written");
    let document = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/operating/audit.md");
    let document = fs::read_to_string(document).expect("the document");
    let (_, script) = document.split_once("tenantry audit key > key.pem\n").expect("the script");
    let (script, _) = script.split_once("```").expect("its end");
    let check = |copy: &Path| {
        fs::copy(copy, site.path("audit-checkpoints.jsonl")).expect("copied");
        let mut command = Command::new("sh");
        let output = command.args(["-c", script]).current_dir(site.path(".")).output();
        output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
    };
    if Command::new("openssl").arg("version").output().is_err() {
        eprintln!("left out: there is no openssl");
        return;
    }
    let copy = site.data().join("audit-checkpoints.jsonl");
    let told = check(&copy).expect("a shell");
    assert!(told.contains("Verified Successfully"), "{told}");
    let altered = fs::read_to_string(&copy).expect("the copy").replace(",1,", ",2,");
    fs::write(site.path("altered"), altered).expect("written");
    let told = check(&site.path("altered")).expect("a shell");
    assert!(!told.contains("Verified Successfully"), "{told}");
}
