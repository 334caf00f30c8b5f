//! `AccountStore`.

use crate::backend::Backend;
use crate::support::Draw;
use crate::versions::{closed, suspended};
use tenantry_core::accounts::Account;
use tenantry_core::commit::{Change, Commit, Subject};
use tenantry_core::error::{Conflict, Error};
use tenantry_core::ids::AccountId;
use tenantry_core::members::Member;
use tenantry_core::page::Listed;
use tenantry_core::secrets::Unverified;

pub(crate) async fn an_organization_reads_back_with_its_seals(backend: &dyn Backend) {
    let (store, draw) = (backend.store(), Draw::new());
    let stored = draw.organization(&*store).await;
    let id = stored.account.id;
    let account = store.find_account(id, id).await.expect("a read").expect("the account");
    assert_eq!(account.open(&draw.secrets).expect("its seal"), stored.account);
    let key = store.find_credential(id, stored.key.id).await.expect("a read").expect("the key");
    assert_eq!(key.open(&draw.secrets).expect("its seal"), stored.key);
    let Member { realm, subject, .. } = &stored.member;
    let member = store.find_member(id, realm, subject).await.expect("a read");
    assert_eq!(member.as_ref(), Some(&stored.member));
}

pub(crate) async fn a_sub_account_reads_back_with_its_key(backend: &dyn Backend) {
    let (store, draw) = (backend.store(), Draw::new());
    let root = draw.organization(&*store).await.account.id;
    let (stored, stored_key) = draw.stored_sub_account(&*store, root).await;
    let account = store.find_account(root, stored.id).await.expect("a read").expect("the account");
    assert_eq!(account.open(&draw.secrets).expect("its seal"), stored);
    let key = store.find_credential(root, stored_key.id).await.expect("a read").expect("the key");
    assert_eq!(key.open(&draw.secrets).expect("its seal"), stored_key);
}

pub(crate) async fn an_organization_is_stored_whole_or_not_at_all(backend: &dyn Backend) {
    let (store, draw) = (backend.store(), Draw::new());
    let first = draw.organization(&*store).await;
    let account = draw.root_account();
    let member = draw.member(account.id);
    let mut key = draw.key(&account);
    key.tag = first.key.tag;
    let sealed = draw.seal(account.clone());
    let refused =
        store.insert_organization(&sealed, &member, &draw.seal(key), draw.commit(account.id)).await;
    assert!(matches!(refused, Err(Error::Conflict(Conflict::Taken))));
    assert!(store.find_account(account.id, account.id).await.expect("a read").is_none());
    let found = store.find_member(account.id, &member.realm, &member.subject).await;
    assert!(found.expect("a read").is_none());
    // The account's own id, taken.
    let sealed = draw.seal(first.account.clone());
    let key = draw.seal(draw.key(&first.account));
    let refused = store.insert_account(&sealed, &key, draw.commit(first.account.id)).await;
    assert!(matches!(refused, Err(Error::Conflict(Conflict::Taken))));
}

pub(crate) async fn an_account_of_another_tree_is_not_found(backend: &dyn Backend) {
    let (store, draw) = (backend.store(), Draw::new());
    let root = draw.organization(&*store).await.account.id;
    let other = draw.organization(&*store).await.account.id;
    let sub_account = draw.stored_sub_account(&*store, root).await.0.id;
    for (tree, id, there) in [
        (root, root, true),
        (root, sub_account, true),
        (other, root, false),
        (other, sub_account, false),
        (sub_account, root, false),
        // A sub-account is no tree.
        (sub_account, sub_account, false),
        (AccountId::PLANE, root, false),
        (root, AccountId::PLANE, false),
    ] {
        let found = store.find_account(tree, id).await.expect("a read");
        assert_eq!(found.is_some(), there, "{id} in the tree of {tree}");
    }
}

pub(crate) async fn organizations_are_listed_by_id_in_pages(backend: &dyn Backend) {
    let (store, draw) = (backend.store(), Draw::new());
    assert!(store.list_organizations(None, 10).await.expect("a read").is_empty());
    assert!(!store.has_organizations().await.expect("a read"));
    let mut ids = Vec::new();
    for _ in 0..5 {
        let root = draw.organization(&*store).await.account.id;
        draw.stored_sub_account(&*store, root).await;
        ids.push(root);
    }
    ids.sort();
    let mut listed = Vec::new();
    for page in [2, 2, 1, 0] {
        let found = store.list_organizations(listed.last().copied(), 2).await.expect("a read");
        assert_eq!(found.len(), page);
        for (id, account) in found {
            let account = account.expect("a row").open(&draw.secrets).expect("its seal");
            assert_eq!(account.id, id);
            listed.push(id);
        }
    }
    assert_eq!(listed, ids);
    assert!(store.has_organizations().await.expect("a read"));
}

pub(crate) async fn an_account_is_replaced_by_its_next_version_only(backend: &dyn Backend) {
    let (store, draw) = (backend.store(), Draw::new());
    let account = draw.organization(&*store).await.account;
    let next = suspended(&account);
    let commit = || {
        let change = Change::new(&draw.rng, account.id, [Subject::Account(account.id)]);
        Commit::changing(draw.seal(draw.event(account.id)), change)
    };
    let skipped = suspended(&next);
    let unknown = suspended(&draw.root_account());
    for (refused, why) in [(&account, "the same"), (&skipped, "skipped"), (&unknown, "unknown")] {
        let outcome = store.update_account(&draw.seal(refused.clone()), commit()).await;
        assert!(matches!(outcome, Err(Error::Conflict(Conflict::Changed))), "{why}");
    }
    let sealed = draw.seal(next.clone());
    assert!(store.update_account(&sealed, commit()).await.expect("replaced").is_some());
    let outcome = store.update_account(&sealed, commit()).await;
    assert!(matches!(outcome, Err(Error::Conflict(Conflict::Changed))), "twice");
    let found = store.find_account(account.id, account.id).await.expect("a read").expect("it");
    assert_eq!(found.open(&draw.secrets).expect("its seal"), next);
}

pub(crate) async fn many_accounts_are_stored_together_or_not_at_all(backend: &dyn Backend) {
    let (store, draw) = (backend.store(), Draw::new());
    let root = draw.organization(&*store).await.account.id;
    let rows = |count: usize| -> Vec<_> {
        (0..count)
            .map(|_| {
                let account = draw.sub_account(root);
                let key = draw.key(&account);
                (draw.seal(account), draw.seal(key), draw.commit(root))
            })
            .collect()
    };
    let good = rows(50);
    store.insert_accounts(good.clone()).await.expect("stored");
    for (account, key, _) in &good {
        let found = store.find_account(root, account.record().id).await.expect("a read");
        assert!(found.is_some());
        let found = store.find_credential_by_tag(&key.record().tag).await.expect("a read");
        assert!(found.is_some());
    }
    let events = backend.audit_events().len();
    assert_eq!(events, 51);
    let mut bad = rows(3);
    bad.push(good[0].clone());
    let refused = store.insert_accounts(bad.clone()).await;
    assert!(matches!(refused, Err(Error::Conflict(Conflict::Taken))), "{refused:?}");
    for (account, _, _) in &bad[..3] {
        assert!(store.find_account(root, account.record().id).await.expect("a read").is_none());
    }
    assert_eq!(backend.audit_events().len(), events);
}

fn ids(listed: Listed<Account>, draw: &Draw) -> Vec<AccountId> {
    let open = |(id, account): ([u8; 16], _)| {
        let account: Result<Unverified<Account>, Error> = account;
        let account = account.expect("a row").open(&draw.secrets).expect("its seal");
        assert_eq!(account.id.as_bytes(), &id);
        account.id
    };
    listed.into_iter().map(open).collect()
}

pub(crate) async fn accounts_of_a_tree_are_listed_by_id_in_pages(backend: &dyn Backend) {
    let (store, draw) = (backend.store(), Draw::new());
    let root = draw.organization(&*store).await.account.id;
    let other = draw.organization(&*store).await.account.id;
    let mut tree = vec![root];
    for _ in 0..4 {
        tree.push(draw.stored_sub_account(&*store, root).await.0.id);
        draw.stored_sub_account(&*store, other).await;
    }
    let sub_account = tree[1];
    tree.sort();
    let mut listed = Vec::new();
    for page in [2, 2, 1, 0] {
        let found = store.list_accounts(root, listed.last().copied(), 2).await.expect("a read");
        let found = ids(found, &draw);
        assert_eq!(found.len(), page);
        listed.extend(found);
    }
    assert_eq!(listed, tree);
    // A sub-account is no tree.
    for none in [sub_account, AccountId::PLANE] {
        assert!(store.list_accounts(none, None, 9).await.expect("a read").is_empty());
    }
}

pub(crate) async fn sub_accounts_are_listed_in_numbered_pages_without_the_closed(
    backend: &dyn Backend,
) {
    let (store, draw) = (backend.store(), Draw::new());
    let root = draw.organization(&*store).await.account.id;
    let other = draw.organization(&*store).await.account.id;
    draw.stored_sub_account(&*store, other).await;
    let mut open = Vec::new();
    for number in 0..6 {
        let (account, _) = draw.stored_sub_account(&*store, root).await;
        let next = match number {
            1 | 4 => closed(&account),
            _ => suspended(&account),
        };
        store.update_account(&draw.seal(next), draw.commit(root)).await.expect("replaced");
        if !matches!(number, 1 | 4) {
            open.push(account.id);
        }
    }
    open.sort();
    for (skip, limit, expected) in
        [(0, 9, &open[..]), (0, 3, &open[..3]), (3, 3, &open[3..]), (1, 2, &open[1..3])]
    {
        let found = store.list_sub_accounts(root, skip, limit).await.expect("a read");
        assert_eq!(ids(found, &draw), expected, "{limit} after {skip}");
    }
    for skip in [4, u32::MAX] {
        assert!(store.list_sub_accounts(root, skip, 9).await.expect("a read").is_empty());
    }
    assert!(store.list_sub_accounts(open[0], 0, 9).await.expect("a read").is_empty());
}
