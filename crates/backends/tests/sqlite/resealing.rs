//! What was sealed under a key-encryption key, on a plane that has another one now.

use crate::options;
use crate::support::{Draw, NOW};
use aws_lc_rs::hmac;
use std::path::Path;
use std::sync::Arc;
use tenantry_backends::sqlite::SqliteStore;
use tenantry_core::Plane;
use tenantry_core::actor::{Actor, Context, OperatorActor};
use tenantry_core::clock::ManualClock;
use tenantry_core::ids::AccountId;
use tenantry_core::keys::{ImportedHash, NewImport};
use tenantry_core::permissions::PermissionSet;
use tenantry_core::plane::{Parts, Policy};
use tenantry_core::realms::Realms;
use tenantry_core::replay::Once;
use tenantry_core::rng::SeededRng;
use tenantry_core::secrets::foreign::{FastHash, HmacKey};
use tenantry_core::secrets::{Resealed, Secrets, SecretsMaterial};
use tenantry_core::text::Metadata;
use tenantry_core::verify::{Asked, Code, Question, Verifier};

/// An organization's key as another system gave it out.
const FOREIGN: &str = "other_0123456789abcdef";

fn plane(directory: &Path, material: &SecretsMaterial, seed: u64) -> Plane {
    Plane::new(Parts {
        database_servers: None,
        meters: None,
        store: Arc::new(SqliteStore::open(&options(directory)).expect("a store")),
        clock: Arc::new(ManualClock::at(NOW)),
        rng: Arc::new(SeededRng::new(seed)),
        secrets: Secrets::new(material),
        realms: Realms::new(material, false, Vec::new()).expect("the built-in realm"),
        policy: Policy::default(),
    })
}

fn operator(organization: Option<AccountId>) -> Context {
    let actor = Actor::Operator(OperatorActor { organization });
    Context { actor, request_id: "rotation".into(), address: None }
}

async fn kids(plane: &Plane) -> Vec<Box<str>> {
    let keys = plane.list_signing_keys(&operator(None)).await.expect("the keys");
    keys.into_iter().map(|key| key.kid).collect()
}

async fn code(plane: &Plane) -> Code {
    let question = Question::of(Asked::Key(FOREIGN));
    plane.verify(Verifier::operator(None), &question).await.expect("a verdict").code
}

async fn import(plane: &Plane, root: AccountId) {
    let secret = b"another system's own key";
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    let digest = hmac::sign(&key, FOREIGN.as_bytes()).as_ref().try_into().expect("32 bytes");
    let secret = HmacKey::parse("YW5vdGhlciBzeXN0ZW0ncyBvd24ga2V5").expect("a key");
    let new = NewImport {
        account: Some(root),
        name: None,
        permissions: PermissionSet::parse(["*:*"]).expect("permissions"),
        expires_at: None,
        allowed_ips: Vec::new(),
        metadata: Metadata::empty(),
        start: None,
        hash: ImportedHash::Fast(FastHash::HmacSha256(digest, secret)),
    };
    let made = plane.import_keys(&operator(Some(root)), vec![new], Once::unkept()).await;
    made.expect("imported").remove(0).expect("a key");
}

#[tokio::test]
async fn what_was_sealed_anew_opens_without_the_key_of_before() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut material = SecretsMaterial::generate(&SeededRng::new(7)).expect("secrets");
    // Draws with the same seed, and so with the same secrets.
    let draw = Draw::new();
    let store = SqliteStore::open(&options(directory.path())).expect("a store");
    let root = draw.organization(&store).await.account.id;
    drop(store);
    let before = plane(directory.path(), &material, 1);
    before.keep_signing_keys().await.expect("made");
    import(&before, root).await;
    let published = kids(&before).await;
    assert_eq!((published.len(), code(&before).await), (1, Code::Valid));
    // Nothing is to be done where there is one key.
    let nothing = Resealed::default();
    assert_eq!(before.reseal_values(&operator(None)).await.expect("done"), nothing);
    drop(before);

    material.add_key_encryption_key(&SeededRng::new(2)).expect("in turn");
    material.promote_key_encryption_key().expect("in turn");
    let promoted = plane(directory.path(), &material, 2);
    assert_eq!((kids(&promoted).await, code(&promoted).await), (published.clone(), Code::Valid));
    drop(promoted);

    // A plane that has the new key alone too early finds what it cannot open, and leaves it.
    let old = material.further_key_encryption_keys.pop().expect("the one before");
    let early = plane(directory.path(), &material, 3);
    assert_ne!(code(&early).await, Code::Valid);
    let unreadable = Resealed { resealed: 0, unreadable: 2 };
    assert_eq!(early.reseal_values(&operator(None)).await.expect("done"), unreadable);
    drop(early);
    material.further_key_encryption_keys.push(old);

    let promoted = plane(directory.path(), &material, 4);
    let both = Resealed { resealed: 2, unreadable: 0 };
    assert_eq!(promoted.reseal_values(&operator(None)).await.expect("done"), both);
    assert_eq!(promoted.reseal_values(&operator(None)).await.expect("done"), nothing);
    drop(promoted);

    material.retire_key_encryption_keys().expect("in turn");
    let retired = plane(directory.path(), &material, 5);
    assert_eq!((kids(&retired).await, code(&retired).await), (published, Code::Valid));
}
