//! F7 and F8: a full disk, and one that turns read-only.

use crate::support::disk::Disk;
use crate::support::http::Connection;
use crate::support::ledger::{self, Acknowledged};
use crate::support::site::{Credentials, Server, Site};
use crate::support::stored::assert_sound;
use crate::support::writers::{create, read, write_while};
use crate::support::{Stop, say, within};
use std::io::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// How soon changes must go on once there is room.
const RECOVERY: Duration = Duration::from_secs(5);

struct Setting {
    folder: tempfile::TempDir,
    disk: Disk,
    site: Site,
    server: Server,
    credentials: Credentials,
    before: Vec<Acknowledged>,
}

/// A server on a disk of its own, with some accounts. Nothing where there is no disk.
fn set_up(options: &str) -> Option<Setting> {
    let folder = tempfile::tempdir().expect("a directory");
    let disk = Disk::make(folder.path(), options)?;
    let site = Site { data: disk.mount.join("data"), ..Site::new(folder.path()) };
    let server = site.start();
    let credentials = site.credentials();
    let round = write_while(&server.address, &credentials, || {
        std::thread::sleep(Duration::from_millis(200));
    });
    assert!(!round.acknowledged.is_empty());
    Some(Setting { folder, disk, site, server, credentials, before: round.acknowledged })
}

/// Takes all the room that there is.
fn fill(path: &Path) {
    let mut file = std::fs::File::create(path).expect("a file");
    for size in [1 << 20, 1 << 12, 1] {
        let block = vec![1_u8; size];
        while file.write_all(&block).is_ok() {}
    }
    // What was taken so far is taken for good; a full disk may refuse this too.
    let _ = file.sync_all();
}

/// Verifies again and again while `meanwhile` runs: how many verdicts, all of them VALID.
fn verify_while(setting: &Setting, meanwhile: impl FnOnce()) -> usize {
    let stop = AtomicBool::new(false);
    let verdicts = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut connection = Connection::open(&setting.server.address).expect("a connection");
            for entry in setting.before.iter().cycle() {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                let code = ledger::verdict(&mut connection, &setting.credentials.master, entry);
                assert_eq!(code.expect("a verdict"), "VALID");
                verdicts.fetch_add(1, Ordering::Relaxed);
            }
        });
        let _stop = Stop(&stop);
        meanwhile();
    });
    verdicts.into_inner()
}

/// Seen failing with a full disk read as any other failure of the store, and with nobody who probes.
#[test]
fn f7_on_a_full_disk_keys_verify_and_creates_are_told_so_until_there_is_room() {
    let Some(setting) = set_up("defaults") else { return };
    let filler = setting.disk.mount.join("filler");
    let mut all = setting.before.clone();
    let (mut seen, mut recovered) = (None, None);
    let verdicts = verify_while(&setting, || {
        fill(&filler);
        // The log has room of its own that is used up first.
        let mut refused = 0;
        for _ in 0..20 {
            let round = write_while(&setting.server.address, &setting.credentials, || {
                std::thread::sleep(Duration::from_millis(200));
            });
            assert!(round.refused.keys().all(|status| *status == 507), "{:?}", round.refused);
            all.extend(round.acknowledged);
            refused += round.refused.values().sum::<usize>();
            if refused > 100 {
                break;
            }
        }
        assert!(refused > 100, "the disk is not full");
        let ready = setting.server.get("/readyz").expect("an answer");
        assert_eq!((ready.status, &*ready.text), (200, "ready\nwrites: refused (storage full)\n"));
        assert_eq!(setting.server.get("/readyz/writes").expect("an answer").status, 503);
        std::fs::remove_file(&filler).expect("room");
        // Without anybody's change.
        let took = within(RECOVERY, || {
            setting.server.get("/readyz/writes").expect("an answer").status == 200
        });
        seen = Some(took.expect("readiness turns back once there is room"));
        let mut connection = Connection::open(&setting.server.address).expect("a connection");
        for surface in 0..4 {
            let took = within(RECOVERY, || {
                let reply = create(&mut connection, &setting.credentials, surface);
                let reply = reply.expect("a reply");
                let created = reply.status < 300;
                if created {
                    all.push(read(surface, &reply));
                }
                created
            });
            recovered = recovered.max(Some(took.expect("creates go on once there is room")));
        }
    });
    let lost = |server: &Server| ledger::lost(&server.address, &setting.credentials, &all);
    assert_eq!(lost(&setting.server), 0);
    let Setting { folder, disk, site, server, credentials, .. } = setting;
    server.kill();
    let server = site.start();
    assert_eq!(ledger::lost(&server.address, &credentials, &all), 0);
    assert!(server.stop().success());
    assert_sound(&site.database());
    say(&format!(
        "F7: {} acknowledged, 0 lost; {verdicts} verdicts, all VALID; ready for writes again after \
         {seen:?}, creates then went on in {recovered:?}",
        all.len()
    ));
    drop((disk, folder));
}

/// Seen failing with every I/O error taken for a failed fsync: the process ended.
#[test]
fn f8_on_a_disk_that_turned_read_only_keys_verify_and_creates_are_refused() {
    let Some(setting) = set_up("errors=remount-ro") else { return };
    let mut all = setting.before.clone();
    let mut refused = None;
    let verdicts = verify_while(&setting, || {
        if !setting.disk.turn_read_only() {
            say("left out: this kernel does not let a file system fail at will");
            return;
        }
        let round = write_while(&setting.server.address, &setting.credentials, || {
            std::thread::sleep(Duration::from_millis(500));
        });
        assert!(round.refused.keys().all(|status| [503, 507].contains(status)), "{round:?}");
        assert!(round.refused.values().sum::<usize>() > 0, "creates go on");
        let ready = setting.server.get("/readyz").expect("an answer");
        assert!(ready.status == 200 && ready.text.contains("writes: refused"), "{}", ready.text);
        assert_eq!(setting.server.get("/readyz/writes").expect("an answer").status, 503);
        all.extend(round.acknowledged);
        refused = Some(round.refused);
    });
    let Setting { folder, disk, site, server, credentials, .. } = setting;
    server.kill();
    disk.mount_again("defaults");
    let server = site.start();
    assert_eq!(ledger::lost(&server.address, &credentials, &all), 0);
    let mut connection = Connection::open(&server.address).expect("a connection");
    assert!(create(&mut connection, &credentials, 0).expect("a reply").status < 300);
    drop(connection);
    assert!(server.stop().success());
    assert_sound(&site.database());
    say(&format!(
        "F8: {} acknowledged, 0 lost; {verdicts} verdicts, all VALID; refused {refused:?}",
        all.len()
    ));
    drop((disk, folder));
}
