//! `CredentialStore`.

use crate::backend::Backend;
use crate::support::{Draw, NOW};
use crate::versions::revoked;
use std::time::Duration;
use tenantry_core::commit::{Change, Commit, Subject, shard_of};
use tenantry_core::credentials::{Credential, CredentialStatus, Owner};
use tenantry_core::error::{Conflict, Error};
use tenantry_core::ids::{AccountId, CredentialId};
use tenantry_core::secrets::KeyFormat;

pub(crate) async fn a_credential_is_found_with_the_rows_that_decide(backend: &dyn Backend) {
    let (store, draw) = (backend.store(), Draw::new());
    let organization = draw.organization(&*store).await;
    let root = organization.account;
    let found = store.find_credential_by_tag(&organization.key.tag).await.expect("a read");
    let found = found.expect("the key");
    assert_eq!(found.credential.open(&draw.secrets).expect("its seal"), organization.key);
    let account = found.account.expect("its account").open(&draw.secrets).expect("its seal");
    assert_eq!(account, root);
    assert!(found.parent.is_none() && found.service_account.is_none());
    assert_eq!(found.head.revision.shard, shard_of(root.id));

    let (sub_account, key) = draw.stored_sub_account(&*store, root.id).await;
    let found = store.find_credential_by_tag(&key.tag).await.expect("a read").expect("the key");
    assert_eq!(found.credential.open(&draw.secrets).expect("its seal"), key);
    let account = found.account.expect("its account").open(&draw.secrets).expect("its seal");
    assert_eq!(account, sub_account);
    let parent = found.parent.expect("the parent").open(&draw.secrets).expect("its seal");
    assert_eq!(parent, root);
    assert_eq!(found.head.revision.shard, shard_of(root.id));
}

pub(crate) async fn a_platform_key_has_no_account(backend: &dyn Backend) {
    let (store, draw) = (backend.store(), Draw::new());
    let root = draw.organization(&*store).await.account.id;
    let key = draw.credential(Owner::Platform, KeyFormat::Native);
    let commit = draw.commit(AccountId::PLANE);
    store.insert_credential(&draw.seal(key.clone()), commit).await.expect("stored");
    let found = store.find_credential_by_tag(&key.tag).await.expect("a read").expect("the key");
    assert_eq!(found.credential.open(&draw.secrets).expect("its seal"), key);
    assert!(found.account.is_none() && found.parent.is_none() && found.service_account.is_none());
    assert_eq!(found.head.revision.shard, shard_of(AccountId::PLANE));
    let found = store.find_credential(AccountId::PLANE, key.id).await.expect("a read");
    assert!(found.is_some());
    assert!(store.find_credential(root, key.id).await.expect("a read").is_none());

    let next = draw.seal(revoked(&key));
    let change = Change::new(&draw.rng, AccountId::PLANE, [Subject::Credential(key.tag)]);
    let commit = Commit::changing(draw.seal(draw.event(AccountId::PLANE)), change);
    store.update_credential(&next, commit).await.expect("replaced");
}

pub(crate) async fn a_revoked_credential_is_found_as_such(backend: &dyn Backend) {
    let (store, draw) = (backend.store(), Draw::new());
    let organization = draw.organization(&*store).await;
    let root = organization.account.id;
    let mut key = organization.key;
    for status in [CredentialStatus::Disabled, CredentialStatus::Revoked { at: NOW }] {
        key.status = status;
        key.version += 1;
        let change = Change::new(&draw.rng, root, [Subject::Credential(key.tag)]);
        let commit = Commit::changing(draw.seal(draw.event(root)), change);
        let before = store.find_head(root).await.expect("a read").revision;
        let committed = store.update_credential(&draw.seal(key.clone()), commit).await;
        let revision = committed.expect("replaced").expect("a revision");
        assert_eq!((revision.shard, revision.number), (before.shard, before.number + 1));
        let found = store.find_credential_by_tag(&key.tag).await.expect("a read").expect("it");
        assert_eq!(found.head.revision, revision);
        assert_eq!(found.credential.open(&draw.secrets).expect("its seal"), key);
    }
}

pub(crate) async fn tag_and_id_are_unique(backend: &dyn Backend) {
    let (store, draw) = (backend.store(), Draw::new());
    let organization = draw.organization(&*store).await;
    let mut same_tag = draw.key(&organization.account);
    same_tag.tag = organization.key.tag;
    let mut same_id = draw.key(&organization.account);
    same_id.id = organization.key.id;
    for credential in [same_tag, same_id] {
        let commit = draw.commit(organization.account.id);
        let outcome = store.insert_credential(&draw.seal(credential), commit).await;
        assert!(matches!(outcome, Err(Error::Conflict(Conflict::Taken))));
    }
}

pub(crate) async fn a_credential_of_another_tree_is_not_found(backend: &dyn Backend) {
    let (store, draw) = (backend.store(), Draw::new());
    let organization = draw.organization(&*store).await;
    let (root, key) = (organization.account.id, organization.key.id);
    let other = draw.organization(&*store).await.account.id;
    let (sub_account, sub_key) = draw.stored_sub_account(&*store, root).await;
    for (tree, id, there) in [
        (root, key, true),
        (root, sub_key.id, true),
        (other, key, false),
        (other, sub_key.id, false),
        (sub_account.id, sub_key.id, false),
        (AccountId::PLANE, key, false),
        (root, CredentialId::generate(&draw.rng, NOW), false),
    ] {
        let found = store.find_credential(tree, id).await.expect("a read");
        assert_eq!(found.is_some(), there, "{id} in the tree of {tree}");
    }
}

pub(crate) async fn a_credential_is_replaced_by_its_next_version_only(backend: &dyn Backend) {
    let (store, draw) = (backend.store(), Draw::new());
    let organization = draw.organization(&*store).await;
    let (root, key) = (organization.account.id, organization.key);
    let next = revoked(&key);
    let unknown = revoked(&draw.key(&organization.account));
    let skipped = revoked(&next);
    for (refused, why) in [(&key, "the same"), (&skipped, "skipped"), (&unknown, "unknown")] {
        let outcome = store.update_credential(&draw.seal(refused.clone()), draw.commit(root)).await;
        assert!(matches!(outcome, Err(Error::Conflict(Conflict::Changed))), "{why}");
    }
    let sealed = draw.seal(next.clone());
    store.update_credential(&sealed, draw.commit(root)).await.expect("replaced");
    let outcome = store.update_credential(&sealed, draw.commit(root)).await;
    assert!(matches!(outcome, Err(Error::Conflict(Conflict::Changed))), "twice");
    let found = store.find_credential(root, key.id).await.expect("a read").expect("the key");
    assert_eq!(found.open(&draw.secrets).expect("its seal"), next);
}

pub(crate) async fn a_credential_does_not_move_to_another_tree(backend: &dyn Backend) {
    let (store, draw) = (backend.store(), Draw::new());
    let organization = draw.organization(&*store).await;
    let other = draw.organization(&*store).await;
    let mut moved = revoked(&organization.key);
    moved.owner = other.key.owner;
    let outcome = store.update_credential(&draw.seal(moved), draw.commit(other.account.id)).await;
    assert!(matches!(outcome, Err(Error::Conflict(Conflict::Changed))));
}

pub(crate) async fn an_unknown_tag_is_not_found(backend: &dyn Backend) {
    let (store, draw) = (backend.store(), Draw::new());
    let account = draw.organization(&*store).await.account;
    let tag = draw.key(&account).tag;
    assert!(store.find_credential_by_tag(&tag).await.expect("a read").is_none());
}

pub(crate) async fn last_used_moves_forward_only_and_changes_nothing_else(backend: &dyn Backend) {
    let (store, draw) = (backend.store(), Draw::new());
    let key = draw.organization(&*store).await.key;
    let unknown = CredentialId::from_bytes([7; 16]);
    let at = |seconds| NOW.plus(Duration::from_secs(seconds));
    assert_eq!(backend.last_used(key.id), None);
    for (used, seen) in [(at(5), at(5)), (at(3), at(5)), (at(5), at(5)), (at(9), at(9))] {
        store.touch_credentials(&[(unknown, used), (key.id, used)]).await.expect("written");
        assert_eq!(backend.last_used(key.id), Some(seen));
    }
    let found = store.find_credential_by_tag(&key.tag).await.expect("a read").expect("the key");
    let expected = Credential { last_used_at: Some(at(9)), ..key };
    assert_eq!(found.credential.open(&draw.secrets).expect("its seal"), expected);
    assert_eq!(backend.audit_events().len(), 1);
}

pub(crate) async fn the_first_key_of_each_account_is_listed(backend: &dyn Backend) {
    let (store, draw) = (backend.store(), Draw::new());
    let root = draw.organization(&*store).await.account;
    let other = draw.organization(&*store).await.account;
    let mut first = Vec::new();
    for _ in 0..3 {
        let (account, key) = draw.stored_sub_account(&*store, root.id).await;
        let mut keys = vec![key];
        for _ in 0..3 {
            let key = draw.credential(keys[0].owner, KeyFormat::Native);
            store
                .insert_credential(&draw.seal(key.clone()), draw.commit(root.id))
                .await
                .expect("it");
            keys.push(key);
        }
        keys.sort_by_key(|key| key.id);
        // Revoked ones tell an account's keys apart as well as others.
        let revoked = revoked(&keys[0]);
        store
            .update_credential(&draw.seal(revoked.clone()), draw.commit(root.id))
            .await
            .expect("it");
        first.push((account.id, revoked));
        // A client secret is no key, whenever it was made.
        let (service_account, secret) = draw.service_account(&account, "s");
        let (service_account, secret) = (draw.seal(service_account), draw.seal(secret));
        let commit = draw.commit(root.id);
        store.insert_service_account(&service_account, &secret, 9, commit).await.expect("it");
    }
    let accounts: Vec<AccountId> =
        first.iter().map(|(id, _)| *id).chain([AccountId::PLANE]).collect();
    let listed = store.list_first_keys(root.id, &accounts).await.expect("a read");
    let listed: Vec<_> = listed
        .into_iter()
        .map(|(id, key)| (id, key.expect("a row").open(&draw.secrets).expect("its seal")))
        .collect();
    assert_eq!(listed, first);
    assert!(store.list_first_keys(other.id, &accounts).await.expect("a read").is_empty());
}
