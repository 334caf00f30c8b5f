//! F4: a power cut. The server writes on a disk of its own; at some instant, with the server
//! stopped, the block device is copied, without what the system still holds in memory. The copy is
//! mounted, which replays its journal, and a server is started on it.

use crate::support::disk::Disk;
use crate::support::ledger;
use crate::support::preload::Preload;
use crate::support::site::Site;
use crate::support::stored::{Stored, assert_sound};
use crate::support::writers::write_while;
use crate::support::{Chance, say, seed, setting};
use std::ffi::OsString;
use std::path::Path;

/// Without an fsync nothing reaches the device for five minutes.
const OPTIONS: &str = "commit=300";

struct Cut {
    acknowledged: usize,
    lost: usize,
}

/// One cut; nothing where this machine has no disk to give.
fn cut(chance: &mut Chance, environment: &[(String, OsString)]) -> Option<Cut> {
    let folder = tempfile::tempdir().expect("a directory");
    let disk = Disk::make(folder.path(), OPTIONS)?;
    let site = Site {
        data: disk.mount.join("data"),
        environment: environment.to_vec(),
        ..Site::new(folder.path())
    };
    let server = site.start();
    let credentials = site.credentials();
    if !environment.is_empty() {
        // The organization itself is not to be lost by a lie: a server must start on the copy.
        disk.settle();
    }
    let image = folder.path().join("crash.img");
    let after = chance.millis(50, 500);
    let address = server.address.clone();
    let round = write_while(&address, &credentials, || {
        std::thread::sleep(after);
        server.freeze();
        disk.copy(&image);
        // Replies that had left before are read; nothing new comes.
        server.kill();
    });
    assert!(round.refused.is_empty(), "{:?} {}", round.refused, round.last_refusal);
    drop(disk);
    let acknowledged = round.acknowledged.len();
    let lost = after_the_cut(&image, folder.path(), |server, site| {
        let found = Stored::default().look(&site.database());
        let missing = round.acknowledged.iter().filter(|entry| !found.contains(&entry.id)).count();
        let lost = ledger::lost(server, &credentials, &round.acknowledged);
        assert_eq!(missing, lost, "what is stored verifies");
        lost
    });
    Some(Cut { acknowledged, lost: lost.unwrap_or(acknowledged) })
}

/// Starts a server on what the device held. Nothing where none starts.
fn after_the_cut<T>(image: &Path, folder: &Path, look: impl FnOnce(&str, &Site) -> T) -> Option<T> {
    let disk = Disk::attach(image, OPTIONS).expect("the copy mounts");
    let site = Site { data: disk.mount.join("data"), ..Site::new(folder) };
    let server = site.try_start().ok()?;
    let outcome = look(&server.address, &site);
    server.kill();
    assert_sound(&site.database());
    Some(outcome)
}

/// Seen failing by the test below, and with a server built with `synchronous=NORMAL`, which leaves
/// out just the sync of the log that a commit waits for: of ten single cuts eight lost some of what
/// was acknowledged, with seed 1795402885183078 100 of 647, and two came right after a checkpoint.
/// Five cuts in a row failed each of three times.
#[test]
fn f4_what_was_acknowledged_survives_a_power_cut() {
    let mut chance = seed("F4");
    let mut acknowledged = 0;
    let cuts = setting("TENANTRY_FAULTS_CUTS", 2);
    for number in 1..=cuts {
        let Some(cut) = cut(&mut chance, &[]) else { return };
        assert!(cut.acknowledged > 0, "cut {number}: nothing was acknowledged");
        assert_eq!(cut.lost, 0, "cut {number}: of {}", cut.acknowledged);
        acknowledged += cut.acknowledged;
    }
    say(&format!("F4: {cuts} power cuts, {acknowledged} acknowledged, 0 lost"));
}

/// The protection taken out: fsync does nothing. If this loses nothing, the test above shows
/// nothing.
#[test]
fn f4_without_fsync_a_power_cut_loses() {
    let folder = tempfile::tempdir().expect("a directory");
    let Some(preload) = Preload::build(folder.path()) else { return };
    let Some(cut) = cut(&mut seed("F4 without fsync"), &preload.lying()) else { return };
    say(&format!("F4 without fsync: {} of {} lost", cut.lost, cut.acknowledged));
    assert!(cut.acknowledged > 0 && cut.lost > 0, "{} of {}", cut.lost, cut.acknowledged);
}
