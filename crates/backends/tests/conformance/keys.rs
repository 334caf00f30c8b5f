//! `CredentialStore`: the keys of an account, counted and listed.

use crate::backend::Backend;
use crate::support::{Draw, NOW};
use crate::versions::revoked;
use std::time::Duration;
use tenantry_core::accounts::Account;
use tenantry_core::clock::Timestamp;
use tenantry_core::credentials::{Credential, CredentialStatus, Owner};
use tenantry_core::error::{Conflict, Error, Result};
use tenantry_core::ids::{AccountId, CredentialId};
use tenantry_core::secrets::KeyFormat;
use tenantry_core::store::{Committed, Store};
use tokio::task::JoinSet;

const MAX: u32 = 4;

/// A key that lives.
fn live(draw: &Draw, account: &Account) -> Credential {
    Credential { expires_at: None, ..draw.key(account) }
}

async fn insert(store: &dyn Store, draw: &Draw, key: &Credential) -> Result<Committed> {
    let commit = draw.commit(key.owner.root());
    store.insert_key(&draw.seal(key.clone()), MAX, commit).await
}

fn is_refused(outcome: &Result<Committed>) -> bool {
    matches!(outcome, Err(Error::LimitReached { limit: "keys", max: MAX }))
}

pub(crate) async fn an_accounts_keys_are_counted_up_to_the_maximum(backend: &dyn Backend) {
    let (store, draw) = (backend.store(), Draw::new());
    let root = draw.organization(&*store).await.account;
    // Its first key, too, is one of them.
    let (account, first) = draw.stored_sub_account(&*store, root.id).await;
    let (sibling, _) = draw.stored_sub_account(&*store, root.id).await;
    for _ in 1..MAX {
        insert(&*store, &draw, &live(&draw, &account)).await.expect("below the maximum");
    }
    let mut taken = live(&draw, &account);
    taken.tag = first.tag;
    for key in [live(&draw, &account), taken.clone()] {
        let outcome = insert(&*store, &draw, &key).await;
        assert!(is_refused(&outcome), "{outcome:?}");
        assert!(store.find_credential(root.id, key.id).await.expect("a read").is_none());
    }
    taken.owner = live(&draw, &sibling).owner;
    let outcome = insert(&*store, &draw, &taken).await;
    assert!(matches!(outcome, Err(Error::Conflict(Conflict::Taken))));
    let key = live(&draw, &sibling);
    insert(&*store, &draw, &key).await.expect("another account's");
    let found = store.find_credential_by_tag(&key.tag).await.expect("a read").expect("the key");
    assert_eq!(found.credential.open(&draw.secrets).expect("its seal"), key);
}

pub(crate) async fn keys_that_do_not_live_do_not_count(backend: &dyn Backend) {
    let (store, draw) = (backend.store(), Draw::new());
    let root = draw.organization(&*store).await.account;
    let (account, _) = draw.stored_sub_account(&*store, root.id).await;
    for _ in 1..MAX {
        let mut key = live(&draw, &account);
        // Switched off is not gone.
        key.status = CredentialStatus::Disabled;
        insert(&*store, &draw, &key).await.expect("below the maximum");
        let commit = draw.commit(root.id);
        store.update_credential(&draw.seal(revoked(&key)), commit).await.expect("revoked");
        let key = live(&draw, &account);
        let (next, old) = draw.rotated(&key, NOW.plus(Duration::from_mins(1)));
        insert(&*store, &draw, &key).await.expect("below the maximum");
        let (next, old) = (draw.seal(next), draw.seal(old));
        store.rotate_credential(&next, &[old], draw.commit(root.id)).await.expect("rotated");
    }
    let (service_account, secret) = draw.service_account(&account, "a");
    let (service_account, secret) = (draw.seal(service_account), draw.seal(secret));
    let commit = draw.commit(root.id);
    store.insert_service_account(&service_account, &secret, 1, commit).await.expect("stored");
    let another = |end: i64, now: i64| Credential {
        expires_at: Some(Timestamp::from_micros(NOW.micros() + end)),
        created_at: Timestamp::from_micros(NOW.micros() + now),
        ..live(&draw, &account)
    };
    let outcome = insert(&*store, &draw, &another(9, 0)).await;
    assert!(is_refused(&outcome), "successors count: {outcome:?}");

    let (account, first) = draw.stored_sub_account(&*store, root.id).await;
    let commit = draw.commit(root.id);
    store.update_credential(&draw.seal(revoked(&first)), commit).await.expect("revoked");
    let another =
        |end: i64, now: i64| Credential { owner: live(&draw, &account).owner, ..another(end, now) };
    for _ in 0..MAX {
        insert(&*store, &draw, &another(1, 0)).await.expect("below the maximum");
    }
    assert!(is_refused(&insert(&*store, &draw, &another(9, 0)).await), "they have not ended");
    insert(&*store, &draw, &another(9, 1)).await.expect("they have");
}

pub(crate) async fn of_a_hundred_at_once_one_reaches_the_maximum(backend: &dyn Backend) {
    let (store, draw) = (backend.store(), Draw::new());
    let root = draw.organization(&*store).await.account;
    let (account, _) = draw.stored_sub_account(&*store, root.id).await;
    for _ in 2..MAX {
        insert(&*store, &draw, &live(&draw, &account)).await.expect("below the maximum");
    }
    let mut creates = JoinSet::new();
    for _ in 0..100 {
        let key = draw.seal(live(&draw, &account));
        let (store, commit) = (store.clone(), draw.commit(root.id));
        creates.spawn(async move { store.insert_key(&key, MAX, commit).await });
    }
    let outcomes = creates.join_all().await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    assert_eq!(outcomes.iter().filter(|outcome| is_refused(outcome)).count(), 99);
    let keys = store.list_keys(root.id, account.id, None, 100).await.expect("a list");
    assert_eq!(keys.len(), MAX as usize);
}

async fn list(
    store: &dyn Store,
    draw: &Draw,
    (root, account): (AccountId, AccountId),
    after: Option<CredentialId>,
    limit: u32,
) -> Vec<Credential> {
    let rows = store.list_keys(root, account, after, limit).await.expect("a list");
    let open = |(id, row): ([u8; 16], Result<tenantry_core::secrets::Unverified<Credential>>)| {
        let key = row.expect("readable").open(&draw.secrets).expect("its seal");
        assert_eq!(*key.id.as_bytes(), id);
        key
    };
    rows.into_iter().map(open).collect()
}

pub(crate) async fn an_accounts_keys_are_listed_by_id_in_pages(backend: &dyn Backend) {
    let (store, draw) = (backend.store(), Draw::new());
    let organization = draw.organization(&*store).await;
    let root = organization.account;
    let (account, first) = draw.stored_sub_account(&*store, root.id).await;
    let other = draw.organization(&*store).await.account;
    let (service_account, secret) = draw.service_account(&account, "a");
    let (service_account, secret) = (draw.seal(service_account), draw.seal(secret));
    let commit = draw.commit(root.id);
    store.insert_service_account(&service_account, &secret, 1, commit).await.expect("stored");
    let mut keys = vec![first];
    for _ in 1..MAX {
        let key = live(&draw, &account);
        insert(&*store, &draw, &key).await.expect("stored");
        keys.push(key);
    }
    keys.sort_by_key(|key| key.id);
    let of = (root.id, account.id);
    assert_eq!(list(&*store, &draw, of, None, 100).await, keys, "and no client secret");
    let mut after = None;
    for page in keys.chunks(3) {
        assert_eq!(list(&*store, &draw, of, after, 3).await, page);
        after = page.last().map(|key| key.id);
    }
    assert_eq!(list(&*store, &draw, of, after, 3).await, []);
    let own = list(&*store, &draw, (root.id, root.id), None, 100).await;
    assert_eq!(own, [organization.key], "none of its sub-account's");
    for of in [(other.id, account.id), (account.id, account.id), (root.id, other.id)] {
        assert_eq!(list(&*store, &draw, of, None, 100).await, [], "{of:?}");
    }
}

pub(crate) async fn platform_keys_are_listed_by_themselves(backend: &dyn Backend) {
    let (store, draw) = (backend.store(), Draw::new());
    let root = draw.organization(&*store).await.account;
    let of = (AccountId::PLANE, AccountId::PLANE);
    assert_eq!(list(&*store, &draw, of, None, 100).await, []);
    let mut keys = Vec::new();
    for _ in 0..3 {
        let key = draw.credential(Owner::Platform, KeyFormat::Native);
        let commit = draw.commit(AccountId::PLANE);
        store.insert_credential(&draw.seal(key.clone()), commit).await.expect("stored");
        keys.push(key);
    }
    keys.sort_by_key(|key| key.id);
    assert_eq!(list(&*store, &draw, of, None, 100).await, keys);
    assert_eq!(list(&*store, &draw, of, Some(keys[0].id), 1).await, keys[1..2]);
    assert_eq!(list(&*store, &draw, (root.id, AccountId::PLANE), None, 100).await, []);
}

pub(crate) async fn a_listed_key_says_when_it_was_last_used(backend: &dyn Backend) {
    let (store, draw) = (backend.store(), Draw::new());
    let organization = draw.organization(&*store).await;
    let (root, key) = (organization.account.id, organization.key);
    let used = NOW.plus(Duration::from_secs(5));
    store.touch_credentials(&[(key.id, used)]).await.expect("written");
    // What a record says of it is not written.
    let mut next = revoked(&key);
    next.last_used_at = Some(NOW);
    store.update_credential(&draw.seal(next), draw.commit(root)).await.expect("replaced");
    let expected = [Credential { last_used_at: Some(used), ..revoked(&key) }];
    assert_eq!(list(&*store, &draw, (root, root), None, 1).await, expected);
    let found = store.find_credential(root, key.id).await.expect("a read").expect("the key");
    assert_eq!([found.open(&draw.secrets).expect("its seal")], expected);
}
