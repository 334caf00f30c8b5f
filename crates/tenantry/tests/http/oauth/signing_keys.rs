//! Signing keys: published before they sign and after, rotated by command and by age; what is
//! published about them.

use crate::support::{Settings, TestApp, claims_of};
use serde_json::{Value, json};
use std::collections::{BTreeSet, VecDeque};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;
use tenantry_core::oauth::SigningAlgorithm;
use tenantry_core::plane::Policy;

const ROTATIONS: usize = 20;
/// Tokens that are asked for at the same time.
const AT_ONCE: usize = 5;
/// For how long the published keys may be kept.
const JWKS_MINUTES: usize = 5;

async fn kids(app: &TestApp) -> Vec<String> {
    let reply = app.stranger().get("/oauth2/jwks.json").await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("content-type"), "application/jwk-set+json");
    assert_eq!(reply.header("cache-control"), "public, max-age=300");
    let keys = reply.json["keys"].as_array().expect("keys").iter();
    keys.map(|key| key["kid"].as_str().expect("a kid").to_owned()).collect()
}

fn kid_of(token: &str) -> String {
    claims_of(token).0["kid"].as_str().expect("a kid").to_owned()
}

#[tokio::test]
async fn the_next_key_is_published_before_it_signs_and_the_last_one_after() {
    let app = TestApp::start().await;
    let machine = app.machine(&app.organization.account_id).await;
    let first = kids(&app).await;
    assert_eq!(first.len(), 1);
    let rotated = app.operator().post("/operator/signing-keys", json!({})).await;
    assert_eq!(rotated.status, 201, "{}", rotated.text);
    assert_eq!(rotated.text_at("/data/0/state"), "next");
    assert_eq!(rotated.text_at("/data/0/signs_from"), "2025-07-10T14:45:00.123456Z");
    assert_eq!(rotated.text_at("/data/1/signs_until"), "2025-07-10T14:45:00.123456Z");
    let both = kids(&app).await;
    assert_eq!((both.len(), &both[1]), (2, &first[0]));
    let again = app.operator().post("/operator/signing-keys", json!({})).await;
    assert_eq!((again.refusal().0, again.text_at("/code")), (409, "key_pending"));

    app.advance(599);
    let last = app.access_token(&machine).await;
    assert_eq!(kid_of(&last), both[1]);
    app.advance(1);
    assert_eq!(kid_of(&app.access_token(&machine).await), both[0]);
    assert_eq!(app.introspect(&app.owner(), &last).await["active"], true);
    app.advance(598);
    assert_eq!(app.introspect(&app.owner(), &last).await["active"], true, "to its end");
    assert_eq!(kids(&app).await, both);
    app.advance(120);
    assert_eq!(kids(&app).await, both[..1]);
    let shown = app.operator().get("/operator/signing-keys").await;
    assert_eq!(shown.json["data"].as_array().map(Vec::len), Some(1));
    app.plane.keep_signing_keys().await.expect("kept");
    assert_eq!(app.count("SELECT count(*) FROM signing_keys"), 1);
}

/// F31. Tokens are asked for and looked at all the time, while keys are rotated and after; whoever
/// verifies them has read the published keys as long ago as may be. Where `TENANTRY_TEST_ROTATIONS`
/// names a file, all tokens that live are noted there minute by minute, with those keys:
/// `cargo xtask clients` has jose and jwcrypto verify them. Seen failing with keys that sign four
/// minutes after they are published.
#[tokio::test]
async fn of_twenty_rotations_under_load_no_token_is_refused() {
    let mut notes = String::new();
    let app = TestApp::start().await;
    let machine = app.machine(&app.organization.account_id).await;
    let mut alive: Vec<(i64, String)> = Vec::new();
    let mut signers = BTreeSet::new();
    let first = app.stranger().get("/oauth2/jwks.json").await.json;
    let mut published = VecDeque::from(vec![first; JWKS_MINUTES]);
    for minute in 0..10 * (ROTATIONS + 1) {
        let (owner, operator, stranger) = (app.owner(), app.operator(), app.stranger());
        let tokens = (0..AT_ONCE).map(|_| app.access_token(&machine));
        let introspections = alive.iter().map(|(_, token)| app.introspect(&owner, token));
        let (rotated, tokens, told, keys) = futures_util::join!(
            async {
                // The one before has just begun to sign.
                let due = minute % 10 == 0 && minute < 10 * ROTATIONS;
                if due {
                    Some(operator.post("/operator/signing-keys", json!({})).await)
                } else {
                    None
                }
            },
            futures_util::future::join_all(tokens),
            futures_util::future::join_all(introspections),
            stranger.get("/oauth2/jwks.json"),
        );
        assert!(rotated.is_none_or(|rotated| rotated.status == 201), "minute {minute}");
        assert!(told.iter().all(|told| told["active"] == true), "minute {minute}");
        let now = app.now();
        let kept = published.pop_front().expect("keys of five minutes ago");
        published.push_back(keys.json);
        for token in tokens {
            let kid = kid_of(&token);
            let known = kept["keys"]
                .as_array()
                .is_some_and(|keys| keys.iter().any(|key| key["kid"] == kid));
            assert!(known, "minute {minute}");
            signers.insert(kid);
            alive.push((now + 600, token));
        }
        let texts: Vec<&str> = alive.iter().map(|(_, token)| &**token).collect();
        writeln!(notes, "{}", json!({ "now": now, "keys": kept, "tokens": texts }))
            .expect("strings take every write");
        app.advance(60);
        alive.retain(|(end, _)| now + 60 < *end);
        app.plane.keep_signing_keys().await.expect("kept");
    }
    if let Some(file) = std::env::var_os("TENANTRY_TEST_ROTATIONS") {
        std::fs::write(file, notes).expect("written");
    }
    assert_eq!(signers.len(), ROTATIONS + 1);
    assert!(app.count("SELECT count(*) FROM signing_keys") <= 4);
}

#[tokio::test]
async fn a_key_gets_a_successor_when_it_has_its_age() {
    let policy = Policy { signing_key_age: Duration::from_hours(24), ..Policy::default() };
    let app = TestApp::start_with(Settings { policy, ..Settings::default() }).await;
    app.plane.keep_signing_keys().await.expect("kept");
    assert_eq!(kids(&app).await.len(), 1);
    app.advance(24 * 3600 - 1);
    app.plane.keep_signing_keys().await.expect("kept");
    assert_eq!(kids(&app).await.len(), 1);
    app.advance(1);
    for _ in 0..3 {
        app.plane.keep_signing_keys().await.expect("kept");
        assert_eq!(kids(&app).await.len(), 2);
    }
    let made = "SELECT count(*) FROM audit_events WHERE action = 'signing_key.created'
                AND actor_kind = 'plane'";
    assert_eq!(app.count(made), 2);
}

#[tokio::test]
async fn each_algorithm_signs_what_its_own_key_verifies() {
    for (algorithm, kind) in [
        (SigningAlgorithm::Es256, "EC"),
        (SigningAlgorithm::EdDsa, "OKP"),
        (SigningAlgorithm::Rs256, "RSA"),
    ] {
        let policy = Policy { signing_algorithm: algorithm, ..Policy::default() };
        let app = TestApp::start_with(Settings { policy, ..Settings::default() }).await;
        let machine = app.machine(&app.organization.account_id).await;
        let token = app.access_token(&machine).await;
        assert_eq!(claims_of(&token).0["alg"], algorithm.as_str());
        assert_eq!(app.introspect(&app.owner(), &token).await["active"], true);
        let jwks = app.stranger().get("/oauth2/jwks.json").await;
        let key = &jwks.json["keys"][0];
        assert_eq!((&key["kty"], &key["alg"]), (&json!(kind), &json!(algorithm.as_str())));
        assert_eq!(key["use"], "sig");
        for private in ["d", "p", "q", "dp", "dq", "qi", "k"] {
            assert!(key.get(private).is_none());
        }
    }
}

#[tokio::test]
async fn nodes_that_start_at_once_agree_on_one_first_key() {
    let app = TestApp::start().await;
    let plane = Arc::clone(&app.plane);
    let lists = (0..8).map(|_| plane.list_public_keys());
    for keys in futures_util::future::join_all(lists).await {
        assert_eq!(keys.expect("keys").len(), 1);
    }
    assert_eq!(app.count("SELECT count(*) FROM signing_keys"), 1);
}

#[tokio::test]
async fn case_100_a_signing_key_that_somebody_wrote_signs_and_verifies_nothing() {
    for change in [
        "UPDATE signing_keys SET kid = 'mine'",
        "UPDATE signing_keys SET algorithm = 'EdDSA'",
        "UPDATE signing_keys SET signs_from = signs_from + 1",
        "UPDATE signing_keys SET sealed_key = row_mac",
    ] {
        let app = TestApp::start().await;
        let machine = app.machine(&app.organization.account_id).await;
        let token = app.access_token(&machine).await;
        assert_eq!(app.edit(change), 1);
        // Until they are read again nobody sees it; then another key takes its place.
        app.advance(61);
        let next = app.access_token(&machine).await;
        assert_ne!(kid_of(&next), kid_of(&token), "{change}");
        assert_eq!(app.introspect(&app.owner(), &next).await["active"], true);
        let published = kids(&app).await;
        assert_eq!(published, [kid_of(&next)], "{change}");
    }
    // A client's keys that somebody wrote are not believed, nor anything else of the client.
    let app = TestApp::start().await;
    let machine = app.machine(&app.organization.account_id).await;
    let pair = crate::support::ClientKeyPair::of("ES256");
    app.register(&machine, &[pair.jwk()]).await;
    assert_eq!(app.edit("UPDATE client_settings SET version = 7"), 1);
    let claims = app.assertion_claims(&machine, "1");
    let assertion = pair.jwt(&json!({ "alg": "ES256" }), &claims);
    assert_eq!(app.ask_with_assertion(&assertion).await.refusal().0, 401);
}

#[tokio::test]
async fn private_keys_are_sealed_in_the_store() {
    let app = TestApp::start().await;
    let machine = app.machine(&app.organization.account_id).await;
    app.access_token(&machine).await;
    let sealed = app.bytes("SELECT sealed_key FROM signing_keys");
    // What every PKCS #8 key of P-256 has in it: the object identifiers of RFC 5480.
    let curve = [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
    assert!(!sealed.windows(curve.len()).any(|window| window == curve));
}

#[tokio::test]
async fn the_metadata_names_what_is_there() {
    let app = TestApp::start().await;
    let server = app.stranger().get("/.well-known/oauth-authorization-server").await;
    assert_eq!(server.status, 200);
    let text = |name: &str| server.text_at(&format!("/{name}")).to_owned();
    assert_eq!(text("issuer"), "http://localhost");
    for (name, method) in [
        ("token_endpoint", "POST"),
        ("introspection_endpoint", "POST"),
        ("revocation_endpoint", "POST"),
        ("jwks_uri", "GET"),
    ] {
        let url = text(name);
        let path = url.strip_prefix("http://localhost").expect("below the issuer");
        let method = method.parse().expect("a method");
        let status = app.stranger().send(method, path, Vec::new()).await.status;
        assert!([200, 401].contains(&status.as_u16()), "{name} {status}");
    }
    assert_eq!(server.json["grant_types_supported"], json!(["client_credentials"]));
    assert_eq!(
        server.json["token_endpoint_auth_methods_supported"],
        json!(["client_secret_basic", "client_secret_post", "private_key_jwt"])
    );
    let resource = app.stranger().get("/.well-known/oauth-protected-resource").await;
    let expected: Value = json!({
        "resource": "http://localhost", "authorization_servers": ["http://localhost"],
        "bearer_methods_supported": ["header"], "resource_name": "Tenantry",
    });
    assert_eq!(resource.json, expected);
}
