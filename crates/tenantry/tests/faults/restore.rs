//! A restore that is interrupted, and one to a disk of its own.

use crate::support::disk::Disk;
use crate::support::http::Connection;
use crate::support::ledger::{self, Acknowledged};
use crate::support::preload::Preload;
use crate::support::say;
use crate::support::site::{Credentials, Site};
use crate::support::writers::{create, read};
use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;

/// More steps than a restore has.
const STEPS_MAX: usize = 200;
const SIGKILL: i32 = 9;
/// Creates, through every surface in turn.
const ENTRIES: usize = 16;

/// A backup to a recipient, and what it holds.
struct Kept {
    backup: String,
    identity: String,
    credentials: Credentials,
    acknowledged: Vec<Acknowledged>,
}

impl Kept {
    fn make(folder: &Path) -> Self {
        let path = |name: &str| folder.join(name).to_str().expect("UTF-8").to_owned();
        let (backup, identity) = (path("a.backup"), path("identity"));
        let site = Site::new(&folder.join("source"));
        fs::create_dir(folder.join("source")).expect("a directory");
        let server = site.start();
        let credentials = site.credentials();
        let mut connection = Connection::open(&server.address).expect("a connection");
        let mut write = |surface| {
            let reply = create(&mut connection, &credentials, surface).expect("a reply");
            assert!(reply.status < 300, "{}", reply.text);
            read(surface, &reply)
        };
        let acknowledged = (0..ENTRIES).map(&mut write).collect();
        drop(connection);
        let recipient = site.print(&["backup-key", "create", &identity]);
        site.print(&["backup", &backup, "--recipient", recipient.trim()]);
        assert!(server.stop().success());
        Self { backup, identity, credentials, acknowledged }
    }

    fn arguments(&self) -> [&str; 4] {
        ["restore", &self.backup, "--identity", &self.identity]
    }

    /// The restored store serves everything.
    fn assert_served(&self, site: &Site) {
        let server = site.start();
        assert_eq!(ledger::lost(&server.address, &self.credentials, &self.acknowledged), 0);
        assert!(server.stop().success());
    }
}

/// Each kill leaves nothing, all of it, or something that is not served and that the next restore
/// takes over. Seen failing without the look at what a restore left in `wiring::open`: the server
/// then made a new plane in the place of the one to be restored.
#[test]
fn a_restore_that_is_killed_at_any_step_is_served_whole_or_not_at_all() {
    let folder = tempfile::tempdir().expect("a directory");
    let Some(preload) = Preload::build(folder.path()) else { return };
    let kept = Kept::make(folder.path());
    let place = |name: &str| {
        fs::create_dir(folder.path().join(name)).expect("a directory");
        Site::new(&folder.path().join(name))
    };
    // One directory to which every restore is killed before the database is there, and a new one
    // for each that is killed after that.
    let mut site = place("0");
    let (mut refused, mut whole) = (0, 0);
    for step in 1..STEPS_MAX {
        let (end, told) = site.end(&kept.arguments(), &preload.killing(step));
        if end.success() {
            kept.assert_served(&site);
            assert!(refused > 5 && whole > 0, "{refused} refused, {whole} whole");
            say(&format!("restore: {step} steps, {refused} kills refused, {whole} whole"));
            return;
        }
        assert_eq!(end.signal(), Some(SIGKILL), "step {step}: {told}");
        if site.database().exists() {
            whole += 1;
            kept.assert_served(&site);
            site = place(&step.to_string());
        } else if site.data.join("restoring").exists() {
            refused += 1;
            assert_eq!(site.try_start().err().and_then(|end| end.code()), Some(1), "step {step}");
            let log = site.last_log();
            assert!(log.contains("was interrupted") && log.contains("again"), "{step}: {log}");
        }
    }
    panic!("a restore has more than {STEPS_MAX} steps");
}

/// A disk's root directory, with what its file system keeps there, cannot be renamed to. Seen
/// failing with `lost+found` taken for somebody's file.
#[test]
fn a_restore_to_a_mounted_disk_is_whole_and_in_use_no_restore_is_made() {
    let folder = tempfile::tempdir().expect("a directory");
    let Some(disk) = Disk::make(folder.path(), "defaults") else { return };
    let kept = Kept::make(folder.path());
    let mut site = Site::new(folder.path());
    site.data.clone_from(&disk.mount);
    assert!(disk.mount.join("lost+found").exists(), "the disk is empty otherwise");
    let (end, told) = site.end(&kept.arguments(), &[]);
    assert!(end.success(), "{told}");
    kept.assert_served(&site);
    let (end, told) = site.end(&kept.arguments(), &[]);
    assert!(!end.success() && told.contains("is not empty"), "{told}");
}
