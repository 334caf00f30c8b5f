//! `OAuthStore`.

use crate::backend::Backend;
use crate::support::{Draw, NOW};
use std::time::Duration;
use tenantry_core::accounts::Account;
use tenantry_core::clock::Timestamp;
use tenantry_core::commit::{Change, Commit, Subject, shard_of};
use tenantry_core::error::{Conflict, Error};
use tenantry_core::json;
use tenantry_core::oauth::{ClientKey, ClientSettings, RevokedToken, SigningAlgorithm, SigningKey};
use tenantry_core::secrets::Tag;
use tenantry_core::service_accounts::ServiceAccount;
use tenantry_core::store::Store;
use tokio::task::JoinSet;

fn signing_key(number: u64, algorithm: SigningAlgorithm) -> SigningKey {
    SigningKey {
        number,
        kid: format!("kid-{number}").into(),
        algorithm,
        sealed: vec![7; 100],
        created_at: NOW,
        signs_from: NOW.plus(Duration::from_mins(10)),
    }
}

pub(crate) async fn signing_keys_are_listed_with_the_newest_first(backend: &dyn Backend) {
    let (store, draw) = (backend.store(), Draw::new());
    let root = draw.organization(&*store).await.account.id;
    let keys: Vec<_> =
        [(1, SigningAlgorithm::Es256), (2, SigningAlgorithm::EdDsa), (3, SigningAlgorithm::Rs256)]
            .map(|(number, algorithm)| signing_key(number, algorithm))
            .into();
    for key in &keys {
        store.insert_signing_key(&draw.seal(key.clone()), draw.commit(root)).await.expect("stored");
    }
    let list = async |limit: u32| {
        let rows = store.list_signing_keys(limit).await.expect("a list");
        let open = |(number, row): (u64, tenantry_core::Result<_>)| {
            let row: tenantry_core::secrets::Unverified<SigningKey> = row.expect("readable");
            let key = row.open(&draw.secrets).expect("its seal");
            assert_eq!(key.number, number);
            key
        };
        rows.into_iter().map(open).collect::<Vec<_>>()
    };
    assert_eq!(list(10).await, [keys[2].clone(), keys[1].clone(), keys[0].clone()]);
    assert_eq!(list(2).await, [keys[2].clone(), keys[1].clone()]);
    store.delete_signing_keys(3).await.expect("deleted");
    assert_eq!(list(10).await, [keys[2].clone()]);
}

pub(crate) async fn a_signing_keys_sealed_key_is_replaced_and_nothing_else(backend: &dyn Backend) {
    let (store, draw) = (backend.store(), Draw::new());
    let root = draw.organization(&*store).await.account.id;
    let keys = [1, 2].map(|number| signing_key(number, SigningAlgorithm::Es256));
    for key in &keys {
        store.insert_signing_key(&draw.seal(key.clone()), draw.commit(root)).await.expect("stored");
    }
    let resealed = SigningKey { sealed: vec![8; 90], ..keys[0].clone() };
    store.update_signing_key(&draw.seal(resealed.clone())).await.expect("updated");
    // One of another kid is another key, and one that is gone stays gone.
    let other = SigningKey { kid: "other".into(), sealed: vec![9; 90], ..keys[1].clone() };
    store.update_signing_key(&draw.seal(other)).await.expect("nothing to do");
    let gone = signing_key(3, SigningAlgorithm::Es256);
    store.update_signing_key(&draw.seal(gone)).await.expect("nothing to do");
    let rows = store.list_signing_keys(10).await.expect("a list");
    let read: Vec<_> = rows
        .into_iter()
        .map(|(_, row)| row.expect("readable").open(&draw.secrets).expect("its seal"))
        .collect();
    assert_eq!(read, [keys[1].clone(), resealed]);
}

pub(crate) async fn numbers_and_kids_of_signing_keys_are_unique(backend: &dyn Backend) {
    let (store, draw) = (backend.store(), Draw::new());
    let root = draw.organization(&*store).await.account.id;
    let events = backend.audit_events().len();
    let mut tasks = JoinSet::new();
    for number in 0..10_u64 {
        let store = store.clone();
        let mut key = signing_key(1, SigningAlgorithm::Es256);
        key.kid = format!("other-{number}").into();
        let (key, commit) = (draw.seal(key), draw.commit(root));
        tasks.spawn(async move { store.insert_signing_key(&key, commit).await });
    }
    let outcomes = tasks.join_all().await;
    let taken =
        |outcome: &&Result<_, Error>| matches!(outcome, Err(Error::Conflict(Conflict::Taken)));
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    assert_eq!(outcomes.iter().filter(taken).count(), 9);
    assert_eq!(backend.audit_events().len(), events + 1);
    let kid = store.list_signing_keys(1).await.expect("a list").remove(0).1.expect("readable");
    let kid = kid.open(&draw.secrets).expect("its seal").kid;
    let same = SigningKey { kid, ..signing_key(2, SigningAlgorithm::Es256) };
    let refused = store.insert_signing_key(&draw.seal(same), draw.commit(root)).await;
    assert!(matches!(refused, Err(Error::Conflict(Conflict::Taken))));
}

async fn client(store: &dyn Store, draw: &Draw, account: &Account) -> ServiceAccount {
    let (service_account, secret) = draw.service_account(account, "a");
    let sealed = (draw.seal(service_account.clone()), draw.seal(secret));
    let commit = draw.commit(account.root());
    store.insert_service_account(&sealed.0, &sealed.1, 10, commit).await.expect("stored");
    service_account
}

fn settings(service_account: &ServiceAccount) -> ClientSettings {
    let jwk = r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
    let jwk = json::parse(jwk.as_bytes()).expect("JSON");
    ClientSettings {
        service_account: service_account.id,
        root: service_account.root,
        keys: vec![ClientKey::parse(&jwk).expect("a key")],
        token_endpoint_audience: true,
        not_before: Some(NOW),
        version: 1,
    }
}

pub(crate) async fn a_client_is_found_with_the_rows_that_decide(backend: &dyn Backend) {
    let (store, draw) = (backend.store(), Draw::new());
    let root = draw.organization(&*store).await.account;
    let (below, _) = draw.stored_sub_account(&*store, root.id).await;
    assert!(store.find_client("sa_client_unknown").await.expect("a read").is_none());
    for (account, parent) in [(&root, None), (&below, Some(&root))] {
        let service_account = client(&*store, &draw, account).await;
        let found = store.find_client(&service_account.client_id).await.expect("a read");
        let found = found.expect("the client");
        assert!(found.settings.is_none());
        assert_eq!(found.service_account.open(&draw.secrets).expect("its seal"), service_account);
        let open = |row: tenantry_core::secrets::Unverified<Account>| row.open(&draw.secrets);
        let own = open(found.account.expect("its account")).expect("its seal");
        assert_eq!(own, *account);
        let above = found.parent.map(|row| open(row).expect("its seal"));
        assert_eq!(above.as_ref(), parent);
        assert_eq!(found.head.revision.shard, shard_of(root.id));

        let settings = settings(&service_account);
        let change = Change::new(&draw.rng, root.id, [Subject::Account(root.id)]);
        let commit = Commit::changing(draw.seal(draw.event(root.id)), change);
        let saved = store.save_client_settings(&draw.seal(settings.clone()), commit).await;
        let saved = saved.expect("stored").expect("a log row");
        let found = store.find_client(&service_account.client_id).await.expect("a read");
        let found = found.expect("the client");
        assert_eq!(found.head.revision, saved);
        let stored = found.settings.expect("settings").open(&draw.secrets).expect("their seal");
        assert_eq!(stored, settings);
    }
}

pub(crate) async fn settings_are_replaced_by_their_next_version_only(backend: &dyn Backend) {
    let (store, draw) = (backend.store(), Draw::new());
    let root = draw.organization(&*store).await.account;
    let other = draw.organization(&*store).await.account;
    let service_account = client(&*store, &draw, &root).await;
    let first = settings(&service_account);
    let save = async |settings: &ClientSettings| {
        store.save_client_settings(&draw.seal(settings.clone()), draw.commit(root.id)).await
    };
    let second = ClientSettings {
        keys: Vec::new(),
        token_endpoint_audience: false,
        not_before: None,
        version: 2,
        ..first.clone()
    };
    let refused = |outcome| matches!(outcome, Err(Error::Conflict(Conflict::Changed)));
    assert!(refused(save(&second).await.map(drop)));
    save(&first).await.expect("stored");
    assert!(refused(save(&first).await.map(drop)));
    let moved = ClientSettings { root: other.id, ..second.clone() };
    assert!(refused(save(&moved).await.map(drop)));
    save(&second).await.expect("replaced");
    assert!(refused(save(&second).await.map(drop)));
    let find = async |root| store.find_client_settings(root, service_account.id).await;
    let found = find(root.id).await.expect("a read").expect("settings");
    assert_eq!(found.open(&draw.secrets).expect("their seal"), second);
    assert!(find(other.id).await.expect("a read").is_none());
}

pub(crate) async fn a_token_is_revoked_once_and_forgotten_in_time(backend: &dyn Backend) {
    let (store, draw) = (backend.store(), Draw::new());
    let root = draw.organization(&*store).await.account.id;
    let end = NOW.plus(Duration::from_mins(10));
    let events = backend.audit_events().len();
    let token = |byte| RevokedToken { tag: Tag::from_bytes([byte; 32]), root, expires_at: end };
    let revoke = async |byte: u8| {
        let token = token(byte);
        let change = Change::new(&draw.rng, root, [Subject::Credential(token.tag)]);
        let commit = Commit::changing(draw.seal(draw.event(root)), change);
        store.insert_revoked_token(&token, commit).await
    };
    let find = async |byte| store.find_revocation(root, &token(byte).tag).await.expect("a read");
    let revoked = async |byte| find(byte).await.1;
    assert!(!revoked(1).await);
    let revision = revoke(1).await.expect("stored").expect("a log row");
    assert_eq!(revision.shard, shard_of(root));
    assert!(revoked(1).await && !revoked(2).await);
    assert_eq!(find(1).await.0, store.find_head(root).await.expect("a read"));
    assert_eq!(find(2).await.0.revision, revision);
    let again = revoke(1).await;
    assert!(matches!(again, Err(Error::Conflict(Conflict::Taken))));
    assert_eq!(backend.audit_events().len(), events + 1);
    for byte in 2..5 {
        revoke(byte).await.expect("stored");
    }
    let before = Timestamp::from_micros(end.micros() - 1);
    assert_eq!(store.sweep_tokens(before, 10).await.expect("swept"), 0);
    assert_eq!(store.sweep_tokens(end, 3).await.expect("swept"), 3);
    assert_eq!(store.sweep_tokens(end, 3).await.expect("swept"), 1);
    assert!(!revoked(1).await && !revoked(4).await);
}

pub(crate) async fn an_assertion_is_used_once_while_it_holds(backend: &dyn Backend) {
    let (store, _) = (backend.store(), Draw::new());
    let until = NOW.plus(Duration::from_mins(5));
    let tag = Tag::from_bytes([9; 32]);
    let events = backend.audit_events().len();
    let mut tasks = JoinSet::new();
    for _ in 0..20 {
        let store = store.clone();
        tasks.spawn(async move { store.insert_used_assertion(&tag, until, NOW).await });
    }
    let outcomes = tasks.join_all().await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    let taken = |outcome: &Result<_, Error>| {
        matches!(outcome, Ok(()) | Err(Error::Conflict(Conflict::Taken)))
    };
    assert!(outcomes.iter().all(taken));
    assert_eq!(backend.audit_events().len(), events);
    // One that is over makes room, swept or not.
    let later = until.plus(Duration::from_mins(5));
    store.insert_used_assertion(&tag, later, until).await.expect("stored");
    assert!(store.insert_used_assertion(&tag, later, until).await.is_err());
    assert_eq!(store.sweep_tokens(until, 10).await.expect("swept"), 0);
    assert_eq!(store.sweep_tokens(later, 10).await.expect("swept"), 1);
    store.insert_used_assertion(&tag, later, until).await.expect("stored");
}
