//! `CredentialStore`: a credential that takes another one's place, and the line that results.

use crate::backend::Backend;
use crate::support::{Draw, NOW};
use crate::versions::revoked;
use std::time::Duration;
use tenantry_core::clock::Timestamp;
use tenantry_core::commit::{Change, Commit, Subject};
use tenantry_core::credentials::{Credential, Owner, Superseded};
use tenantry_core::error::{Conflict, Error};
use tenantry_core::ids::{AccountId, CredentialId};
use tenantry_core::secrets::KeyFormat;
use tenantry_core::store::Store;
use tokio::task::JoinSet;

fn at(seconds: u64) -> Timestamp {
    NOW.plus(Duration::from_secs(seconds))
}

async fn find(
    store: &dyn Store,
    draw: &Draw,
    root: AccountId,
    id: CredentialId,
) -> Option<Credential> {
    let found = store.find_credential(root, id).await.expect("a read");
    found.map(|found| found.open(&draw.secrets).expect("its seal"))
}

pub(crate) async fn a_rotated_key_reads_back_with_its_successor(backend: &dyn Backend) {
    let (store, draw) = (backend.store(), Draw::new());
    let organization = draw.organization(&*store).await;
    let (root, key) = (organization.account.id, organization.key);
    let (next, old) = draw.rotated(&key, at(60));
    let change = Change::new(&draw.rng, root, [Subject::Credential(key.tag)]);
    let commit = Commit::changing(draw.seal(draw.event(root)), change);
    let sealed = (draw.seal(next.clone()), draw.seal(old.clone()));
    let committed = store.rotate_credential(&sealed.0, &[sealed.1], commit).await;
    let revision = committed.expect("rotated").expect("a revision");
    assert_eq!(revision, store.find_head(root).await.expect("a read").revision);
    for expected in [&next, &old] {
        assert_eq!(find(&*store, &draw, root, expected.id).await.as_ref(), Some(expected));
        let found = store.find_credential_by_tag(&expected.tag).await.expect("a read");
        let found = found.expect("it").credential.open(&draw.secrets).expect("its seal");
        assert_eq!(found, *expected);
    }
}

pub(crate) async fn a_rotation_is_stored_whole_or_not_at_all(backend: &dyn Backend) {
    let (store, draw) = (backend.store(), Draw::new());
    let organization = draw.organization(&*store).await;
    let (root, key) = (organization.account.id, organization.key);
    let (_, other) = draw.stored_sub_account(&*store, root).await;
    let (next, old) = draw.rotated(&key, at(60));
    let events = backend.audit_events().len();
    let taken = Credential { tag: other.tag, ..next.clone() };
    let skipped = Credential { version: old.version + 1, ..old.clone() };
    let gone = revoked(&draw.key(&organization.account));
    for (new, replaces, taken) in [
        (&taken, vec![&old], true),
        (&next, vec![&skipped], false),
        (&next, vec![&old, &gone], false),
        (&next, vec![&gone, &old], false),
    ] {
        let replaces: Vec<_> = replaces.into_iter().map(|row| draw.seal(row.clone())).collect();
        let new = draw.seal(new.clone());
        let outcome = store.rotate_credential(&new, &replaces, draw.commit(root)).await;
        let expected = if taken { Conflict::Taken } else { Conflict::Changed };
        assert!(matches!(outcome, Err(Error::Conflict(why)) if why == expected), "{outcome:?}");
        assert_eq!(find(&*store, &draw, root, key.id).await.as_ref(), Some(&key));
        assert_eq!(find(&*store, &draw, root, next.id).await, None);
    }
    assert_eq!(backend.audit_events().len(), events);
}

pub(crate) async fn of_twenty_rotations_of_one_key_one_is_made(backend: &dyn Backend) {
    let (store, draw) = (backend.store(), Draw::new());
    let organization = draw.organization(&*store).await;
    let (root, key) = (organization.account.id, organization.key);
    let mut rotations = JoinSet::new();
    for _ in 0..20 {
        let (next, old) = draw.rotated(&key, at(60));
        let (next, old) = (draw.seal(next), draw.seal(old));
        let (store, commit) = (store.clone(), draw.commit(root));
        rotations.spawn(async move { store.rotate_credential(&next, &[old], commit).await });
    }
    let outcomes = rotations.join_all().await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    let refused = |outcome: &&_| matches!(outcome, Err(Error::Conflict(Conflict::Changed)));
    assert_eq!(outcomes.iter().filter(refused).count(), 19);
    let keys = store.list_keys(root, root, None, 100).await.expect("a list");
    assert_eq!(keys.len(), 2);
}

async fn line(
    store: &dyn Store,
    draw: &Draw,
    (root, lineage): (AccountId, CredentialId),
    now: Timestamp,
) -> Vec<CredentialId> {
    let rows = store.list_lineage(root, lineage, now, 100).await.expect("a list");
    let open = |row: tenantry_core::error::Result<tenantry_core::secrets::Unverified<_>>| {
        let key: Credential = row.expect("readable").open(&draw.secrets).expect("its seal");
        key.id
    };
    rows.into_iter().map(|(_, row)| open(row)).collect()
}

pub(crate) async fn a_line_lists_those_that_may_still_verify(backend: &dyn Backend) {
    let (store, draw) = (backend.store(), Draw::new());
    let root = draw.organization(&*store).await.account.id;
    let (_, first) = draw.stored_sub_account(&*store, root).await;
    let of = (root, first.lineage);
    assert_eq!(line(&*store, &draw, of, NOW).await, [first.id]);
    let mut newest = first.clone();
    let mut ids = vec![first.id];
    for number in 1..=3 {
        let (next, old) = draw.rotated(&newest, at(10 * number));
        let sealed = (draw.seal(next.clone()), draw.seal(old));
        let commit = draw.commit(root);
        store.rotate_credential(&sealed.0, &[sealed.1], commit).await.expect("rotated");
        ids.push(next.id);
        newest = next;
    }
    let sorted = |ids: &[CredentialId]| {
        let mut ids = ids.to_vec();
        ids.sort();
        ids
    };
    // A grace is over at its very end.
    for (now, live) in [(9, &ids[..]), (10, &ids[1..]), (20, &ids[2..]), (30, &ids[3..])] {
        assert_eq!(line(&*store, &draw, of, at(now)).await, sorted(live), "after {now} seconds");
    }
    assert_eq!(store.list_lineage(root, first.lineage, NOW, 2).await.expect("a list").len(), 2);
    // Lines of others, and what is only an id in this one.
    let other = draw.organization(&*store).await.account.id;
    for of in [(other, first.lineage), (AccountId::PLANE, first.lineage)] {
        assert_eq!(line(&*store, &draw, of, NOW).await, [], "{of:?}");
    }
    assert_eq!(line(&*store, &draw, (root, newest.id), NOW).await, [newest.id]);
    let commit = draw.commit(root);
    store.update_credential(&draw.seal(revoked(&newest)), commit).await.expect("revoked");
    assert_eq!(line(&*store, &draw, of, at(20)).await, sorted(&ids[2..3]));
}

pub(crate) async fn a_platform_keys_line_is_the_planes(backend: &dyn Backend) {
    let (store, draw) = (backend.store(), Draw::new());
    let root = draw.organization(&*store).await.account.id;
    let key = draw.credential(Owner::Platform, KeyFormat::Native);
    let commit = draw.commit(AccountId::PLANE);
    store.insert_credential(&draw.seal(key.clone()), commit).await.expect("stored");
    let (next, old) = draw.rotated(&key, at(10));
    let sealed = (draw.seal(next.clone()), draw.seal(old));
    let commit = draw.commit(AccountId::PLANE);
    store.rotate_credential(&sealed.0, &[sealed.1], commit).await.expect("rotated");
    let listed = line(&*store, &draw, (AccountId::PLANE, key.id), NOW).await;
    assert!(listed.contains(&key.id) && listed.contains(&next.id) && listed.len() == 2);
    assert_eq!(line(&*store, &draw, (root, key.id), NOW).await, []);
}

pub(crate) async fn several_credentials_are_replaced_together_or_not_at_all(backend: &dyn Backend) {
    let (store, draw) = (backend.store(), Draw::new());
    let organization = draw.organization(&*store).await;
    let (root, key) = (organization.account.id, organization.key);
    let (_, second) = draw.stored_sub_account(&*store, root).await;
    let unknown = revoked(&draw.key(&organization.account));
    let superseded = Superseded { by: second.id, until: at(1) };
    let next = Credential { superseded: Some(superseded), ..revoked(&key) };
    let (sealed, sealed_second) = (draw.seal(next.clone()), draw.seal(revoked(&second)));
    let stale = draw.seal(second.clone());
    for refused in [[sealed.clone(), draw.seal(unknown)], [sealed.clone(), stale]] {
        let outcome = store.update_credentials(&refused, draw.commit(root)).await;
        assert!(matches!(outcome, Err(Error::Conflict(Conflict::Changed))));
        assert_eq!(find(&*store, &draw, root, key.id).await.as_ref(), Some(&key));
    }
    let subjects = [Subject::Credential(key.tag), Subject::Credential(second.tag)];
    let change = Change::new(&draw.rng, root, subjects);
    let commit = Commit::changing(draw.seal(draw.event(root)), change);
    let before = store.find_head(root).await.expect("a read").revision;
    let committed = store.update_credentials(&[sealed, sealed_second], commit).await;
    let revision = committed.expect("replaced").expect("a revision");
    assert_eq!(revision.number, before.number + 2);
    assert_eq!(find(&*store, &draw, root, key.id).await, Some(next));
    assert_eq!(find(&*store, &draw, root, second.id).await, Some(revoked(&second)));
}
