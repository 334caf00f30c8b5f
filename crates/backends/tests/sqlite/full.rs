//! A full disk, by the operator's cap on the file.

use crate::support::{Draw, NOW};
use crate::{open, options, sql, together};
use std::path::Path;
use std::pin::Pin;
use tenantry_backends::sqlite::{SqliteOptions, SqliteStore};
use tenantry_core::accounts::Account;
use tenantry_core::commit::Commit;
use tenantry_core::credentials::{Credential, Owner};
use tenantry_core::error::{Error, Result};
use tenantry_core::ids::AccountId;
use tenantry_core::secrets::KeyFormat;
use tenantry_core::store::{AccountStore, AuditStore, Committed, CredentialStore, HealthStore};
use tenantry_core::text::Metadata;

type Write<'a> = Pin<Box<dyn Future<Output = Result<Committed>> + Send + 'a>>;

const SIZE_MAX_BYTES: u64 = 512 * 1024;
const WRITES: usize = 60;

/// A sub-account that takes several pages, and its key.
fn large(draw: &Draw, root: AccountId) -> (Account, Credential) {
    let metadata = format!(r#"{{"x":"{}"}}"#, "x".repeat(16_000));
    let mut account = draw.sub_account(root);
    account.metadata = Metadata::from_stored(&metadata).expect("metadata");
    let owner = Owner::Account { account: account.id, root, member: account.created_by };
    let key = draw.credential(owner, KeyFormat::SubAccount);
    (account, key)
}

#[tokio::test]
async fn what_was_acknowledged_is_there_and_what_was_refused_is_not() {
    let directory = tempfile::tempdir().expect("a directory");
    let capped =
        SqliteOptions { size_max_bytes: Some(SIZE_MAX_BYTES), ..options(directory.path()) };
    let store = SqliteStore::open(&capped).expect("a store");
    let draw = Draw::new();
    let root = draw.organization(&store).await.account.id;
    let accounts: Vec<_> = (0..WRITES).map(|_| large(&draw, root)).collect();
    let writes = accounts.iter().map(|(account, key)| {
        let (account, key) = (draw.seal(account.clone()), draw.seal(key.clone()));
        let (store, commit) = (&store, draw.commit(root));
        let write = async move { store.insert_account(&account, &key, commit).await };
        Box::pin(write) as Write<'_>
    });
    let outcomes = together(directory.path(), writes).await;

    let stored = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    let full = outcomes.iter().filter(|o| matches!(o, Err(Error::StorageFull))).count();
    assert!(stored > 0 && full > 0, "{stored} stored, {full} refused");
    assert_eq!(stored + full, WRITES, "no other error");
    // SQLite rolled the common transaction back when it met the cap, with jobs in it that had
    // succeeded: they were not acknowledged but done again one by one.
    assert!(store.stats().batches_split > 0);

    // Reads go on.
    store.check().await.expect("it reads");
    assert!(store.find_account(root, root).await.expect("a read").is_some());
    let count = check(&store, &draw, root, &accounts, &outcomes).await;
    drop(store);

    let store = SqliteStore::open(&capped).expect("a store that is full opens");
    assert!(!store.after_unclean_stop());
    assert_eq!(store.quick_check()().expect("a check"), Vec::<String>::new());
    assert_eq!(check(&store, &draw, root, &accounts, &outcomes).await, count);
    drop(store);

    // With room again, writes go on, the refused ones among them.
    let store = open(directory.path());
    store.insert_audit_event(draw.commit(root)).await.expect("stored");
    for ((account, key), outcome) in accounts.iter().zip(&outcomes) {
        if outcome.is_err() {
            let (account, key) = (draw.seal(account.clone()), draw.seal(key.clone()));
            store.insert_account(&account, &key, draw.commit(root)).await.expect("stored");
        }
    }
}

/// Looks for every account and key; gives the number of those that are there.
async fn check(
    store: &SqliteStore,
    draw: &Draw,
    root: AccountId,
    accounts: &[(Account, Credential)],
    outcomes: &[Result<Committed>],
) -> usize {
    let mut there = 0;
    for ((account, key), outcome) in accounts.iter().zip(outcomes) {
        let found = store.find_account(root, account.id).await.expect("a read");
        assert_eq!(found.is_some(), outcome.is_ok());
        if let Some(found) = found {
            assert_eq!(&found.open(&draw.secrets).expect("its seal"), account);
            there += 1;
        }
        let found = store.find_credential_by_tag(&key.tag).await.expect("a read");
        assert_eq!(found.is_some(), outcome.is_ok());
    }
    there
}

#[tokio::test]
async fn a_deletion_by_the_operator_makes_room() {
    let directory = tempfile::tempdir().expect("a directory");
    let capped =
        SqliteOptions { size_max_bytes: Some(SIZE_MAX_BYTES), ..options(directory.path()) };
    let store = SqliteStore::open(&capped).expect("a store");
    let draw = Draw::new();
    let root = draw.organization(&store).await.account.id;
    let mut replay = draw.replay("POST /v1/accounts", NOW);
    replay.reply = vec![0; 64 * 1024];
    let mut written = 0;
    let refused = loop {
        let mut commit = draw.commit(root);
        replay.scope = written.to_string().into();
        commit.replay = Some(replay.clone());
        match store.insert_audit_event(commit).await {
            Ok(_) => written += 1,
            Err(error) => break error,
        }
    };
    assert!(written > 0 && matches!(refused, Error::StorageFull));
    sql(directory.path(), "DELETE FROM idempotency");
    draw.stored_sub_account(&store, root).await;
}

/// A change with a reply of so many bytes beside it.
fn with_reply(draw: &Draw, root: AccountId, scope: usize, bytes: usize) -> Commit {
    let mut replay = draw.replay("POST /v1/accounts", NOW);
    replay.reply = vec![0; bytes];
    replay.scope = scope.to_string().into();
    let mut commit = draw.commit(root);
    commit.replay = Some(replay);
    commit
}

/// A store that is full for whatever takes more than its last page, which is free. Where the pages
/// of the empty schema end is another place with each migration: one of these sizes leaves a page.
async fn full_but_for_a_page(directory: &Path) -> SqliteStore {
    for pages in 0..8 {
        let directory = directory.join(pages.to_string());
        std::fs::create_dir(&directory).expect("a directory");
        let size_max_bytes = Some(SIZE_MAX_BYTES + pages * 4096);
        let capped = SqliteOptions { size_max_bytes, ..options(&directory) };
        let store = SqliteStore::open(&capped).expect("a store");
        let draw = Draw::new();
        let root = draw.organization(&store).await.account.id;

        // One that is too large for the room there is tells nothing about others.
        let refused = store.insert_audit_event(with_reply(&draw, root, 0, 1024 * 1024)).await;
        assert!(matches!(refused, Err(Error::StorageFull)));
        store.check_writes().await.expect("there is room");

        let mut scope = 1;
        while store.insert_audit_event(with_reply(&draw, root, scope, 16 * 1024)).await.is_ok() {
            scope += 1;
        }
        assert!(matches!(store.check_writes().await, Err(Error::StorageFull)), "and ready for it");
        assert!(matches!(store.probe_writes().await, Err(Error::StorageFull)));
        store.check().await.expect("it reads");
        // A small change finds the last page: no create would.
        if store.insert_audit_event(draw.commit(root)).await.is_ok() {
            return store;
        }
    }
    panic!("none of the sizes leaves a page");
}

/// Seen failing without the probe, and with a probe that asks for no room.
#[tokio::test]
async fn a_full_store_says_so_until_a_probe_finds_room() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = full_but_for_a_page(directory.path()).await;
    let full = |outcome| matches!(outcome, Err(Error::StorageFull));
    assert!(full(store.probe_writes().await), "a page is not room");

    let within = store.path().parent().expect("its directory");
    let before = store.stats();
    sql(within, "DELETE FROM idempotency");
    assert!(full(store.check_writes().await), "nobody has looked");
    store.probe_writes().await.expect("there is room");
    store.check_writes().await.expect("there is room");
    assert!(!within.join("room.probe").exists());
    assert_eq!(store.stats().jobs, before.jobs, "a probe is no change");
    assert_eq!(store.stats().commits, before.commits + 1);
    // Nothing is tried where nothing is refused.
    store.probe_writes().await.expect("there is room");
    assert_eq!(store.stats().commits, before.commits + 1);
}
