//! `ServiceAccountStore`.

use crate::backend::Backend;
use crate::support::{Draw, NOW, name};
use crate::versions::revoked;
use std::time::Duration;
use tenantry_core::accounts::Account;
use tenantry_core::clock::Timestamp;
use tenantry_core::credentials::{Credential, CredentialStatus, Owner, Superseded};
use tenantry_core::error::{Conflict, Error};
use tenantry_core::ids::{CredentialId, ServiceAccountId};
use tenantry_core::page::Listed;
use tenantry_core::secrets::{KeyFormat, Protected};
use tenantry_core::service_accounts::{ServiceAccount, ServiceAccountStatus};
use tenantry_core::store::Store;
use tokio::task::JoinSet;

const MAX: u32 = 3;

pub(crate) async fn a_service_account_is_found_by_its_secret(backend: &dyn Backend) {
    let (store, draw) = (backend.store(), Draw::new());
    let root = draw.organization(&*store).await.account;
    let (service_account, secret) = draw.service_account(&root, "a");
    let (sealed, sealed_secret) = (draw.seal(service_account.clone()), draw.seal(secret.clone()));
    let commit = draw.commit(root.id);
    store.insert_service_account(&sealed, &sealed_secret, MAX, commit).await.expect("stored");
    let found = store.find_credential_by_tag(&secret.tag).await.expect("a read").expect("it");
    assert_eq!(found.credential.open(&draw.secrets).expect("its seal"), secret);
    let owner = found.service_account.expect("its service account");
    assert_eq!(owner.open(&draw.secrets).expect("its seal"), service_account);
    let account = found.account.expect("its account").open(&draw.secrets).expect("its seal");
    assert_eq!(account, root);
}

pub(crate) async fn names_are_unique_within_an_account(backend: &dyn Backend) {
    let (store, draw) = (backend.store(), Draw::new());
    let root = draw.organization(&*store).await.account;
    let other = draw.organization(&*store).await.account;
    for (account, taken) in [(&root, false), (&root, true), (&other, false)] {
        let (service_account, secret) = draw.service_account(account, "a");
        let tag = secret.tag;
        let (service_account, secret) = (draw.seal(service_account), draw.seal(secret));
        let commit = draw.commit(account.id);
        let outcome = store.insert_service_account(&service_account, &secret, MAX, commit).await;
        assert_eq!(matches!(outcome, Err(Error::Conflict(Conflict::Taken))), taken);
        let found = store.find_credential_by_tag(&tag).await.expect("a read");
        assert_eq!(found.is_none(), taken);
    }
}

pub(crate) async fn client_ids_are_unique_in_the_plane(backend: &dyn Backend) {
    let (store, draw) = (backend.store(), Draw::new());
    let root = draw.organization(&*store).await.account;
    let other = draw.organization(&*store).await.account;
    for (account, taken) in [(&root, false), (&other, true)] {
        let (mut service_account, secret) = draw.service_account(account, "a");
        service_account.client_id = "sa_client_000000000000".into();
        let (service_account, secret) = (draw.seal(service_account), draw.seal(secret));
        let commit = draw.commit(account.id);
        let outcome = store.insert_service_account(&service_account, &secret, MAX, commit).await;
        assert_eq!(matches!(outcome, Err(Error::Conflict(Conflict::Taken))), taken);
    }
}

pub(crate) async fn the_maximum_is_reached_exactly(backend: &dyn Backend) {
    let (store, draw) = (backend.store(), Draw::new());
    let root = draw.organization(&*store).await.account;
    let other = draw.organization(&*store).await.account;
    // The last has a name that is taken: the limit is looked at before.
    for (account, name, refused) in [
        (&root, "a", false),
        (&root, "b", false),
        (&other, "a", false),
        (&root, "c", false),
        (&root, "d", true),
        (&root, "a", true),
    ] {
        let (service_account, secret) = draw.service_account(account, name);
        let (service_account, secret) = (draw.seal(service_account), draw.seal(secret));
        let commit = draw.commit(account.id);
        let outcome = store.insert_service_account(&service_account, &secret, MAX, commit).await;
        let reached = matches!(outcome, Err(Error::LimitReached { max: MAX, .. }));
        assert_eq!((reached, outcome.is_err()), (refused, refused), "{name}");
    }
}

pub(crate) async fn deleted_ones_do_not_count(backend: &dyn Backend) {
    let (store, draw) = (backend.store(), Draw::new());
    let root = draw.organization(&*store).await.account;
    for (name, status) in [
        ("a", ServiceAccountStatus::Deleted),
        ("b", ServiceAccountStatus::Disabled),
        ("c", ServiceAccountStatus::Active),
    ] {
        let (mut service_account, secret) = draw.service_account(&root, name);
        service_account.status = status;
        let (service_account, secret) = (draw.seal(service_account), draw.seal(secret));
        let commit = draw.commit(root.id);
        store.insert_service_account(&service_account, &secret, 2, commit).await.expect("stored");
    }
}

pub(crate) async fn of_twenty_at_once_one_reaches_the_maximum(backend: &dyn Backend) {
    let (store, draw) = (backend.store(), Draw::new());
    let root = draw.organization(&*store).await.account;
    let mut creates = JoinSet::new();
    for number in 0..MAX - 1 + 20 {
        let (service_account, secret) = draw.service_account(&root, &format!("a-{number}"));
        let (service_account, secret) = (draw.seal(service_account), draw.seal(secret));
        let (store, commit) = (store.clone(), draw.commit(root.id));
        let create = async move {
            store.insert_service_account(&service_account, &secret, MAX, commit).await
        };
        if number < MAX - 1 {
            create.await.expect("below the maximum");
        } else {
            creates.spawn(create);
        }
    }
    let outcomes = creates.join_all().await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    let refused = outcomes.iter().filter(|o| matches!(o, Err(Error::LimitReached { .. })));
    assert_eq!(refused.count(), 19);
    let names = store.list_service_account_names(root.id, "a").await.expect("a read");
    assert_eq!(names.len(), MAX as usize);
}

pub(crate) async fn names_with_a_suffix_are_listed(backend: &dyn Backend) {
    let (store, draw) = (backend.store(), Draw::new());
    let root = draw.organization(&*store).await.account;
    let other = draw.organization(&*store).await.account;
    for (account, name) in [
        (&root, "a"),
        (&root, "a-2"),
        (&root, "a-10"),
        (&root, "ab"),
        (&root, "a.b"),
        (&root, "A"),
        (&other, "a-3"),
    ] {
        let (service_account, secret) = draw.service_account(account, name);
        let (service_account, secret) = (draw.seal(service_account), draw.seal(secret));
        let commit = draw.commit(account.id);
        store.insert_service_account(&service_account, &secret, 10, commit).await.expect("stored");
    }
    let mut names = store.list_service_account_names(root.id, "a").await.expect("a read");
    names.sort();
    assert_eq!(names, ["a", "a-10", "a-2"]);
}

/// Stores a service account.
async fn stored(
    store: &dyn Store,
    draw: &Draw,
    account: &Account,
    name: &str,
) -> (ServiceAccount, Credential) {
    let (service_account, secret) = draw.service_account(account, name);
    let (sealed, sealed_secret) = (draw.seal(service_account.clone()), draw.seal(secret.clone()));
    let commit = draw.commit(account.root());
    store.insert_service_account(&sealed, &sealed_secret, 100, commit).await.expect("stored");
    (service_account, secret)
}

/// The next version of a service account, with another status.
fn with_status(service_account: &ServiceAccount, status: ServiceAccountStatus) -> ServiceAccount {
    let version = service_account.version + 1;
    ServiceAccount { status, version, ..service_account.clone() }
}

/// A further secret.
fn secret_of(draw: &Draw, service_account: &ServiceAccount) -> Credential {
    let ServiceAccount { id, account, root, .. } = *service_account;
    let owner = Owner::ServiceAccount { service_account: id, account, root };
    draw.credential(owner, KeyFormat::ClientSecret)
}

fn opened<T: Protected>(draw: &Draw, listed: Listed<T>) -> Vec<T> {
    let open = |row: tenantry_core::Result<tenantry_core::secrets::Unverified<T>>| {
        row.and_then(|row| row.open(&draw.secrets)).expect("its seal")
    };
    listed.into_iter().map(|(_, row)| open(row)).collect()
}

pub(crate) async fn a_deleted_ones_name_is_free(backend: &dyn Backend) {
    let (store, draw) = (backend.store(), Draw::new());
    let root = draw.organization(&*store).await.account;
    let (first, _) = stored(&*store, &draw, &root, "a").await;
    let deleted = draw.seal(with_status(&first, ServiceAccountStatus::Deleted));
    store.update_service_account(&deleted, draw.commit(root.id)).await.expect("replaced");
    let names = store.list_service_account_names(root.id, "a").await.expect("a read");
    assert!(names.is_empty());
    // As often as it is wanted.
    let (second, _) = stored(&*store, &draw, &root, "a").await;
    let deleted = draw.seal(with_status(&second, ServiceAccountStatus::Deleted));
    store.update_service_account(&deleted, draw.commit(root.id)).await.expect("replaced");
    stored(&*store, &draw, &root, "a").await;
    let found = store.find_service_account(root.id, first.id).await.expect("a read");
    let found = found.expect("it").open(&draw.secrets).expect("its seal");
    assert_eq!((found.name, found.status), (first.name, ServiceAccountStatus::Deleted));
}

pub(crate) async fn a_service_account_of_another_tree_is_not_found(backend: &dyn Backend) {
    let (store, draw) = (backend.store(), Draw::new());
    let root = draw.organization(&*store).await.account;
    let other = draw.organization(&*store).await.account;
    let (sub_account, _) = draw.stored_sub_account(&*store, root.id).await;
    let (own, _) = stored(&*store, &draw, &root, "a").await;
    let (below, _) = stored(&*store, &draw, &sub_account, "a").await;
    for (tree, id, there) in [
        (root.id, own.id, true),
        (root.id, below.id, true),
        (other.id, own.id, false),
        (other.id, below.id, false),
        (sub_account.id, below.id, false),
        (root.id, ServiceAccountId::generate(&draw.rng, NOW), false),
    ] {
        let found = store.find_service_account(tree, id).await.expect("a read");
        assert_eq!(found.is_some(), there, "{id} in the tree of {tree}");
    }
    let found = store.find_service_account(root.id, below.id).await.expect("a read");
    assert_eq!(found.expect("it").open(&draw.secrets).expect("its seal"), below);
}

pub(crate) async fn a_service_account_is_replaced_by_its_next_version_only(backend: &dyn Backend) {
    let (store, draw) = (backend.store(), Draw::new());
    let root = draw.organization(&*store).await.account;
    let other = draw.organization(&*store).await.account;
    let (service_account, secret) = stored(&*store, &draw, &root, "a").await;
    let next = with_status(&service_account, ServiceAccountStatus::Disabled);
    let skipped = with_status(&next, ServiceAccountStatus::Active);
    let (unknown, _) = draw.service_account(&root, "b");
    let unknown = with_status(&unknown, ServiceAccountStatus::Active);
    let moved = ServiceAccount { account: other.id, root: other.id, ..next.clone() };
    for (refused, why) in [
        (&service_account, "the same"),
        (&skipped, "skipped"),
        (&unknown, "unknown"),
        (&moved, "moved"),
    ] {
        let sealed = draw.seal(refused.clone());
        let outcome = store.update_service_account(&sealed, draw.commit(root.id)).await;
        assert!(matches!(outcome, Err(Error::Conflict(Conflict::Changed))), "{why}");
    }
    let sealed = draw.seal(next.clone());
    store.update_service_account(&sealed, draw.commit(root.id)).await.expect("replaced");
    let found = store.find_credential_by_tag(&secret.tag).await.expect("a read").expect("it");
    let owner = found.service_account.expect("its service account");
    assert_eq!(owner.open(&draw.secrets).expect("its seal"), next);
}

pub(crate) async fn a_name_that_is_taken_refuses_the_change(backend: &dyn Backend) {
    let (store, draw) = (backend.store(), Draw::new());
    let root = draw.organization(&*store).await.account;
    stored(&*store, &draw, &root, "a").await;
    let (second, _) = stored(&*store, &draw, &root, "b").await;
    let renamed = ServiceAccount { name: name("a"), version: 2, ..second };
    let outcome = store.update_service_account(&draw.seal(renamed), draw.commit(root.id)).await;
    assert!(matches!(outcome, Err(Error::Conflict(Conflict::Taken))));
}

pub(crate) async fn service_accounts_are_listed_by_id_in_pages(backend: &dyn Backend) {
    let (store, draw) = (backend.store(), Draw::new());
    let root = draw.organization(&*store).await.account;
    let (sub_account, _) = draw.stored_sub_account(&*store, root.id).await;
    stored(&*store, &draw, &sub_account, "below").await;
    let mut all = Vec::new();
    for number in 0..5 {
        all.push(stored(&*store, &draw, &root, &format!("a-{number}")).await.0);
    }
    let (gone, _) = stored(&*store, &draw, &root, "gone").await;
    let gone = draw.seal(with_status(&gone, ServiceAccountStatus::Deleted));
    store.update_service_account(&gone, draw.commit(root.id)).await.expect("replaced");
    all.sort_by_key(|service_account| service_account.id);
    let list = async |after: Option<usize>, skip, limit| {
        let after = after.map(|index| all[index].id);
        let rows = store.list_service_accounts(root.id, root.id, after, skip, limit).await;
        opened(&draw, rows.expect("a read"))
    };
    assert_eq!(list(None, 0, 100).await, all);
    assert_eq!(list(None, 0, 2).await, all[..2]);
    assert_eq!(list(Some(1), 0, 2).await, all[2..4]);
    assert_eq!(list(None, 3, 100).await, all[3..]);
    assert_eq!(list(Some(0), 1, 2).await, all[2..4]);
    assert!(list(Some(4), 0, 2).await.is_empty());
    let elsewhere = store.list_service_accounts(sub_account.id, root.id, None, 0, 9).await;
    assert!(elsewhere.expect("a read").is_empty(), "the tree is another");
}

pub(crate) async fn a_further_secret_is_stored_with_what_it_replaces_or_not_at_all(
    backend: &dyn Backend,
) {
    let (store, draw) = (backend.store(), Draw::new());
    let root = draw.organization(&*store).await.account;
    let (service_account, first) = stored(&*store, &draw, &root, "a").await;
    let next = with_status(&service_account, ServiceAccountStatus::Active);
    let second = secret_of(&draw, &service_account);
    let same_tag = Credential { tag: first.tag, ..secret_of(&draw, &service_account) };
    let insert = async |service_account: &ServiceAccount, secret: &Credential, old: Credential| {
        let (sealed, secret) = (draw.seal(service_account.clone()), draw.seal(secret.clone()));
        let replaces = [draw.seal(old)];
        store.insert_client_secret(&sealed, &secret, &replaces, draw.commit(root.id)).await
    };
    let changed = |outcome| matches!(outcome, Err(Error::Conflict(Conflict::Changed)));
    assert!(changed(insert(&service_account, &second, revoked(&first)).await));
    assert!(changed(insert(&next, &second, first.clone()).await));
    let taken = insert(&next, &same_tag, revoked(&first)).await;
    assert!(matches!(taken, Err(Error::Conflict(Conflict::Taken))));
    let found = store.find_credential_by_tag(&first.tag).await.expect("a read").expect("it");
    let owner = found.service_account.expect("its service account");
    assert_eq!(owner.open(&draw.secrets).expect("its seal"), service_account);
    assert_eq!(found.credential.open(&draw.secrets).expect("its seal"), first);
    assert!(store.find_credential_by_tag(&second.tag).await.expect("a read").is_none());

    insert(&next, &second, revoked(&first)).await.expect("stored");
    for (tag, secret) in [(first.tag, revoked(&first)), (second.tag, second.clone())] {
        let found = store.find_credential_by_tag(&tag).await.expect("a read").expect("it");
        assert_eq!(found.credential.open(&draw.secrets).expect("its seal"), secret);
        let owner = found.service_account.expect("its service account");
        assert_eq!(owner.open(&draw.secrets).expect("its seal"), next);
    }
}

pub(crate) async fn living_secrets_are_listed(backend: &dyn Backend) {
    let (store, draw) = (backend.store(), Draw::new());
    let root = draw.organization(&*store).await.account;
    let other = draw.organization(&*store).await.account;
    let (service_account, first) = stored(&*store, &draw, &root, "a").await;
    let (second, of_second) = stored(&*store, &draw, &root, "b").await;
    let ends = |micros| Some(Timestamp::from_micros(NOW.micros() + micros));
    let mut living = vec![first];
    for (expires_at, grace, status, lives) in [
        (ends(0), None, CredentialStatus::Active, false),
        (ends(1), None, CredentialStatus::Active, true),
        (None, ends(0), CredentialStatus::Active, false),
        (None, ends(2), CredentialStatus::Active, true),
        (None, None, CredentialStatus::Disabled, true),
        (None, None, CredentialStatus::Revoked { at: NOW }, false),
    ] {
        let secret = secret_of(&draw, &service_account);
        let superseded = grace.map(|until| Superseded { by: secret.lineage, until });
        let secret = Credential { expires_at, superseded, status, ..secret };
        let sealed = draw.seal(secret.clone());
        store.insert_credential(&sealed, draw.commit(root.id)).await.expect("stored");
        living.extend(lives.then_some(secret));
    }
    living.sort_by_key(|secret| secret.id);
    let list = async |tree, ids: &[ServiceAccountId], now, limit| {
        let rows = store.list_client_secrets(tree, ids, now, limit).await.expect("a read");
        opened(&draw, rows)
    };
    let own = [service_account.id];
    assert_eq!(list(root.id, &own, NOW, 9).await, living);
    assert_eq!(list(root.id, &own, NOW, 2).await, living[..2]);
    let later = NOW.plus(Duration::from_micros(1));
    assert_eq!(list(root.id, &own, later, 9).await.len(), living.len() - 1);
    let both = list(root.id, &[second.id, service_account.id], NOW, 9).await;
    assert_eq!(both.first(), Some(&of_second));
    assert_eq!(both[1..], living);
    assert!(list(other.id, &own, NOW, 9).await.is_empty());
    let ids: Vec<CredentialId> = living.iter().map(|secret| secret.id).collect();
    let rows = store.list_client_secrets(root.id, &own, NOW, 9).await.expect("a read");
    assert_eq!(rows.iter().map(|(id, _)| CredentialId::from_bytes(*id)).collect::<Vec<_>>(), ids);
}
