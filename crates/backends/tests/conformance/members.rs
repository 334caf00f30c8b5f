//! `MemberStore`.

use crate::backend::Backend;
use crate::support::{Draw, name};
use tenantry_core::error::{Conflict, Error};
use tenantry_core::members::Member;
use tenantry_core::text::Line;

pub(crate) async fn a_member_reads_back(backend: &dyn Backend) {
    let (store, draw) = (backend.store(), Draw::new());
    let root = draw.organization(&*store).await.account.id;
    let full = draw.member(root);
    let bare = Member { name: None, email: None, ..draw.member(root) };
    for member in [full, bare] {
        store.save_member(&member, draw.commit(root)).await.expect("saved");
        let found = store.find_member(root, &member.realm, &member.subject).await;
        assert_eq!(found.expect("a read"), Some(member));
    }
}

pub(crate) async fn saving_again_replaces_name_and_address(backend: &dyn Backend) {
    let (store, draw) = (backend.store(), Draw::new());
    let organization = draw.organization(&*store).await;
    let root = organization.account.id;
    let mut member = organization.member;
    member.name = Some(name("Ada Lovelace"));
    member.email = Line::parse("countess@example.com").ok();
    store.save_member(&member, draw.commit(root)).await.expect("saved");
    let found = store.find_member(root, &member.realm, &member.subject).await;
    assert_eq!(found.expect("a read"), Some(member));
}

pub(crate) async fn realm_and_subject_are_unique_within_an_account(backend: &dyn Backend) {
    let (store, draw) = (backend.store(), Draw::new());
    let organization = draw.organization(&*store).await;
    let root = organization.account.id;
    let mut other = draw.member(root);
    other.subject = organization.member.subject.clone();
    let outcome = store.save_member(&other, draw.commit(root)).await;
    assert!(matches!(outcome, Err(Error::Conflict(Conflict::Taken))));
    // In another realm, or of another account, it is somebody else.
    other.realm = "elsewhere".into();
    store.save_member(&other, draw.commit(root)).await.expect("saved");
    let second = draw.organization(&*store).await.account.id;
    let same_person = Member { account: second, ..organization.member };
    store.save_member(&same_person, draw.commit(second)).await.expect("saved");
}

pub(crate) async fn a_member_does_not_become_somebody_else(backend: &dyn Backend) {
    let (store, draw) = (backend.store(), Draw::new());
    let organization = draw.organization(&*store).await;
    let root = organization.account.id;
    let mut impostor = organization.member.clone();
    impostor.realm = "elsewhere".into();
    impostor.name = Some(name("Mallory"));
    let outcome = store.save_member(&impostor, draw.commit(root)).await;
    assert!(matches!(outcome, Err(Error::Conflict(Conflict::Taken))));
    let Member { realm, subject, .. } = &organization.member;
    let found = store.find_member(root, realm, subject).await.expect("a read");
    assert_eq!(found.as_ref(), Some(&organization.member));
}

pub(crate) async fn a_member_of_another_account_is_not_found(backend: &dyn Backend) {
    let (store, draw) = (backend.store(), Draw::new());
    let member = draw.organization(&*store).await.member;
    let other = draw.organization(&*store).await.account.id;
    for (root, realm, subject) in [
        (other, &*member.realm, &*member.subject),
        (member.account, "elsewhere", &*member.subject),
        (member.account, &*member.realm, "nobody"),
    ] {
        assert!(store.find_member(root, realm, subject).await.expect("a read").is_none());
    }
}

pub(crate) async fn a_member_is_found_by_id_in_its_own_account_only(backend: &dyn Backend) {
    let (store, draw) = (backend.store(), Draw::new());
    let member = draw.organization(&*store).await.member;
    let other = draw.organization(&*store).await;
    let found = store.find_member_by_id(member.account, member.id).await.expect("a read");
    assert_eq!(found.as_ref(), Some(&member));
    for (root, id) in [(other.account.id, member.id), (member.account, other.member.id)] {
        assert!(store.find_member_by_id(root, id).await.expect("a read").is_none());
    }
}
