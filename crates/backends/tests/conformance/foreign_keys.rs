//! Keys that were taken over from other systems.

use crate::backend::Backend;
use crate::support::Draw;
use tenantry_core::accounts::Account;
use tenantry_core::commit::{Change, Commit, Subject};
use tenantry_core::credentials::Credential;
use tenantry_core::error::{Conflict, Error};
use tenantry_core::keys::{ForeignHash, ForeignKind, ImportedRows};
use tenantry_core::rng;
use tenantry_core::secrets::Tag;
use tenantry_core::secrets::foreign::SlowHash;

const BCRYPT: &str = "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";

fn kind(word: &'static str, id: u8, key: &[u8]) -> ForeignKind {
    ForeignKind { word, key_id: [id; 16], sealed_key: key.to_vec() }
}

/// A key with a slow hash.
fn slow(draw: &Draw, account: &Account) -> (Credential, ForeignHash, ImportedRows) {
    let key = draw.key(account);
    let hash = ForeignHash {
        look_up: Tag::from_bytes(rng::draw(&draw.rng)),
        credential: key.id,
        root: account.root(),
        hash: SlowHash::parse("bcrypt", BCRYPT).expect("a hash"),
    };
    let rows = (draw.seal(key.clone()), Some(draw.seal(hash.clone())), draw.commit(account.root()));
    (key, hash, rows)
}

pub(crate) async fn a_key_is_stored_with_its_slow_hash(backend: &dyn Backend) {
    let (store, draw) = (backend.store(), Draw::new());
    let account = draw.organization(&*store).await.account;
    let (key, hash, rows) = slow(&draw, &account);
    assert!(store.find_foreign_hash(&hash.look_up).await.expect("a read").is_none());
    store.insert_foreign_keys(vec![rows], vec![kind("slow", 0, b"")]).await.expect("stored");
    let found = store.find_foreign_hash(&hash.look_up).await.expect("a read").expect("it");
    assert_eq!(found.open(&draw.secrets).expect("its seal"), hash);
    let found = store.find_credential_by_tag(&key.tag).await.expect("a read").expect("it");
    assert_eq!(found.credential.open(&draw.secrets).expect("its seal"), key);
}

pub(crate) async fn kinds_are_listed_once_each(backend: &dyn Backend) {
    let (store, draw) = (backend.store(), Draw::new());
    let account = draw.organization(&*store).await.account;
    assert_eq!(store.list_foreign_kinds().await.expect("a read"), []);
    let (first, second) = (kind("hmac-sha256", 1, b"one"), kind("hmac-sha256", 2, b"two"));
    let sha = kind("sha256", 0, b"");
    for kinds in [vec![second.clone()], vec![first.clone(), sha.clone(), second.clone()], vec![]] {
        let rows = (draw.seal(draw.key(&account)), None, draw.commit(account.id));
        store.insert_foreign_keys(vec![rows], kinds).await.expect("stored");
    }
    assert_eq!(store.list_foreign_kinds().await.expect("a read"), [first, second, sha]);
}

pub(crate) async fn the_sealed_key_of_one_kind_is_replaced(backend: &dyn Backend) {
    let (store, draw) = (backend.store(), Draw::new());
    let account = draw.organization(&*store).await.account;
    let kinds = [kind("hmac-sha256", 1, b"one"), kind("hmac-sha256", 2, b"two")];
    let rows = (draw.seal(draw.key(&account)), None, draw.commit(account.id));
    store.insert_foreign_keys(vec![rows], kinds.to_vec()).await.expect("stored");
    for resealed in [kind("hmac-sha256", 2, b"resealed"), kind("hmac-sha256", 3, b"of none")] {
        store.update_foreign_kind(&resealed).await.expect("updated");
    }
    let expected = [kinds[0].clone(), kind("hmac-sha256", 2, b"resealed")];
    assert_eq!(store.list_foreign_kinds().await.expect("a read"), expected);
}

pub(crate) async fn keys_are_taken_over_together_or_not_at_all(backend: &dyn Backend) {
    let (store, draw) = (backend.store(), Draw::new());
    let account = draw.organization(&*store).await.account;
    let before = backend.audit_events().len();
    let (_, hash, rows) = slow(&draw, &account);
    let (key, mut other, _) = slow(&draw, &account);
    other.look_up = hash.look_up;
    let clash = (draw.seal(key.clone()), Some(draw.seal(other)), draw.commit(account.id));
    let refused = store.insert_foreign_keys(vec![rows, clash], vec![kind("slow", 0, b"")]).await;
    assert!(matches!(refused, Err(Error::Conflict(Conflict::Taken))));
    assert!(store.find_foreign_hash(&hash.look_up).await.expect("a read").is_none());
    assert!(store.find_credential_by_tag(&key.tag).await.expect("a read").is_none());
    assert_eq!(store.list_foreign_kinds().await.expect("a read"), []);
    assert_eq!(backend.audit_events().len(), before);
}

pub(crate) async fn adopting_a_key_forgets_its_slow_hash(backend: &dyn Backend) {
    let (store, draw) = (backend.store(), Draw::new());
    let account = draw.organization(&*store).await.account;
    let (key, hash, rows) = slow(&draw, &account);
    store.insert_foreign_keys(vec![rows], vec![]).await.expect("stored");
    let tag = Tag::from_bytes(rng::draw(&draw.rng));
    let adopted = Credential { tag, version: key.version + 1, ..key.clone() };
    let commit = || {
        let change = Change::new(&draw.rng, account.id, [Subject::Credential(tag)]);
        Commit::changing(draw.seal(draw.event(account.id)), change)
    };
    let sealed = draw.seal(adopted.clone());
    store.adopt_foreign_key(&sealed, &hash.look_up, commit()).await.expect("adopted");
    assert!(store.find_foreign_hash(&hash.look_up).await.expect("a read").is_none());
    let found = store.find_credential_by_tag(&tag).await.expect("a read").expect("it");
    assert_eq!(found.credential.open(&draw.secrets).expect("its seal"), adopted);
    assert!(store.find_credential_by_tag(&key.tag).await.expect("a read").is_none());
    // Whoever was slower changes nothing.
    let refused = store.adopt_foreign_key(&sealed, &hash.look_up, commit()).await;
    assert!(matches!(refused, Err(Error::Conflict(Conflict::Changed))));
}
