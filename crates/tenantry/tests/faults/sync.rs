//! F5: an fsync fails once.

use crate::support::preload::Preload;
use crate::support::site::Site;
use crate::support::stored::{Stored, assert_sound};
use crate::support::writers::write_while;
use crate::support::{ledger, say, within};
use std::time::Duration;
use tenantry::wiring::DISK_FAILED;

/// The fsync of `file` fails once, under load.
fn one_failure(file: &str) {
    let folder = tempfile::tempdir().expect("a directory");
    let Some(preload) = Preload::build(folder.path()) else { return };
    let trigger = folder.path().join("trigger");
    let mut site = Site::new(folder.path());
    site.environment = preload.failing(file, &trigger);
    let mut server = site.start();
    let credentials = site.credentials();
    let address = server.address.clone();
    let (failed, again) =
        (folder.path().join("trigger.failed"), folder.path().join("trigger.again"));
    let mut status = None;
    let round = write_while(&address, &credentials, || {
        std::thread::sleep(Duration::from_millis(100));
        std::fs::write(&trigger, "").expect("the trigger");
        // A database file is synced by checkpoints only, one in a thousand pages of the log.
        let seen = within(Duration::from_secs(20), || failed.exists());
        assert!(seen.is_some(), "{file} was not synced");
        let ended = within(Duration::from_secs(1), || {
            status = server.ended();
            status.is_some()
        });
        assert!(ended.is_some(), "it goes on after a failed fsync of {file}: {}", site.last_log());
        say(&format!("F5: ended within {ended:?} of the failed fsync of {file}"));
    });
    let code = status.and_then(|status| status.code());
    assert_eq!(code, Some(DISK_FAILED), "{}", site.last_log());
    assert!(!again.exists(), "something was synced after the fsync of {file} had failed");
    assert!(round.refused.is_empty(), "{:?} {}", round.refused, round.last_refusal);
    assert!(site.whole_log().contains(r#""alarm":"disk_failed""#), "no alarm");

    site.environment.clear();
    let server = site.start();
    let found = Stored::default().look(&site.database());
    assert!(round.acknowledged.iter().all(|entry| found.contains(&entry.id)));
    assert_eq!(ledger::lost(&server.address, &credentials, &round.acknowledged), 0);
    assert!(server.stop().success());
    assert_sound(&site.database());
    say(&format!("F5: {} acknowledged before, 0 lost", round.acknowledged.len()));
}

/// Seen failing before the writer had `DiskFailed`: a failed commit was tried again, told that all
/// was well, and acknowledged.
#[test]
fn f5_a_failed_fsync_of_the_log_ends_the_process_without_another_try() {
    one_failure("tenantry.db-wal");
}

/// Seen failing with SQLite's own hook for checkpoints, which swallows the failure: the server went
/// on, and the next checkpoint believed the disk.
#[test]
fn f5_a_failed_fsync_of_a_checkpoint_ends_the_process_without_another_try() {
    one_failure("tenantry.db");
}
