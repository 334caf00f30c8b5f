//! F14: a commit whose answer is lost on the way.

use super::open;
use crate::support::{Draw, NOW};
use futures_util::future::join_all;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;
use tempfile::TempDir;
use tenantry_backends::postgres::{PostgresOptions, PostgresStore};
use tenantry_backends::testing::{Database, Server};
use tenantry_core::accounts::Account;
use tenantry_core::commit::{Change, Commit, Subject};
use tenantry_core::credentials::Credential;
use tenantry_core::error::{Conflict, Error, Result};
use tenantry_core::ids::AccountId;
use tenantry_core::secrets::Sealed;
use tenantry_core::store::{AccountStore as _, AuditStore as _, Committed, CredentialStore as _};

/// Where a commit's session is cut.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cut {
    /// In the middle of the transaction's statements: the server sees the first of them.
    Within,
    /// The server never sees it.
    Before,
    /// The server has made it.
    After,
    /// Not cut: the server cannot read the word that begins the transaction.
    Garbled,
}

impl Cut {
    /// What the client is cut off for.
    fn word(self) -> &'static [u8] {
        match self {
            Self::Within => b"INSERT INTO credentials",
            Self::Before | Self::After => b"COMMIT\0",
            Self::Garbled => b"BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE",
        }
    }
}

/// Between a store and its server, until a commit is cut: once each time that it is armed.
struct Between {
    directory: TempDir,
    switches: Arc<Switches>,
}

#[derive(Default)]
struct Switches {
    /// The next one is cut.
    armed: AtomicBool,
    /// Whoever is cut off once cannot come back.
    for_good: AtomicBool,
    /// Nobody gets through.
    shut: AtomicBool,
}

impl Between {
    fn start(server: &Path, cut: Cut) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let listener =
            UnixListener::bind(directory.path().join(".s.PGSQL.5432")).expect("a socket");
        let switches = Arc::new(Switches::default());
        let (server, shared) = (server.join(".s.PGSQL.5432"), switches.clone());
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (server, switches) = (server.clone(), shared.clone());
                thread::spawn(move || relay(client, &server, cut, &switches));
            }
        });
        Self { directory, switches }
    }

    fn arm(&self) {
        self.switches.armed.store(true, Ordering::SeqCst);
    }

    fn assert_cut(&self) {
        assert!(!self.switches.armed.load(Ordering::SeqCst), "nothing was cut");
    }

    fn url(&self, url: &str) -> String {
        let host = self.directory.path().display().to_string().replace('/', "%2F");
        let name = url.rsplit('/').next().expect("a name");
        format!("postgres://tenantry@{host}/{name}")
    }
}

fn relay(mut client: UnixStream, server: &PathBuf, cut: Cut, switches: &Switches) {
    let Ok(mut upstream) = UnixStream::connect(server) else { return };
    let (mut back, mut answers) =
        (client.try_clone().expect("a socket"), upstream.try_clone().expect("a socket"));
    let answering = thread::spawn(move || {
        let _ = std::io::copy(&mut answers, &mut back);
        let _ = back.shutdown(Shutdown::Both);
    });
    let mut bytes = vec![0; 1 << 16];
    while let Ok(length @ 1..) = client.read(&mut bytes) {
        if switches.shut.load(Ordering::SeqCst) {
            let _ = client.shutdown(Shutdown::Both);
            break;
        }
        let word = cut.word();
        let place = bytes[..length].windows(word.len()).position(|window| window == word);
        let place = place.filter(|_| switches.armed.swap(false, Ordering::SeqCst));
        if let (Cut::Garbled, Some(place)) = (cut, place) {
            bytes[place] = b'X';
        } else if let Some(place) = place {
            switches.shut.store(switches.for_good.load(Ordering::SeqCst), Ordering::SeqCst);
            // The client hears nothing any more.
            let _ = client.shutdown(Shutdown::Both);
            let seen = match cut {
                Cut::Within => place,
                Cut::Before | Cut::Garbled => 0,
                Cut::After => length,
            };
            let _ = upstream.write_all(&bytes[..seen]);
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
/// told to clash with itself. And, for the change of nothing, without the head as its place.
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
            between.arm();
            let change = Change::new(&draw.rng, root, [Subject::Account(root)]);
            let commit = Commit::changing(draw.seal(draw.event(root)), change);
            let committed = store.insert_audit_event(commit).await.expect("made");
            between.assert_cut();
            assert_eq!(committed.expect("a revision").number, number);
            // A change of nothing that is cached has a place, too.
            between.arm();
            let change = Change::new(&draw.rng, root, []);
            let commit = Commit::changing(draw.seal(draw.event(root)), change);
            let committed = store.insert_audit_event(commit).await.expect("made");
            between.assert_cut();
            assert_eq!(committed.expect("a revision").number, number);
        }
        let past = open(database.url()).await;
        assert_eq!(past.find_head(root).await.expect("a read").revision.number, 20);
        let events = database.query("SELECT count(*) FROM audit_events").expect("rows");
        assert_eq!(events[0].get::<_, i64>(0), 40);
    }
}

/// What comes after the beginning is on its way by then, and each statement is one of its own.
///
/// Seen failing with each failure to begin taken for one that left nothing behind.
#[tokio::test]
async fn f14_a_change_whose_transaction_did_not_begin_is_not_told_to_be_unmade() {
    let Some(server) = Server::shared() else { return };
    let (database, draw) = (server.database(), Draw::new());
    let between = Between::start(server.directory(), Cut::Garbled);
    let options = PostgresOptions::new(between.url(database.url()), NOW);
    let store = PostgresStore::open(&options).await.expect("a store");
    between.arm();
    let outcome = store.insert_audit_event(draw.commit(AccountId::PLANE)).await;
    between.assert_cut();
    assert!(matches!(outcome, Err(Error::OutcomeUnknown(_))), "{outcome:?}");
    store.insert_audit_event(draw.commit(AccountId::PLANE)).await.expect("the next is one again");
}

type Rows = (Sealed<Account>, Sealed<Credential>, Commit);

/// Sub-accounts that are not in the store, each of a request that may be sent again.
fn new(draw: &Draw, root: AccountId) -> Vec<Rows> {
    let rows = |_| {
        let account = draw.sub_account(root);
        let key = draw.key(&account);
        let replay = draw.replay("POST /v1/accounts", NOW.plus(Duration::from_mins(10)));
        let commit = Commit { replay: Some(replay), ..draw.commit(root) };
        (draw.seal(account), draw.seal(key), commit)
    };
    (0..40).map(rows).collect()
}

/// All at once, so that they go together.
async fn create_all(store: &PostgresStore, new: &[Rows]) -> Vec<Result<Committed>> {
    join_all(
        new.iter().map(|(account, key, commit)| store.insert_account(account, key, commit.clone())),
    )
    .await
}

/// How many rows there are of what was created, replies included.
fn stored(database: &Database) -> [i64; 3] {
    [
        "SELECT count(*) FROM accounts WHERE parent_id IS NOT NULL",
        "SELECT count(*) FROM credentials c JOIN accounts a ON a.id = c.account_id
         WHERE a.parent_id IS NOT NULL",
        "SELECT count(*) FROM idempotency",
    ]
    .map(|sql| database.query(sql).expect("rows")[0].get(0))
}

/// Seen failing with creates done one by one after a commit that was made, each of which then clashes
/// with itself; with all that were cut off before their commit told to have been made; and with all
/// of them refused for it.
#[tokio::test]
async fn f14_creates_that_are_cut_off_together_are_each_made_once_and_answered() {
    let Some(server) = Server::shared() else { return };
    for cut in [Cut::Within, Cut::Before, Cut::After] {
        let (database, draw) = (server.database(), Draw::new());
        let between = Between::start(server.directory(), cut);
        let options = PostgresOptions::new(between.url(database.url()), NOW);
        let store = PostgresStore::open(&options).await.expect("a store");
        let root = draw.organization(&store).await.account;
        for round in 1..=5 {
            let new = new(&draw, root.id);
            between.arm();
            for outcome in create_all(&store, &new).await {
                outcome.expect("made");
            }
            between.assert_cut();
            assert_eq!(stored(&database), [round * 40; 3]);
            // Whoever asks again is told so, and nothing is made twice.
            let again = create_all(&store, &again(&draw, &new)).await;
            let repeated = |outcome| matches!(outcome, Err(Error::Conflict(Conflict::Repeated)));
            assert!(again.into_iter().all(repeated));
            assert_eq!(stored(&database), [round * 40; 3]);
        }
    }
}

/// The same requests, sent again: other rows, with the same key.
fn again(draw: &Draw, rows: &[Rows]) -> Vec<Rows> {
    let root = rows[0].0.record().root();
    let fresh = new(draw, root).into_iter().zip(rows);
    fresh
        .map(|((account, key, commit), (.., first))| {
            (account, key, Commit { replay: first.replay.clone(), ..commit })
        })
        .collect()
}

/// Seen failing with one refusal for all that took too long: everybody is told `unavailable`, and
/// everything was made.
#[tokio::test]
async fn f14_creates_that_cannot_be_looked_for_are_of_unknown_outcome_to_each() {
    let Some(server) = Server::shared() else { return };
    let lost = |cut| async move {
        let (database, draw) = (server.database(), Draw::new());
        let between = Between::start(server.directory(), cut);
        let options = PostgresOptions::new(between.url(database.url()), NOW);
        let store = PostgresStore::open(&options).await.expect("a store");
        let root = draw.organization(&store).await.account;
        let new = new(&draw, root.id);
        between.switches.for_good.store(true, Ordering::SeqCst);
        between.arm();
        let outcomes = create_all(&store, &new).await;
        between.assert_cut();
        // Cut off before their commit was sent, they are known not to be made.
        let told = |outcome: &Result<Committed>| match outcome {
            Err(Error::Unavailable(_)) => cut == Cut::Within,
            Err(Error::OutcomeUnknown(_)) => cut != Cut::Within,
            _ => false,
        };
        assert!(outcomes.iter().all(told), "{:?}", outcomes.iter().find(|outcome| !told(outcome)));
        assert!(store.accepts_writes().is_err());
        let made = if cut == Cut::After { 40 } else { 0 };
        assert_eq!(stored(&database), [made; 3], "all or none");
        between.switches.shut.store(false, Ordering::SeqCst);
        for outcome in create_all(&store, &again(&draw, &new)).await {
            match outcome {
                Err(Error::Conflict(Conflict::Repeated)) => assert_eq!(made, 40),
                outcome => assert!(outcome.is_ok() && made == 0, "{outcome:?}"),
            }
        }
        assert_eq!(stored(&database), [40; 3], "each once");
    };
    // Each of them waits for the deadline of a call.
    join_all([Cut::Within, Cut::Before, Cut::After].map(lost)).await;
}
