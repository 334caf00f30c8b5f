//! Backups that succeed.

use crate::support::{Site, create, lasting_names, outcome};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

#[test]
fn a_backup_made_while_many_write_restores_every_key_acknowledged_before_it() {
    let site = Site::new();
    let server = site.serve(&site.data());
    let master_key = site.master_key();
    let keys: Vec<String> = (0..40).map(|_| create(server.address(), master_key)).collect();
    let (revoked, valid) = keys.split_at(10);
    for key in revoked {
        server.revoke(master_key, key);
    }
    let stop = AtomicBool::new(false);
    let sealings = site.sealings();
    // Keys in the order in which they were acknowledged, and how many were when each backup began.
    let acknowledged = Mutex::new(valid.to_vec());
    let mut before = Vec::new();
    std::thread::scope(|scope| {
        let write = || {
            while !stop.load(Ordering::Relaxed) {
                let key = create(server.address(), master_key);
                acknowledged.lock().expect("no panic").push(key);
            }
        };
        let writers = [scope.spawn(write), scope.spawn(write)];
        for number in 0..4 {
            before.push(acknowledged.lock().expect("no panic").len());
            sealings[number % 2].backup(&format!("{number}.backup")).good();
        }
        stop.store(true, Ordering::Relaxed);
        for writer in writers {
            writer.join().expect("no panic");
        }
    });
    let acknowledged = acknowledged.into_inner().expect("no panic");
    assert!(before[3] > valid.len(), "nothing was written meanwhile");
    // After the backup: not in it, as the command says.
    server.revoke(master_key, &valid[0]);
    drop(server);

    for (number, sealed) in (0..4).zip(sealings.iter().cycle()) {
        let data = site.path(&format!("restored-{number}"));
        let directory = data.to_str().expect("UTF-8");
        let file = format!("{number}.backup");
        let restored = sealed.restore(&[&file, "--data-dir", directory]).good();
        assert!(restored.stdout.contains("is not in it"), "{restored:?}");
        let server = site.serve(&data);
        for key in &acknowledged[..before[number]] {
            assert_eq!(server.verify(master_key, key)["code"], "VALID");
        }
        for key in revoked {
            assert_eq!(server.verify(master_key, key)["code"], "REVOKED");
        }
        create(server.address(), master_key);
        let doctor = site.run(&["doctor", "--json", "--data-dir", directory]).good();
        assert_eq!(doctor.json()["healthy"], true, "{doctor:?}");
        server.end();
    }
}

#[test]
fn a_backup_is_its_owners_alone_and_nothing_else_is_left() {
    let site = Site::new();
    let before = lasting_names(&site.data());
    let made = site.run(&["backup", "a.backup", "--json"]).good().json();
    assert_eq!(made["backup"]["counts"]["accounts"], 1);
    assert_eq!(site.names(), ["a.backup", "data"]);
    let metadata = fs::metadata(site.path("a.backup")).expect("the backup");
    assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
    assert_eq!(made["bytes"], metadata.len());
    assert_eq!(lasting_names(&site.data()), before);
}

#[test]
fn a_backup_can_be_tried_without_restoring_it() {
    let site = Site::new();
    for sealed in site.sealings() {
        sealed.backup("a.backup").good();
        let before = lasting_names(&site.data());
        // Beside a server, beside a data directory that nobody uses, and where there is none.
        let server = site.serve(&site.data());
        let tried = sealed.restore(&["a.backup", "--check"]).good();
        assert!(tried.stdout.starts_with("The backup can be restored"), "{tried:?}");
        create(server.address(), site.master_key());
        server.end();
        // The copy of the checkpoints knows of what would be lost.
        let check = ["a.backup", "--check"];
        sealed.restore(&check).refused("happened after this backup");
        sealed.restore(&[&check[..], &["--accept-lost-events"]].concat()).good();
        sealed.restore(&["a.backup", "--check", "--data-dir", "new"]).good();
        assert_eq!(lasting_names(&site.data()), before);
        assert_eq!(site.names(), ["a.backup", "data"]);
        fs::remove_file(site.path("a.backup")).expect("removed");
    }
}

#[test]
fn a_passphrase_comes_from_a_file_that_its_owner_alone_can_read() {
    let site = Site::new();
    let secret = site.path("passphrase");
    fs::write(&secret, "another long passphrase\nnot this line\n").expect("written");
    let mode = |mode| fs::set_permissions(&secret, fs::Permissions::from_mode(mode)).expect("set");
    let backup = ["backup", "a.backup", "--passphrase-file", "passphrase"];
    mode(0o644);
    site.run(&backup).refused("can be read by others");
    mode(0o600);
    site.run(&backup).good();
    site.run(&["restore", "a.backup", "--check"]).refused("the passphrase is not the one");
    let check = ["restore", "a.backup", "--check", "--passphrase-file", "passphrase"];
    site.run(&check).good();
    let typed = outcome(
        site.command(&["restore", "a.backup", "--check"])
            .env("TENANTRY_BACKUP_PASSPHRASE", "another long passphrase"),
    );
    typed.good();
}
