//! A damaged database under the started binary: it says how to restore, and that works.

use crate::support::{Site, create};
use serde_json::json;
use std::fs;

const HINT: &str = "move the data directory away and run `tenantry restore BACKUP`";

#[test]
fn a_damaged_header_keeps_the_server_from_starting_and_the_hint_mends_it() {
    let site = Site::new();
    site.run(&["backup", "a.backup"]).good();
    let path = site.data().join("tenantry.db");
    let mut bytes = fs::read(&path).expect("the database");
    bytes[..16].fill(0x41);
    fs::write(&path, bytes).expect("written");
    site.run(&["serve", "--listen", "127.0.0.1:0"]).refused(HINT);
    site.run(&["backup", "b.backup"]).refused(HINT);
    let doctor = site.run(&["doctor"]);
    assert!(doctor.code == Some(1) && doctor.stdout.contains(HINT), "{doctor:?}");

    fs::rename(site.data(), site.path("damaged")).expect("moved away");
    site.run(&["restore", "a.backup"]).good();
    let server = site.serve(&site.data());
    create(server.address(), site.master_key());
    server.end();
}

#[test]
fn a_server_that_meets_damage_refuses_to_start_or_answers_no_more_from_the_file() {
    let site = Site::new();
    let server = site.serve(&site.data());
    let keys: Vec<String> = (0..100).map(|_| create(server.address(), site.master_key())).collect();
    server.revoke(site.master_key(), &keys[0]);
    server.end();
    let path = site.data().join("tenantry.db");
    let sound = fs::read(&path).expect("the database");
    let pages = sound.len() / 4096;
    let (mut met, mut not_started) = (0, 0);
    for first in (1..pages).step_by(3) {
        let mut bytes = sound.clone();
        bytes[first * 4096..].chunks_mut(4096).for_each(|page| page.fill(0xff));
        for file in ["tenantry.db-wal", "tenantry.db-shm"] {
            let _ = fs::remove_file(site.data().join(file));
        }
        fs::write(&path, bytes).expect("written");
        let server = match site.try_serve(&site.data()) {
            Ok(server) => server,
            Err(told) => {
                assert!(told.contains(HINT), "{told}");
                not_started += 1;
                continue;
            }
        };
        for key in &keys {
            let question = json!({ "key": key });
            let (status, verdict) = server.post("/v1/keys/verify", site.master_key(), &question);
            if key == &keys[0] {
                assert_ne!(verdict["code"], "VALID");
            }
            met += usize::from(status != 200);
        }
    }
    assert!(met > 0 && not_started > 0, "{met} refused, {not_started} not started");
}
