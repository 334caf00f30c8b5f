//! Admin JWTs: header and claims from anybody, and edits of a token that was issued.

use crate::fuzz;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::sync::Arc;
use tenantry_backends::sqlite::{SqliteOptions, SqliteStore};
use tenantry_core::Plane;
use tenantry_core::accounts::NewOrganization;
use tenantry_core::actor::{Actor, Context, OperatorActor};
use tenantry_core::clock::{Clock as _, ManualClock, Timestamp};
use tenantry_core::plane::{Parts, Policy};
use tenantry_core::realms::{NewToken, Realms};
use tenantry_core::replay::Once;
use tenantry_core::rng::SeededRng;
use tenantry_core::secrets::{Secrets, SecretsMaterial};
use tenantry_core::text::{Line, Name};

/// A plane on a store, and a token that it issued.
fn plane() -> (tempfile::TempDir, Plane, String) {
    let folder = tempfile::tempdir().expect("a directory");
    let clock = Arc::new(ManualClock::at(Timestamp::from_seconds(1_752_158_100)));
    let rng = Arc::new(SeededRng::new(7));
    let material = SecretsMaterial::generate(&*rng).expect("secrets");
    let store = SqliteStore::open(&SqliteOptions::new(folder.path(), clock.now()));
    let plane = Plane::new(Parts {
        meters: None,
        database_servers: None,
        store: Arc::new(store.expect("a store")),
        clock,
        rng,
        secrets: Secrets::new(&material),
        realms: Realms::new(&material, false, Vec::new()).expect("the built-in realm"),
        policy: Policy { cache_entries: 100, ..Policy::default() },
    });
    let operator = Context {
        actor: Actor::Operator(OperatorActor { organization: None }),
        request_id: "fuzz".into(),
        address: None,
    };
    let organization = NewOrganization {
        name: Name::parse("o").expect("a name"),
        member_name: Name::parse("n").expect("a name"),
        member_email: Line::parse("e@example.com").expect("a line"),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let token = runtime.block_on(async {
        let created =
            plane.initialize(&operator, organization, Once::unkept()).await.expect("created");
        let new = NewToken {
            tenant: created.account.id,
            role: Name::parse("tenant_admin").expect("a role"),
            member: None,
            lifetime: std::time::Duration::from_mins(10),
        };
        plane.issue_local_token(&operator, new).await.expect("issued").reveal().to_owned()
    });
    (folder, plane, token)
}

#[test]
fn tokens() {
    let (_folder, plane, issued) = plane();
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let admits = |plane: &Plane, token: &str| {
        runtime.block_on(plane.authenticate_member(token, None, None)).is_ok()
    };
    assert!(admits(&plane, &issued));
    let admits = std::panic::AssertUnwindSafe(|token: &str| admits(&plane, token));
    let parts: Vec<&str> = issued.split('.').collect();
    fuzz("tokens", 1, |input| {
        let text = String::from_utf8_lossy(input);
        let refused = |token: &str| {
            let admitted = admits(token);
            assert!(!admitted || token == issued, "admitted: {token}");
        };
        refused(&text);
        // Header and claims of the input's, under the signature of the issued token; each half of
        // the issued token with the other half of the input's.
        let (header, claims) = text.split_once('\n').unwrap_or((&text, "{}"));
        let [header, claims] = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part));
        refused(&format!("{header}.{claims}.{}", parts[2]));
        refused(&format!("{}.{claims}.{}", parts[0], parts[2]));
        refused(&format!("{header}.{}.{}", parts[1], parts[2]));
        refused(&format!("{header}.{claims}.{header}"));
        refused(&format!("{}.{}.{header}", parts[0], parts[1]));
        // One byte of the issued token changed.
        if let [at, byte, ..] = input {
            let mut bytes = issued.clone().into_bytes();
            let at = (usize::from(*at) * 7) % bytes.len();
            bytes[at] ^= (byte & 0x7f).max(1);
            if let Ok(changed) = String::from_utf8(bytes) {
                refused(&changed);
            }
        }
    });
}
