//! `ServiceAccountStore`.

use crate::backend::Backend;
use crate::support::Draw;
use tenantry_core::error::{Conflict, Error};
use tenantry_core::service_accounts::ServiceAccountStatus;
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
    let names = store.list_service_account_names(root.id, "a").await.expect("a read");
    assert_eq!(names, ["a"], "a deleted one keeps its name");
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
