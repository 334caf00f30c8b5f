//! Opening, closing, crashing.

use crate::support::{Draw, NOW};
use crate::{open, options, sql};
use tenantry_backends::sqlite::lock::{DataDirLock, LOCK_FILE};
use tenantry_backends::sqlite::{DATABASE_FILE, OpenError, SqliteStore};
use tenantry_core::commit::{Change, Commit, Subject};
use tenantry_core::store::{AccountStore, AuditStore, CredentialStore};

#[tokio::test]
async fn what_was_stored_survives_a_restart() {
    let directory = tempfile::tempdir().expect("a directory");
    let (store, draw) = (open(directory.path()), Draw::new());
    let organization = draw.organization(&store).await;
    let root = organization.account.id;
    let change = Change::new(&draw.rng, root, [Subject::Account(root)]);
    let commit = Commit::changing(draw.seal(draw.event(root)), change);
    let revision = store.insert_audit_event(commit).await.expect("stored").expect("a revision");
    drop(store);
    assert!(!directory.path().join("tenantry.db-wal").exists(), "the file alone is everything");

    let store = open(directory.path());
    assert!(!store.after_unclean_stop());
    let found = store.find_credential_by_tag(&organization.key.tag).await.expect("a read");
    let found = found.expect("the key");
    assert_eq!(found.head.revision, revision);
    assert_eq!(found.credential.open(&draw.secrets).expect("its seal"), organization.key);
}

#[tokio::test]
async fn a_crash_loses_nothing_and_is_noticed() {
    let directory = tempfile::tempdir().expect("a directory");
    let (store, draw) = (open(directory.path()), Draw::new());
    let organization = draw.organization(&store).await;
    let root = organization.account.id;
    let (sub_account, _) = draw.stored_sub_account(&store, root).await;
    // What a crash leaves: the files as they are after the last reply.
    let crashed = tempfile::tempdir().expect("a directory");
    for file in [LOCK_FILE, DATABASE_FILE, "tenantry.db-wal"] {
        let copied = std::fs::copy(directory.path().join(file), crashed.path().join(file));
        copied.expect("a copy");
    }
    let after = open(crashed.path());
    assert!(after.after_unclean_stop());
    assert_eq!(after.quick_check()().expect("a check"), Vec::<String>::new());
    assert!(after.find_account(root, sub_account.id).await.expect("a read").is_some());
    drop(after);
    assert!(!open(crashed.path()).after_unclean_stop(), "a clean stop in between");
}

#[test]
fn a_directory_has_one_store() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = open(directory.path());
    let second = SqliteStore::open(&options(directory.path()));
    assert!(matches!(second, Err(OpenError::InUse { .. })));
    let text = second.expect_err("refused").to_string();
    assert!(text.ends_with("is in use by another process"), "{text}");
    drop(store);
    let lock = DataDirLock::acquire(directory.path()).expect("the lock is free");
    SqliteStore::open_locked(&options(directory.path()), lock).expect("a store");
}

#[test]
fn another_directorys_lock_does_not_do() {
    let [here, there] = [(); 2].map(|()| tempfile::tempdir().expect("a directory"));
    let lock = DataDirLock::acquire(there.path()).expect("a lock");
    let refused = SqliteStore::open_locked(&options(here.path()), lock);
    assert!(matches!(refused, Err(OpenError::NotLocked { .. })));
}

#[test]
fn a_migration_that_was_edited_is_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    drop(open(directory.path()));
    sql(directory.path(), "UPDATE schema_migrations SET checksum = zeroblob(32) WHERE number = 1");
    let refused = SqliteStore::open(&options(directory.path()));
    assert!(matches!(refused, Err(OpenError::MigrationChanged { number: 1, .. })));
}

#[test]
fn a_newer_schema_is_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    drop(open(directory.path()));
    sql(
        directory.path(),
        "INSERT INTO schema_migrations (number, name, checksum, applied_at)
         VALUES (9999, 'from_the_future', zeroblob(32), 0)",
    );
    let refused = SqliteStore::open(&options(directory.path()));
    assert!(matches!(refused, Err(OpenError::SchemaTooNew { number: 9999, .. })));
}

#[test]
fn a_migration_is_noted_with_its_time() {
    let directory = tempfile::tempdir().expect("a directory");
    drop(open(directory.path()));
    let connection = rusqlite::Connection::open(directory.path().join(DATABASE_FILE));
    let applied_at: i64 = connection
        .expect("a connection")
        .query_row("SELECT applied_at FROM schema_migrations WHERE number = 1", [], |row| {
            row.get(0)
        })
        .expect("the row");
    assert_eq!(applied_at, NOW.micros());
}

#[cfg(unix)]
#[tokio::test]
async fn files_are_readable_by_their_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("data");
    let (store, draw) = (open(&path), Draw::new());
    draw.organization(&store).await;
    let mode = |path: &std::path::Path| {
        std::fs::metadata(path).expect("a file").permissions().mode() & 0o777
    };
    assert_eq!(mode(&path), 0o700);
    let mut files = 0;
    for entry in std::fs::read_dir(&path).expect("the directory") {
        let file = entry.expect("a file").path();
        assert_eq!(mode(&file), 0o600, "{}", file.display());
        files += 1;
    }
    assert_eq!(files, 4, "lock, database, log and the log's index");
}
