//! Snapshots beside a writer, and what a restore writes.

use crate::support::Draw;
use crate::{open, options, sql};
use std::io::Read as _;
use std::path::Path;
use tenantry_backends::sqlite::{
    DATABASE_FILE, Inspection, OpenError, Phase, Snapshot, SqliteStore, snapshot,
};
use tenantry_core::audit::{Action, AuditEvent};
use tenantry_core::commit::{CHANGE_SHARDS, Change, Commit, Subject};
use tenantry_core::ids::AccountId;
use tenantry_core::store::{AccountStore, AuditStore, CredentialStore};

fn take(directory: &Path) -> Snapshot {
    snapshot(directory, &mut |_| {}).expect("a snapshot")
}

/// A store in a directory of its own that holds the snapshot.
fn put_back(mut snapshot: Snapshot) -> (tempfile::TempDir, SqliteStore) {
    let directory = tempfile::tempdir().expect("a directory");
    let mut bytes = Vec::new();
    snapshot.file.read_to_end(&mut bytes).expect("the copy");
    assert_eq!(bytes.len() as u64, snapshot.bytes);
    std::fs::write(directory.path().join(DATABASE_FILE), bytes).expect("a file");
    let store = open(directory.path());
    (directory, store)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_has_all_that_was_acknowledged_before_and_is_of_one_instant() {
    let directory = tempfile::tempdir().expect("a directory");
    let (store, draw) = (open(directory.path()), Draw::new());
    let root = draw.organization(&store).await.account.id;
    let mut before = Vec::new();
    for _ in 0..300 {
        before.push(draw.stored_sub_account(&store, root).await.1.tag);
    }
    let path = directory.path().to_owned();
    let (begun, beginning) = tokio::sync::oneshot::channel();
    let (go, gone_on) = std::sync::mpsc::channel();
    let mut begun = Some(begun);
    let copying = tokio::task::spawn_blocking(move || {
        snapshot(&path, &mut |phase| match phase {
            // The instant is fixed by now; what comes next is written beside the copying.
            Phase::Checking => {
                begun.take().and_then(|begun| begun.send(()).ok()).expect("a listener");
                gone_on.recv().expect("a sender");
            }
            Phase::Counting => {}
            Phase::Copying { done, total } => assert!(0 < done && done <= total),
        })
    });
    beginning.await.expect("a sender");
    // Answered while the snapshot is held: it blocks nobody.
    for _ in 0..100 {
        draw.stored_sub_account(&store, root).await;
    }
    go.send(()).expect("a listener");
    let snapshot = copying.await.expect("no panic").expect("a snapshot");
    let counts = snapshot.counts;
    assert_eq!((counts.accounts, counts.credentials, counts.audit_events), (301, 301, 301));

    let (copy, restored) = put_back(snapshot);
    assert_eq!(restored.quick_check()().expect("a check"), Vec::<String>::new());
    for tag in &before {
        let found = restored.find_credential_by_tag(tag).await.expect("a read").expect("the key");
        found.credential.open(&draw.secrets).expect("its seal");
    }
    let inspection = Inspection::open(copy.path()).expect("opened");
    assert_eq!(inspection.counts().expect("counted"), counts);
}

#[tokio::test]
async fn a_snapshot_leaves_nothing_in_the_data_directory() {
    let directory = tempfile::tempdir().expect("a directory");
    let (store, draw) = (open(directory.path()), Draw::new());
    draw.organization(&store).await;
    let list = || {
        let entries = std::fs::read_dir(directory.path()).expect("the directory");
        let mut names: Vec<_> = entries.map(|entry| entry.expect("an entry").file_name()).collect();
        names.sort();
        names
    };
    let before = list();
    // Nor while it is made: whatever ends the process has nothing to clear up after it.
    let snapshot = snapshot(directory.path(), &mut |phase| {
        if matches!(phase, Phase::Copying { .. }) {
            assert_eq!(list(), before);
        }
    });
    drop(snapshot.expect("a snapshot"));
    assert_eq!(list(), before);
}

#[tokio::test]
async fn a_snapshot_is_taken_without_a_server_and_after_a_crash_too() {
    let directory = tempfile::tempdir().expect("a directory");
    let (store, draw) = (open(directory.path()), Draw::new());
    let key = draw.organization(&store).await.key;
    let crashed = tempfile::tempdir().expect("a directory");
    for file in [DATABASE_FILE, "tenantry.db-wal"] {
        let copied = std::fs::copy(directory.path().join(file), crashed.path().join(file));
        copied.expect("a copy");
    }
    drop(store);
    for directory in [directory.path(), crashed.path()] {
        let (_copy, restored) = put_back(take(directory));
        assert!(restored.find_credential_by_tag(&key.tag).await.expect("a read").is_some());
    }
}

#[tokio::test]
async fn a_damaged_database_is_not_backed_up() {
    let directory = tempfile::tempdir().expect("a directory");
    let (store, draw) = (open(directory.path()), Draw::new());
    let root = draw.organization(&store).await.account.id;
    for _ in 0..50 {
        draw.stored_sub_account(&store, root).await;
    }
    drop(store);
    let path = directory.path().join(DATABASE_FILE);
    let mut bytes = std::fs::read(&path).expect("the file");
    for page in bytes.chunks_mut(4096).skip(4) {
        page.fill(0xa5);
    }
    std::fs::write(&path, bytes).expect("written");
    let refused = snapshot(directory.path(), &mut |_| {}).expect_err("refused");
    let text = refused.to_string();
    assert!(text.contains("tenantry restore BACKUP"), "{text}");
}

#[test]
fn a_later_versions_database_is_not_backed_up() {
    let directory = tempfile::tempdir().expect("a directory");
    drop(open(directory.path()));
    sql(
        directory.path(),
        "INSERT INTO schema_migrations (number, name, checksum, applied_at)
         VALUES (9999, 'from_the_future', zeroblob(32), 0)",
    );
    let refused = snapshot(directory.path(), &mut |_| {});
    assert!(matches!(refused, Err(OpenError::SchemaTooNew { number: 9999, .. })));
    let nothing = tempfile::tempdir().expect("a directory");
    let refused = snapshot(nothing.path(), &mut |_| {});
    assert!(matches!(refused, Err(OpenError::File { .. })));
}

#[tokio::test]
async fn after_a_restore_no_shard_goes_on_as_the_history_that_was_lost() {
    let directory = tempfile::tempdir().expect("a directory");
    let (store, draw) = (open(directory.path()), Draw::new());
    let root = draw.organization(&store).await.account.id;
    let change = || {
        let change = Change::new(&draw.rng, root, [Subject::Account(root)]);
        Commit::changing(draw.seal(draw.event(root)), change)
    };
    store.insert_audit_event(change()).await.expect("stored");
    let at_the_backup = store.find_head(root).await.expect("a head").revision;
    let copy = take(directory.path());
    // What a node remembers, and the restored store does not know.
    store.insert_audit_event(change()).await.expect("stored");
    let lost = log(directory.path());

    let (copied, restored) = put_back(copy);
    let event = AuditEvent { action: Action::StoreRestored, ..draw.event(AccountId::PLANE) };
    let nonces = std::array::from_fn(|shard| 1000 + shard as u64);
    restored.note_restore(draw.seal(event), nonces).await.expect("noted");
    let kept = log(copied.path());
    let histories = kept.iter().filter(|(.., kind)| kind == "history").count();
    assert_eq!(histories, usize::from(CHANGE_SHARDS));
    let head = restored.find_head(root).await.expect("a head").revision;
    assert_eq!(head.number, at_the_backup.number + 1);
    // The same number, another nonce: the node that compares both notices.
    let lost_row =
        lost.iter().find(|row| row.0 == i64::from(head.shard) && row.1 == 2).expect("lost");
    let kept_row =
        kept.iter().find(|row| row.0 == i64::from(head.shard) && row.1 == 2).expect("kept");
    assert!(lost_row.2 != kept_row.2);
    let inspection = Inspection::open(copied.path()).expect("opened");
    assert_eq!(inspection.check_references().expect("checked").wrong, 0);
    assert_eq!(inspection.check_seals(&draw.secrets, &mut |_| {}).expect("checked").wrong, 0);
    assert!(restored.find_account(root, root).await.expect("a read").is_some());
    drop(restored);
    SqliteStore::open(&options(copied.path())).expect("it opens again");
}

/// Shard, number, nonce and kind of each row of the change log.
fn log(directory: &Path) -> Vec<(i64, i64, i64, String)> {
    let connection = rusqlite::Connection::open(directory.join(DATABASE_FILE)).expect("opened");
    let mut statement =
        connection.prepare("SELECT shard, rev, nonce, kind FROM change_log").expect("a statement");
    let rows = statement
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))
        .expect("rows");
    rows.map(|row| row.expect("a row")).collect()
}
