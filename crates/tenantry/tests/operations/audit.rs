//! `audit` of the started binary, and what a restore says of what it would lose.

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
    // The organization, the accounts, and the key that signs access tokens.
    assert_eq!((&after["events"], &after["unsealed_events"]), (&7.into(), &0.into()), "{after}");
    assert_eq!((&after["uncovered_chains"], &after["copy"]["lacking"]), (&0.into(), &0.into()));
    let lines = fs::read_to_string(&copy).expect("the copy");
    assert_eq!(after["checkpoints"], lines.lines().count());

    let listed = site.run(&["audit", "list", "--action", "account.created", "--json"]).good();
    assert_eq!(listed.json()["data"].as_array().expect("a list").len(), 5);
    let plane = site.run(&["audit", "list", "--plane", "--json"]).good();
    let plane = plane.json()["data"].as_array().expect("a list").clone();
    assert_eq!(
        plane.iter().map(|event| &event["action"]).collect::<Vec<_>>(),
        ["signing_key.created"]
    );
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

/// F28. Seen failing with the comparison left out: the restore succeeds and nobody hears of the
/// revocation.
#[test]
fn f28_a_restore_names_what_the_copy_knows_to_be_newer_and_waits_for_a_word() {
    let site = Site::new();
    let copy = site.path("copy.jsonl");
    let sink = ["--audit-sink", copy.to_str().expect("UTF-8")];
    let with = |arguments: &[&str]| site.run(&[arguments, &sink].concat());
    let master_key = site.master_key();
    fs::write(site.path("tenantry.toml"), format!("audit-sink = {:?}\n", sink[1]))
        .expect("written");
    let server = site.serve(&site.data());
    let key = create(server.address(), master_key);
    server.end();
    site.run(&["backup", "a.backup"]).good();
    let server = site.serve(&site.data());
    server.revoke(master_key, &key);
    create(server.address(), master_key);
    server.end();

    let restored = site.path("restored");
    let restored = ["--data-dir", restored.to_str().expect("UTF-8")];
    let restore = |more: &[&str]| with(&[&["restore", "a.backup"], &restored[..], more].concat());
    let refused = restore(&[]).refused("knows of what happened after this backup");
    let account = site.organization["account_id"].as_str().expect("an id");
    assert!(refused.stderr.contains(&format!("2 events of {account}")), "{refused:?}");
    restore(&["--check"]).refused("2 events");
    assert!(!site.path("restored").exists());
    restore(&["--accept-lost-events"]).good();

    let server = site.serve(&site.path("restored"));
    assert_eq!(server.verify(master_key, &key)["code"], "VALID", "as it was when it was kept");
    server.revoke(master_key, &key);
    assert_eq!(server.verify(master_key, &key)["code"], "REVOKED");
    server.end();
    // Chains and checkpoints go on, and what the copy has beyond the backup is explained.
    let report = with(&[&["audit", "verify", "--json"], &restored[..]].concat()).good().json();
    assert_eq!(report["copy"]["lacking"], 0, "{report}");
    assert!(report["copy"]["superseded"].as_u64() > Some(0), "{report}");
    // The store that was left behind is not the copy's any more, and is told apart.
    let left = with(&["audit", "verify", "--json"]);
    assert_eq!(left.json()["findings"][0]["code"], "checkpoint_not_in_store", "{left:?}");
}

#[test]
fn a_backup_that_lacks_nothing_is_restored_without_a_word() {
    let site = Site::new();
    let server = site.serve(&site.data());
    create(server.address(), site.master_key());
    // Whether or not the events are sealed by now: they are in it.
    site.run(&["backup", "a.backup"]).good();
    server.end();
    let copy = site.data().join("audit-checkpoints.jsonl");
    let copy = copy.to_str().expect("UTF-8");
    let restored = site.path("restored");
    let target = ["--data-dir", restored.to_str().expect("UTF-8"), "--checkpoints", copy];
    let told = site.run(&[&["restore", "a.backup"], &target[..]].concat()).good();
    assert!(!told.stdout.contains("is not known"), "{told:?}");
    fs::remove_dir_all(&restored).expect("removed");
    let told = site.run(&[&["restore", "a.backup"], &target[..2]].concat()).good();
    assert!(told.stdout.contains("is not known"), "{told:?}");
}
