//! F14: a commit whose answer is lost on the way.

use super::open;
use crate::support::{Draw, NOW};
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use tempfile::TempDir;
use tenantry_backends::postgres::{PostgresOptions, PostgresStore};
use tenantry_backends::testing::Server;
use tenantry_core::commit::{Change, Commit, Subject};
use tenantry_core::ids::AccountId;
use tenantry_core::store::{AuditStore as _, CredentialStore as _};

/// Where a commit's session is cut.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cut {
    /// The server never sees it.
    Before,
    /// The server has made it.
    After,
}

/// Between a store and its server, until a commit is cut: once each time that it is armed.
struct Between {
    directory: TempDir,
    armed: Arc<AtomicBool>,
}

impl Between {
    fn start(server: &Path, cut: Cut) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let listener =
            UnixListener::bind(directory.path().join(".s.PGSQL.5432")).expect("a socket");
        let armed = Arc::new(AtomicBool::new(false));
        let (server, arm) = (server.join(".s.PGSQL.5432"), armed.clone());
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (server, armed) = (server.clone(), arm.clone());
                thread::spawn(move || relay(client, &server, cut, &armed));
            }
        });
        Self { directory, armed }
    }

    fn url(&self, url: &str) -> String {
        let host = self.directory.path().display().to_string().replace('/', "%2F");
        let name = url.rsplit('/').next().expect("a name");
        format!("postgres://tenantry@{host}/{name}")
    }
}

fn relay(mut client: UnixStream, server: &PathBuf, cut: Cut, armed: &AtomicBool) {
    let Ok(mut upstream) = UnixStream::connect(server) else { return };
    let (mut back, mut answers) =
        (client.try_clone().expect("a socket"), upstream.try_clone().expect("a socket"));
    let answering = thread::spawn(move || {
        let _ = std::io::copy(&mut answers, &mut back);
        let _ = back.shutdown(Shutdown::Both);
    });
    let mut bytes = vec![0; 1 << 16];
    while let Ok(length @ 1..) = client.read(&mut bytes) {
        let commits = bytes[..length].windows(7).any(|window| window == b"COMMIT\0");
        if commits && armed.swap(false, Ordering::SeqCst) {
            // The client hears nothing any more.
            let _ = client.shutdown(Shutdown::Both);
            if cut == Cut::After {
                let _ = upstream.write_all(&bytes[..length]);
            }
            break;
        }
        if upstream.write_all(&bytes[..length]).is_err() {
            break;
        }
    }
    let _ = upstream.shutdown(Shutdown::Write);
    let _ = answering.join();
}

/// Seen failing without the look for the event: the commit that was made is then made again, and is
/// told to clash with itself.
#[tokio::test]
async fn f14_a_commit_whose_answer_is_lost_is_made_once_and_answered() {
    let Some(server) = Server::shared() else { return };
    for cut in [Cut::Before, Cut::After] {
        let (database, draw) = (server.database(), Draw::new());
        let between = Between::start(server.directory(), cut);
        let options = PostgresOptions::new(between.url(database.url()), NOW);
        let store = PostgresStore::open(&options).await.expect("a store");
        let root = AccountId::from_bytes([3; 16]);
        for number in 1..=20 {
            between.armed.store(true, Ordering::SeqCst);
            let change = Change::new(&draw.rng, root, [Subject::Account(root)]);
            let commit = Commit::changing(draw.seal(draw.event(root)), change);
            let committed = store.insert_audit_event(commit).await.expect("made");
            assert!(!between.armed.load(Ordering::SeqCst), "nothing was cut");
            assert_eq!(committed.expect("a revision").number, number);
        }
        let past = open(database.url()).await;
        assert_eq!(past.find_head(root).await.expect("a read").revision.number, 20);
        let events = database.query("SELECT count(*) FROM audit_events").expect("rows");
        assert_eq!(events[0].get::<_, i64>(0), 20);
    }
}
