//! Backups and restores that are refused, or interrupted: all or nothing.

use crate::support::{Sealed, Site, lasting_names, names, outcome};
use std::fs;
use std::process::Stdio;
use std::time::Duration;

/// Restores what was made of the backup; the refusal must say `text` and leave nothing.
fn assert_refused(site: &Site, sealed: &Sealed<'_>, file: &[u8], texts: &[&str]) {
    fs::write(site.path("b.backup"), file).expect("written");
    let refused = sealed.restore(&["b.backup", "--data-dir", "new"]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    let told = texts.iter().any(|text| refused.stderr.contains(text));
    assert!(told && refused.stderr.contains("b.backup"), "{refused:?}");
    assert_eq!(site.names(), ["a.backup", "b.backup", "data"]);
}

#[test]
fn a_flipped_byte_or_a_missing_end_is_found_and_nothing_is_restored() {
    let site = Site::new();
    for sealed in site.sealings() {
        sealed.backup("a.backup").good();
        let file = fs::read(site.path("a.backup")).expect("the backup");
        let damaged = ["it is damaged or cut off", "it is not a backup of Tenantry"];
        // The head, borders of chunks, and places all over the rest. To one recipient the head has
        // 112 bytes more.
        let places = [0, 9, 11, 13, 30, 60, 100, 119, 120, 121, 199, 200, 231, 232];
        let borders = [65_655, 65_656, 65_767, 65_768, file.len() - 1];
        for at in places.into_iter().chain(borders).chain((300..file.len()).step_by(9973)) {
            let mut flipped = file.clone();
            flipped[at] ^= 0x10;
            assert_refused(&site, &sealed, &flipped, &damaged);
        }
        for length in [0, 119, 120, 121, 200, 231, 232, 60_000, 65_656, 65_657, file.len() - 1] {
            assert_refused(&site, &sealed, &file[..length], &damaged);
        }
        assert_refused(&site, &sealed, &[&file[..], b"x"].concat(), &damaged);
        assert_refused(&site, &sealed, b"SQLite format 3\0", &damaged);
        fs::remove_file(site.path("a.backup")).expect("removed");
    }
}

#[test]
fn a_wrong_or_missing_passphrase_is_told_as_such() {
    let site = Site::new();
    site.run(&["backup", "a.backup"]).good();
    let restore = ["restore", "a.backup", "--data-dir", "new"];
    let with =
        |passphrase| outcome(site.command(&restore).env("TENANTRY_BACKUP_PASSPHRASE", passphrase));
    with("correct horse battery stable").refused("the passphrase is not the one");
    with("too short").refused("at least 12 characters");
    let nothing = outcome(site.command(&restore).env_remove("TENANTRY_BACKUP_PASSPHRASE"));
    nothing.refused("--passphrase-file");
    assert_eq!(site.names(), ["a.backup", "data"]);
}

#[test]
fn nothing_is_overwritten() {
    let site = Site::new();
    site.run(&["backup", "a.backup"]).good();
    let before = fs::read(site.path("a.backup")).expect("the backup");
    site.run(&["backup", "a.backup"]).refused("exists");
    assert!(fs::read(site.path("a.backup")).expect("the backup") == before);

    let database = fs::read(site.data().join("tenantry.db")).expect("the database");
    site.run(&["restore", "a.backup"]).refused("is not empty");
    assert!(fs::read(site.data().join("tenantry.db")).expect("the database") == database);
    fs::create_dir(site.path("other")).expect("a directory");
    fs::write(site.path("other/file"), "mine").expect("a file");
    site.run(&["restore", "a.backup", "--data-dir", "other"]).refused("is not empty");
    assert_eq!(fs::read(site.path("other/file")).expect("the file"), b"mine");
    fs::create_dir(site.path("empty")).expect("a directory");
    // A refused restore leaves it empty.
    let mut broken = before;
    broken[5000] ^= 1;
    fs::write(site.path("b.backup"), broken).expect("written");
    site.run(&["restore", "b.backup", "--data-dir", "empty"]).refused("it is damaged");
    assert_eq!(names(&site.path("empty")), [""; 0]);
    site.run(&["restore", "a.backup", "--data-dir", "empty"]).good();
    assert_eq!(site.names(), ["a.backup", "b.backup", "data", "empty", "other"]);
}

#[test]
fn a_backup_without_a_database_or_its_secrets_is_refused() {
    let site = Site::new();
    site.run(&["backup", "a.backup", "--data-dir", "nowhere"]).refused("there is nothing in");
    fs::remove_file(site.data().join("secrets.toml")).expect("removed");
    site.run(&["backup", "a.backup"]).refused("secrets.toml is missing");
    assert_eq!(site.names(), ["data"]);
}

#[test]
fn a_killed_backup_leaves_no_half_file_and_the_next_one_succeeds() {
    let site = Site::new();
    let quiet = |arguments: &[&str]| {
        let mut command = site.command(arguments);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().expect("the binary")
    };
    let before = lasting_names(&site.data());
    for delay in (0..12).map(|step| Duration::from_millis(step * 25)) {
        let mut child = quiet(&["backup", "a.backup"]);
        std::thread::sleep(delay);
        child.kill().expect("killed");
        child.wait().expect("its end");
        // Nothing under its name, or all of it.
        if site.path("a.backup").exists() {
            site.run(&["restore", "a.backup", "--check"]).good();
            fs::remove_file(site.path("a.backup")).expect("removed");
        }
        let mut left = lasting_names(&site.data());
        left.retain(|name| !before.contains(name));
        for name in left {
            // The copy's name is there for an instant, before anything is in it.
            let path = site.data().join(&name);
            let empty = fs::metadata(&path).is_ok_and(|metadata| metadata.len() == 0);
            assert!(empty && name.starts_with("backup-"), "{name} was left, a copy in clear");
            fs::remove_file(path).expect("removed");
        }
    }
    site.run(&["backup", "a.backup"]).good();
    assert_eq!(site.names(), ["a.backup", "data"]);
}

#[test]
fn a_restore_that_was_killed_is_not_served_and_the_next_one_takes_over() {
    let site = Site::new();
    let [_, sealed] = site.sealings();
    sealed.backup("a.backup").good();
    let new = site.path("new");
    for delay in (0..16).map(|step| Duration::from_millis(step * 25)) {
        let mut command = sealed.restoring(&["a.backup", "--data-dir", "new"]);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().expect("the binary");
        std::thread::sleep(delay);
        child.kill().expect("killed");
        child.wait().expect("its end");
        if new.join("tenantry.db").exists() {
            site.run(&["doctor", "--data-dir", "new"]).good();
            fs::remove_dir_all(&new).expect("removed");
        } else if new.join("restoring").exists() {
            let told = site.try_serve(&new).err().expect("nothing to serve");
            assert!(told.contains("was interrupted") && told.contains("again"), "{told}");
            for command in ["doctor", "backup"] {
                let file = (command == "backup").then_some("b.backup");
                let words = [command, "--data-dir", "new"].into_iter().chain(file);
                site.run(&words.collect::<Vec<_>>()).refused("was interrupted");
            }
        }
    }
    sealed.restore(&["a.backup", "--data-dir", "new"]).good();
    assert_eq!(site.names(), ["a.backup", "data", "new"]);
    assert!(!new.join("restoring").exists());
    site.serve(&new).end();
}

#[test]
fn nothing_of_another_is_cleared_away_by_a_restore() {
    let site = Site::new();
    let [_, sealed] = site.sealings();
    sealed.backup("a.backup").good();
    let new = site.path("new");
    // Secrets whose database was lost, and a database beside what a restore left.
    for (mine, restoring) in [("secrets.toml", false), ("tenantry.db", true), ("other", true)] {
        fs::create_dir(&new).expect("a directory");
        fs::write(new.join(mine), "mine").expect("a file");
        if restoring {
            fs::create_dir(new.join("restoring")).expect("a directory");
        }
        sealed.restore(&["a.backup", "--data-dir", "new"]).refused("is not empty");
        assert_eq!(fs::read(new.join(mine)).expect("the file"), b"mine");
        fs::remove_dir_all(&new).expect("removed");
    }
}

#[test]
fn a_backup_with_forged_rows_is_restored_only_where_that_is_accepted() {
    let site = Site::new();
    site.sql("UPDATE accounts SET name = 'forged'");
    site.run(&["backup", "a.backup"]).good();
    let account = site.organization["account_id"].as_str().expect("an id");
    let restore = ["restore", "a.backup", "--data-dir", "new"];
    let refused = site.run(&restore).refused("are not what was written");
    assert!(refused.stderr.contains(&format!("accounts {account}")), "{refused:?}");
    assert_eq!(site.names(), ["a.backup", "data"]);
    site.run(&[&restore[..], &["--accept-wrong-rows"]].concat()).good();
    let server = site.serve(&site.path("new"));
    let (status, _) =
        server.post("/v1/keys/verify", site.master_key(), &serde_json::json!({ "key": "x" }));
    assert_ne!(status, 200, "a forged row was believed");
}
