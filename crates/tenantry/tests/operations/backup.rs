//! Backups that succeed.

use crate::support::{ORGANIZATION, PASSPHRASE, Site, create, names, outcome};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
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
    let written = std::thread::scope(|scope| {
        let write = || {
            let mut count = 0;
            while !stop.load(Ordering::Relaxed) {
                create(server.address(), master_key);
                count += 1;
            }
            count
        };
        let writers = [scope.spawn(write), scope.spawn(write)];
        for number in 0..3 {
            site.run(&["backup", &format!("{number}.backup")]).good();
        }
        stop.store(true, Ordering::Relaxed);
        writers.map(|writer| writer.join().expect("no panic")).iter().sum::<u32>()
    });
    assert!(written > 0, "nothing was written meanwhile");
    // After the backup: not in it, as the command says.
    server.revoke(master_key, &valid[0]);
    drop(server);

    for number in 0..3 {
        let data = site.path(&format!("restored-{number}"));
        let directory = data.to_str().expect("UTF-8");
        let file = format!("{number}.backup");
        let restored = site.run(&["restore", &file, "--data-dir", directory]).good();
        assert!(restored.stdout.contains("is not in it"), "{restored:?}");
        let server = site.serve(&data);
        for key in valid {
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
fn a_stolen_backup_shows_no_secret_and_no_customer() {
    let site = Site::new();
    let server = site.serve(&site.data());
    let key = create(server.address(), site.master_key());
    site.run(&["backup", "a.backup"]).good();
    server.end();
    let file = fs::read(site.path("a.backup")).expect("the backup");
    let secrets = fs::read_to_string(site.data().join("secrets.toml")).expect("the secrets");
    let quoted: Vec<&str> = secrets.split('"').skip(1).step_by(2).collect();
    assert_eq!(quoted.len(), 3, "pepper, key-encryption key, the realm's key");
    let mut canaries: Vec<Vec<u8>> = quoted.iter().map(|text| text.as_bytes().to_vec()).collect();
    for text in quoted {
        use base64::Engine as _;
        let bytes = base64::engine::general_purpose::STANDARD.decode(text).expect("base64");
        canaries.push(bytes[bytes.len() - 32..].to_vec());
    }
    let texts = [site.master_key(), &key, ORGANIZATION, "Canary", "canary@example.com", PASSPHRASE];
    canaries.extend(texts.map(|text| text.as_bytes().to_vec()));
    canaries.push(b"SQLite format 3".to_vec());
    canaries.push(b"key_encryption_key".to_vec());
    for canary in canaries {
        let shown = file.windows(canary.len()).any(|window| window == canary);
        assert!(!shown, "the backup shows {:?}", String::from_utf8_lossy(&canary));
    }
    // The canary itself is one: the database shows the name.
    let database = fs::read(site.data().join("tenantry.db")).expect("the database");
    assert!(database.windows(ORGANIZATION.len()).any(|window| window == ORGANIZATION.as_bytes()));
}

#[test]
fn a_backup_is_its_owners_alone_and_nothing_else_is_left() {
    let site = Site::new();
    let before = names(&site.data());
    let made = site.run(&["backup", "a.backup", "--json"]).good().json();
    assert_eq!(made["backup"]["counts"]["accounts"], 1);
    assert_eq!(site.names(), ["a.backup", "data"]);
    let metadata = fs::metadata(site.path("a.backup")).expect("the backup");
    assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
    assert_eq!(made["bytes"], metadata.len());
    let after = names(&site.data());
    // SQLite's own, beside a database that is open.
    let of_ours = |name: &&String| !name.ends_with("-wal") && !name.ends_with("-shm");
    assert!(after.iter().filter(of_ours).eq(before.iter().filter(of_ours)), "{after:?}");
}

#[test]
fn a_backup_can_be_tried_without_restoring_it() {
    let site = Site::new();
    site.run(&["backup", "a.backup"]).good();
    let tried = site.run(&["restore", "a.backup", "--check"]).good();
    assert!(tried.stdout.starts_with("The backup can be restored"), "{tried:?}");
    assert_eq!(site.names(), ["a.backup", "data"]);
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
