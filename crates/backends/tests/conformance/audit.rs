//! `AuditStore`, and the event that goes with every change.

use crate::backend::Backend;
use crate::support::Draw;
use crate::versions::{revoked, suspended};
use tenantry_core::commit::Commit;
use tenantry_core::error::{Conflict, Error};
use tenantry_core::ids::AccountId;

pub(crate) async fn an_event_is_stored_by_itself(backend: &dyn Backend) {
    let (store, draw) = (backend.store(), Draw::new());
    let mut event = draw.event(AccountId::PLANE);
    let sealed = draw.seal(event.clone());
    let seal = *sealed.seal();
    let committed = store.insert_audit_event(Commit::audited(sealed)).await.expect("stored");
    assert!(committed.is_none(), "nothing that is cached changed");
    let (texts, stored_seal) = backend.audit_event(*event.id.as_bytes()).expect("the event");
    let target = AccountId::PLANE.to_string();
    let facts = r#"[["key_start","tnt_abc"],["a","\""]]"#;
    let expected =
        ["operator", "local", "account.created", "account", &target, facts, "req_1", "192.0.2.1"];
    assert_eq!(texts, expected);
    assert_eq!(stored_seal, seal);

    event = draw.event(AccountId::PLANE);
    event.address = None;
    let commit = Commit::audited(draw.seal(event.clone()));
    store.insert_audit_event(commit).await.expect("stored");
    let (texts, _) = backend.audit_event(*event.id.as_bytes()).expect("the event");
    assert_eq!(texts[7], "");
}

pub(crate) async fn a_change_has_its_event_exactly_once(backend: &dyn Backend) {
    let (store, draw) = (backend.store(), Draw::new());
    let mut expected = Vec::new();
    let mut commit = |root: AccountId| {
        let commit = draw.commit(root);
        expected.push(*commit.audit.record().id.as_bytes());
        commit
    };
    let root = draw.root_account();
    let member = draw.member(root.id);
    let key = draw.key(&root);
    let sub_account = draw.sub_account(root.id);
    let sub_key = draw.key(&sub_account);
    let (service_account, secret) = draw.service_account(&root, "a");
    let (sealed_root, sealed_key) = (draw.seal(root.clone()), draw.seal(key.clone()));
    store
        .insert_organization(&sealed_root, &member, &sealed_key, commit(root.id))
        .await
        .expect("an organization");
    store
        .insert_account(&draw.seal(sub_account), &draw.seal(sub_key), commit(root.id))
        .await
        .expect("an account");
    let next = draw.seal(suspended(&root));
    store.update_account(&next, commit(root.id)).await.expect("an account's change");
    let further = draw.seal(draw.key(&root));
    store.insert_credential(&further, commit(root.id)).await.expect("a credential");
    let next = draw.seal(revoked(&key));
    store.update_credential(&next, commit(root.id)).await.expect("a credential's change");
    store.save_member(&member, commit(root.id)).await.expect("a member");
    let (service_account, secret) = (draw.seal(service_account), draw.seal(secret));
    store
        .insert_service_account(&service_account, &secret, 1, commit(root.id))
        .await
        .expect("a service account");
    store.insert_audit_event(commit(root.id)).await.expect("an event");
    expected.sort_unstable();
    assert_eq!(backend.audit_events(), expected);
}

pub(crate) async fn a_refused_change_leaves_no_event(backend: &dyn Backend) {
    let (store, draw) = (backend.store(), Draw::new());
    let organization = draw.organization(&*store).await;
    let root = organization.account.id;
    let key = draw.seal(organization.key);
    let refused = store.insert_credential(&key, draw.commit(root)).await;
    assert!(refused.is_err());
    let refused = store.update_credential(&key, draw.commit(root)).await;
    assert!(refused.is_err());
    assert_eq!(backend.audit_events().len(), 1);
}

pub(crate) async fn an_event_that_exists_refuses_the_change(backend: &dyn Backend) {
    let (store, draw) = (backend.store(), Draw::new());
    let organization = draw.organization(&*store).await;
    let commit = draw.commit(organization.account.id);
    store.insert_audit_event(commit.clone()).await.expect("stored");
    let key = draw.key(&organization.account);
    let outcome = store.insert_credential(&draw.seal(key.clone()), commit).await;
    assert!(matches!(outcome, Err(Error::Conflict(Conflict::Taken))));
    assert!(store.find_credential_by_tag(&key.tag).await.expect("a read").is_none());
}
