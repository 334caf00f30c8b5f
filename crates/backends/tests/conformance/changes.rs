//! What a `Commit` writes beside the event: the change log. Kept replies have a file of their own.

use crate::backend::Backend;
use crate::support::{Draw, NOW};
use crate::versions::{revoked, suspended};
use tenantry_core::commit::{Change, Commit, Head, Revision, Subject, shard_of};
use tenantry_core::error::{Conflict, Error};
use tenantry_core::ids::AccountId;

/// Stores nothing but a change of `subjects`.
pub(crate) async fn log(backend: &dyn Backend, draw: &Draw, change: Change) -> Revision {
    let commit = Commit::changing(draw.seal(draw.event(change.root)), change);
    let committed = backend.store().insert_audit_event(commit).await.expect("stored");
    committed.expect("a revision")
}

/// A root account's id in `shard`.
pub(crate) fn root_in(draw: &Draw, shard: u8) -> AccountId {
    std::iter::repeat_with(|| AccountId::generate(&draw.rng, NOW))
        .find(|id| shard_of(*id) == shard)
        .expect("every shard has ids")
}

pub(crate) async fn revisions_of_a_shard_grow_by_one_per_row(backend: &dyn Backend) {
    let (store, draw) = (backend.store(), Draw::new());
    let organization = draw.organization(&*store).await;
    let root = organization.account.id;
    let shard = shard_of(root);
    let empty = Head { revision: Revision { shard, number: 0 }, nonce: 0 };
    assert_eq!(store.find_head(root).await.expect("a read"), empty);
    let subjects = [Subject::Account(root), Subject::Credential(organization.key.tag)];
    let first = Change::new(&draw.rng, root, subjects);
    let second = Change::new(&draw.rng, root, [subjects[0]]);
    let mut expected = Vec::new();
    for (change, number) in [(first, 2), (second, 3)] {
        expected.extend(change.rows.clone());
        let revision = log(backend, &draw, change).await;
        assert_eq!(revision, Revision { shard, number });
        let head = store.find_head(root).await.expect("a read");
        assert_eq!(head, Head { revision, nonce: expected.last().expect("a row").1 });
        let found = store.find_credential_by_tag(&organization.key.tag).await.expect("a read");
        assert_eq!(found.expect("the key").head, head);
    }
    let rows = backend.change_log(shard);
    assert_eq!(rows.len(), 3);
    for ((row, (subject, nonce)), rev) in rows.iter().zip(expected).zip(1..) {
        assert_eq!((row.rev, row.nonce, row.at), (rev, nonce, NOW.micros()));
        assert_eq!((&*row.kind, &*row.subject), (subject.kind(), subject.bytes()));
    }
}

pub(crate) async fn a_change_of_nothing_leaves_the_head_where_it_is(backend: &dyn Backend) {
    let (store, draw) = (backend.store(), Draw::new());
    let root = root_in(&draw, 3);
    for number in 0..=1 {
        let head = store.find_head(root).await.expect("a read");
        let revision = log(backend, &draw, Change::new(&draw.rng, root, [])).await;
        assert_eq!(revision, Revision { shard: 3, number });
        assert_eq!(store.find_head(root).await.expect("a read"), head);
        log(backend, &draw, Change::new(&draw.rng, root, [Subject::Account(root)])).await;
    }
}

pub(crate) async fn shards_count_by_themselves(backend: &dyn Backend) {
    let (store, draw) = (backend.store(), Draw::new());
    for shard in 0..16 {
        let root = root_in(&draw, shard);
        for number in 1..=2 {
            let change = Change::new(&draw.rng, root, [Subject::Account(root)]);
            assert_eq!(log(backend, &draw, change).await, Revision { shard, number });
        }
        let head = store.find_head(root).await.expect("a read");
        assert_eq!(head.revision, Revision { shard, number: 2 });
    }
}

pub(crate) async fn a_refused_change_leaves_no_row(backend: &dyn Backend) {
    let (store, draw) = (backend.store(), Draw::new());
    let account = draw.organization(&*store).await.account;
    let shard = shard_of(account.id);
    let change = Change::new(&draw.rng, account.id, [Subject::Account(account.id)]);
    let commit = Commit::changing(draw.seal(draw.event(account.id)), change);
    let refused = store.update_account(&draw.seal(account.clone()), commit).await;
    assert!(matches!(refused, Err(Error::Conflict(Conflict::Changed))));
    assert!(backend.change_log(shard).is_empty());
    let head = store.find_head(account.id).await.expect("a read");
    assert_eq!(head.revision, Revision { shard, number: 0 });
}

pub(crate) async fn rows_and_revision_are_of_one_instant(backend: &dyn Backend) {
    const CHANGES: u64 = 100;
    let (store, draw) = (backend.store(), Draw::new());
    let organization = draw.organization(&*store).await;
    let (mut account, tag) = (organization.account, organization.key.tag);
    let writing = async {
        for _ in 0..CHANGES {
            account = suspended(&account);
            let change = Change::new(&draw.rng, account.id, [Subject::Account(account.id)]);
            let commit = Commit::changing(draw.seal(draw.event(account.id)), change);
            let sealed = draw.seal(account.clone());
            store.update_account(&sealed, commit).await.expect("replaced");
        }
    };
    // Reads happen while the store commits. The account's version and the head of its shard move
    // in the same commits, so they never differ.
    let reading = async {
        loop {
            let found = store.find_credential_by_tag(&tag).await.expect("a read").expect("it");
            let read = found.account.expect("its account").open(&draw.secrets).expect("its seal");
            assert_eq!(read.version, found.head.revision.number + 1);
            if read.version > CHANGES {
                break;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::join!(writing, reading);
}

pub(crate) async fn an_acknowledged_change_is_read_by_everybody(backend: &dyn Backend) {
    let (store, draw) = (backend.store(), Draw::new());
    let organization = draw.organization(&*store).await;
    let (root, mut key) = (organization.account.id, organization.key);
    for _ in 0..50 {
        key = revoked(&key);
        let sealed = draw.seal(key.clone());
        store.update_credential(&sealed, draw.commit(root)).await.expect("replaced");
        // More often than there are connections to read with.
        for _ in 0..20 {
            let found = store.find_credential_by_tag(&key.tag).await.expect("a read");
            let found = found.expect("the key").credential.open(&draw.secrets).expect("its seal");
            assert_eq!(found.version, key.version);
        }
    }
}
