//! `RealmStore`.

use crate::backend::Backend;
use crate::support::{Draw, NOW};
use std::time::Duration;
use tenantry_core::error::{Conflict, Error};
use tenantry_core::ids::{AccountId, RealmId};
use tenantry_core::json;
use tenantry_core::oauth::{ClientKey, SigningAlgorithm};
use tenantry_core::realms::{ClaimPaths, OwnKeys, OwnRealm, Preset, RealmSettings};
use tenantry_core::text::Name;
use tokio::task::JoinSet;

fn realm(draw: &Draw, root: AccountId, name: &str, keys: OwnKeys) -> OwnRealm {
    let preset = Preset::Keycloak;
    let claims = ClaimPaths { roles: preset.roles(), name: preset.name(), email: preset.email() };
    OwnRealm {
        id: RealmId::generate(&draw.rng, NOW),
        root,
        settings: RealmSettings {
            name: Name::parse(name).expect("a name"),
            issuer: format!("https://id.example.com/{name}").into(),
            audience: "tenantry é".into(),
            keys,
            algorithms: vec![SigningAlgorithm::Rs256, SigningAlgorithm::Es256],
            claims,
            lifetime_max: Duration::from_mins(5),
        },
        created_at: NOW,
    }
}

fn given() -> OwnKeys {
    let jwk = r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
    let jwk = json::parse(jwk.as_bytes()).expect("JSON");
    OwnKeys::Given(vec![ClientKey::parse(&jwk).expect("a key")])
}

pub(crate) async fn a_realm_is_found_by_its_issuer(backend: &dyn Backend) {
    let (store, draw) = (backend.store(), Draw::new());
    let root = draw.organization(&*store).await.account.id;
    let other = draw.organization(&*store).await.account.id;
    let url = OwnKeys::At("https://id.example.com/keys".into());
    let mut made = Vec::new();
    for (name, keys) in [("a", OwnKeys::Discovered), ("b", url), ("c", given())] {
        let realm = realm(&draw, root, name, keys);
        let sealed = draw.seal(realm.clone());
        store.insert_realm(&sealed, 10, draw.commit(root)).await.expect("stored");
        made.push(realm);
    }
    for realm in &made {
        let found = store.find_realm_by_issuer(&realm.settings.issuer).await.expect("a read");
        assert_eq!(found.expect("the realm").open(&draw.secrets).expect("its seal"), *realm);
    }
    assert!(
        store.find_realm_by_issuer("https://id.example.com/A").await.expect("a read").is_none()
    );
    let list = async |root, limit| {
        let rows = store.list_realms(root, limit).await.expect("a list");
        let open = |(id, row): ([u8; 16], tenantry_core::Result<_>)| {
            let row: tenantry_core::secrets::Unverified<OwnRealm> = row.expect("readable");
            let realm = row.open(&draw.secrets).expect("its seal");
            assert_eq!(*realm.id.as_bytes(), id);
            realm
        };
        rows.into_iter().map(open).collect::<Vec<_>>()
    };
    let mut sorted = made.clone();
    sorted.sort_by_key(|realm| realm.id);
    assert_eq!(list(root, 10).await, sorted);
    assert_eq!(list(root, 2).await, sorted[..2]);
    assert_eq!(list(other, 10).await, []);
}

pub(crate) async fn issuers_are_unique_and_names_within_an_organization(backend: &dyn Backend) {
    let (store, draw) = (backend.store(), Draw::new());
    let root = draw.organization(&*store).await.account.id;
    let other = draw.organization(&*store).await.account.id;
    let insert = async |realm: &OwnRealm| {
        store.insert_realm(&draw.seal(realm.clone()), 10, draw.commit(realm.root)).await
    };
    insert(&realm(&draw, root, "a", OwnKeys::Discovered)).await.expect("stored");
    let taken = |outcome| matches!(outcome, Err(Error::Conflict(Conflict::Taken)));
    // The same issuer, wherever.
    let mut same = realm(&draw, other, "a", OwnKeys::Discovered);
    assert!(taken(insert(&same).await.map(drop)));
    // The same name elsewhere.
    same.settings.issuer = "https://elsewhere.example.com".into();
    insert(&same).await.expect("stored");
    // The same name here.
    let mut named = realm(&draw, root, "a", OwnKeys::Discovered);
    named.settings.issuer = "https://third.example.com".into();
    assert!(taken(insert(&named).await.map(drop)));
}

pub(crate) async fn of_many_realms_at_once_the_last_reaches_the_maximum(backend: &dyn Backend) {
    let (store, draw) = (backend.store(), Draw::new());
    let root = draw.organization(&*store).await.account.id;
    let events = backend.audit_events().len();
    let mut tasks = JoinSet::new();
    for number in 0..10 {
        let store = store.clone();
        let sealed = draw.seal(realm(&draw, root, &format!("r{number}"), OwnKeys::Discovered));
        let commit = draw.commit(root);
        tasks.spawn(async move { store.insert_realm(&sealed, 3, commit).await });
    }
    let outcomes = tasks.join_all().await;
    let reached =
        |outcome: &&Result<_, Error>| matches!(outcome, Err(Error::LimitReached { max: 3, .. }));
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 3);
    assert_eq!(outcomes.iter().filter(reached).count(), 7);
    assert_eq!(backend.audit_events().len(), events + 3);
}

pub(crate) async fn a_realm_is_deleted_once_and_by_its_own_organization(backend: &dyn Backend) {
    let (store, draw) = (backend.store(), Draw::new());
    let root = draw.organization(&*store).await.account.id;
    let other = draw.organization(&*store).await.account.id;
    let realm = realm(&draw, root, "a", given());
    store.insert_realm(&draw.seal(realm.clone()), 10, draw.commit(root)).await.expect("stored");
    let changed = |outcome| matches!(outcome, Err(Error::Conflict(Conflict::Changed)));
    let delete = async |root| store.delete_realm(root, realm.id, draw.commit(root)).await;
    assert!(changed(delete(other).await.map(drop)));
    delete(root).await.expect("deleted");
    assert!(store.find_realm_by_issuer(&realm.settings.issuer).await.expect("a read").is_none());
    assert!(changed(delete(root).await.map(drop)));
}
