//! F1 and F6: kill −9 while eight clients create accounts.

use crate::support::ledger::{self, Acknowledged, ENTRIES_MAX};
use crate::support::preload::Preload;
use crate::support::site::Site;
use crate::support::stored::{Stored, assert_sound, assert_trail_intact};
use crate::support::writers::{WRITERS, write_while};
use crate::support::{say, seed, setting};
use std::path::Path;

/// Kills the server again and again; how many creates were acknowledged.
///
/// After each restart: everything acknowledged is stored, everything stored is whole, and each new
/// key verifies; at the end every key does once more.
fn kill_again_and_again(site: &Site, kills: u64, what: &str) -> usize {
    let mut chance = seed(what);
    let mut all: Vec<Acknowledged> = Vec::new();
    let mut stored = Stored::default();
    let mut server = site.start();
    let credentials = site.credentials();
    for kill in 1..=kills {
        let after = chance.millis(5, 500);
        let address = server.address.clone();
        let round = write_while(&address, &credentials, || {
            std::thread::sleep(after);
            server.kill();
        });
        server = site.start();
        let context = format!("kill {kill} after {after:?}");
        assert!(round.refused.is_empty(), "{context}: {:?} {}", round.refused, round.last_refusal);
        let found = stored.look(&site.database());
        for entry in &round.acknowledged {
            assert!(found.contains(&entry.id), "{context}: {} is not stored", entry.id);
        }
        all.extend(round.acknowledged.iter().cloned());
        let excess = stored.things - all.len();
        let in_flight = WRITERS * usize::try_from(kill).unwrap_or(usize::MAX);
        assert!(excess <= in_flight, "{context}: {excess} stored that nobody was told of");
        let lost = ledger::lost(&server.address, &credentials, &round.acknowledged);
        assert_eq!(lost, 0, "{context}: of {} keys", round.acknowledged.len());
        if all.len() > ENTRIES_MAX {
            say(&format!("{what}: stopped after {kill} kills, the ledger is full"));
            break;
        }
    }
    assert_eq!(ledger::lost(&server.address, &credentials, &all), 0, "of all {} keys", all.len());
    assert!(server.stop().success());
    assert_sound(&site.database());
    // Killed in the middle of sealing as of anything else: each event is in its chain, once.
    let events = assert_trail_intact(&site.data);
    assert!(events > stored.things, "{events} events, {} things", stored.things);
    say(&format!(
        "{what}: {kills} kills, {} acknowledged, {} stored, 0 lost, 0 half-made",
        all.len(),
        stored.things
    ));
    all.len()
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a directory")
}

fn site(folder: &Path) -> Site {
    Site::new(folder)
}

/// Seen failing with two of three commits put off until after their answers.
#[test]
fn f1_what_was_acknowledged_survives_kill_9_whole() {
    let folder = folder();
    let kills = setting("TENANTRY_FAULTS_KILLS", 10);
    assert!(kill_again_and_again(&site(folder.path()), kills, "F1") > 0);
}

/// An fsync that lies loses nothing in a kill, since the system keeps what was written. Seen
/// failing as F1 is; that the lie is told is shown by the power cut that loses by it.
#[test]
fn f6_with_an_fsync_that_lies_a_kill_corrupts_nothing() {
    let folder = folder();
    let Some(preload) = Preload::build(folder.path()) else { return };
    let site = Site { environment: preload.lying(), ..site(folder.path()) };
    let kills = setting("TENANTRY_FAULTS_KILLS", 5);
    assert!(kill_again_and_again(&site, kills, "F6") > 0);
}

/// Seen failing with the signals listened for after the address is printed: the process was ended
/// by the signal, and the next start took it for a crash.
#[test]
fn a_server_that_is_stopped_as_soon_as_it_says_where_it_is_stops_in_order() {
    let folder = folder();
    let site = site(folder.path());
    for start in 1..=10 {
        let status = site.start().stop();
        assert!(status.success(), "start {start}: {status}");
    }
    assert!(!site.whole_log().contains("did not stop cleanly"));
}
