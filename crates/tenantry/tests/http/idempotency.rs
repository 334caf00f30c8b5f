//! `Idempotency-Key`: a request that is sent again has the same outcome (cases 61 to 63 of
//! docs/design/security.md, fault F3).

use crate::support::{Client, Reply, Settings, TestApp, realm_body};
use axum::http::StatusCode;
use futures_util::FutureExt as _;
use futures_util::future::join_all;
use serde_json::{Value, json};
use std::cell::RefCell;
use std::collections::HashMap;
use tenantry_core::plane::Policy;
use tenantry_http::{Effect, ROUTES};

const HEADER: &str = "idempotency-key";
const KEY: &str = "9b2d7c1e-4f60-4c3a-8a55-0d1e2f3a4b5c";
const OTHER: &str = "another-key-of-30-characters!!";

/// An app whose organization may have many of everything.
async fn start() -> TestApp {
    let policy = Policy { realms_max: 1000, ..Settings::default().policy };
    TestApp::start_with(Settings { policy, ..Settings::default() }).await
}

/// A call that creates something: its caller, route, body, and where its reply has a secret.
struct Call<'a> {
    app: &'a TestApp,
    caller: Client<'a>,
    route: &'static str,
    body: Value,
    secret: &'static str,
    /// What a request with this key is sent to, where the route names something.
    paths: RefCell<HashMap<String, String>>,
}

impl Call<'_> {
    /// Makes what a request with `key` is about: of most things there are only so many.
    async fn prepare(&self, key: &str) {
        let app = self.app;
        let id = match self.route {
            path if !path.contains("{id}") => String::new(),
            "/v1/keys/{id}/rotate" => app.sub_account("k").await.key_id,
            path if path.starts_with("/v1/accounts/{id}") => app.sub_account("a").await.id,
            path => {
                let machine = app.machine(&app.sub_account("m").await.id).await;
                let of_dialect = path.starts_with("/api/");
                let path = if of_dialect { machine.dialect_path() } else { machine.path() };
                path.rsplit('/').next().expect("an id").to_owned()
            }
        };
        self.paths.borrow_mut().insert(key.to_owned(), self.route.replace("{id}", &id));
    }

    fn path(&self, key: &str) -> String {
        self.paths.borrow().get(key).expect("it was prepared").clone()
    }

    async fn send(&self, key: &str) -> Reply {
        let body = match self.route {
            // The same key is taken over once: each request has another.
            "/v1/keys/import" => import(key),
            "/v1/realms" => realm_body(key),
            _ => self.body.clone(),
        };
        self.caller.header(HEADER, key).post(&self.path(key), body).await
    }

    /// How many things of a kind it makes.
    fn makes(&self) -> i64 {
        if self.route == "/v1/accounts/bulk" { 2 } else { 1 }
    }
}

/// The call of every route that creates something. A new route without a row here fails.
async fn calls(app: &TestApp) -> Vec<Call<'_>> {
    let token = app.token(&app.organization.uuid, "tenant_admin").await;
    let administrator = app.bearer(&token).header("x-tenantid", &app.organization.uuid);
    let organization = json!({ "organization": "o", "name": "n", "email": "e@example.com" });
    let creating = ROUTES.iter().filter(|route| route.effect == Effect::Creates);
    creating
        .filter_map(|route| {
            let (caller, body, secret) = match route.path {
                "/v1/accounts" => (app.owner(), json!({ "name": "x" }), "/key/secret"),
                "/v1/accounts/bulk" => (
                    app.owner(),
                    json!({ "accounts": [{ "name": "x" }, { "name": "" }, { "name": "y" }] }),
                    "/results/2/key/secret",
                ),
                "/v1/accounts/{id}/keys" => (app.owner(), json!({ "name": "x" }), "/secret"),
                "/v1/keys/{id}/rotate" => {
                    (app.owner(), json!({ "grace_seconds": 60 }), "/key/secret")
                }
                "/v1/accounts/{id}/service-accounts" => {
                    (app.owner(), json!({ "name": "x" }), "/secret/secret")
                }
                "/v1/service-accounts/{id}/secrets" => (app.owner(), json!({}), "/secret"),
                "/sub-accounts/create" => (app.owner(), json!({ "name": "x" }), "/api_key"),
                "/api/v1/accounts" => (
                    app.owner(),
                    json!({ "data": { "type": "accounts", "attributes": { "name": "x" } } }),
                    "/included/0/attributes/secret",
                ),
                "/api/v1/admin/service-account/create"
                | "/api/v1/admin/service-account/{id}/rotate" => {
                    (administrator.clone(), json!({}), "/data/clientSecret")
                }
                "/v1/keys/import" => (app.owner(), import(KEY), "/results/0/key_id"),
                "/v1/realms" => (app.owner(), realm_body(KEY), "/id"),
                "/operator/organizations" => (app.operator(), organization.clone(), "/api_key"),
                "/operator/platform-keys" => (app.operator(), json!({ "name": "p" }), "/secret"),
                // They need a customer's server: `tests/databases/` has them.
                "/v1/accounts/{id}/database/credentials" | "/v1/accounts/{id}/database/rotate" => {
                    return None;
                }
                // It can succeed once, and did when the app started.
                "/operator/initialize" => return None,
                path => panic!("{path} creates something and has no case"),
            };
            let paths = RefCell::default();
            Some(Call { app, caller, route: route.path, body, secret, paths })
        })
        .collect()
}

/// A key of another system, drawn from `seed`.
fn import(seed: &str) -> Value {
    let digits = seed.bytes().rev().flat_map(|byte| [byte >> 4, byte & 15]).take(64);
    let digest: String = digits.filter_map(|digit| char::from_digit(digit.into(), 16)).collect();
    let digest = format!("{digest:0<64}");
    json!({ "keys": [{ "hash": { "algorithm": "sha256", "value": digest } }] })
}

/// Rows that creates leave.
fn rows(app: &TestApp) -> (i64, i64, i64) {
    (
        app.count("SELECT count(*) FROM accounts"),
        app.count("SELECT count(*) FROM credentials"),
        app.count("SELECT count(*) FROM audit_events"),
    )
}

#[tokio::test]
async fn a_request_that_is_sent_again_has_the_same_reply_and_creates_nothing_more() {
    let app = start().await;
    for call in calls(&app).await {
        call.prepare(KEY).await;
        let first = call.send(KEY).await;
        assert!(first.status.is_success(), "{} {}", call.route, first.text);
        assert!(!first.text_at(call.secret).is_empty());
        assert_eq!(first.header("idempotent-replayed"), "");
        let before = rows(&app);
        for _ in 0..3 {
            let again = call.send(KEY).await;
            assert_eq!((again.status, &again.text), (first.status, &first.text), "{}", call.route);
            assert_eq!(again.header("content-type"), first.header("content-type"));
            assert_eq!(again.header("cache-control"), "no-store");
            assert_eq!(again.header("idempotent-replayed"), "true");
        }
        assert_eq!(rows(&app), before, "{}", call.route);
        call.prepare(OTHER).await;
        let other = call.send(OTHER).await;
        assert_ne!(other.text_at(call.secret), first.text_at(call.secret), "{}", call.route);
    }
}

/// Of each route; of all of them over a thousand.
const ROUNDS: usize = 90;

/// F3. Seen failing with the reply left out of the commit: the repetition created another.
#[tokio::test]
async fn a_reply_that_was_lost_after_the_commit_is_sent_when_the_request_is_repeated() {
    let app = start().await;
    for (number, call) in calls(&app).await.iter().enumerate() {
        for round in 0..ROUNDS {
            let key = format!("lost-reply-{number}-{round}-of-many");
            call.prepare(&key).await;
            app.store.between.lose_next();
            let lost = call.send(&key).await;
            assert_eq!(lost.status, StatusCode::SERVICE_UNAVAILABLE, "{}", call.route);
            let made = rows(&app);
            let again = call.send(&key).await;
            assert!(again.status.is_success(), "{} {}", call.route, again.text);
            assert_eq!(rows(&app), made, "{}", call.route);
            let shows_a_key = !call.route.contains("service-account")
                && !["/v1/keys/import", "/v1/realms"].contains(&call.route);
            if shows_a_key {
                let secret = again.text_at(call.secret);
                let verifier = app.platform().await;
                assert_eq!(
                    app.code(&verifier, secret).await,
                    verdict(call.route),
                    "{}",
                    call.route
                );
            }
        }
    }
}

/// A platform key is of no tree, so nobody may ask about it.
fn verdict(path: &str) -> &'static str {
    if path == "/operator/platform-keys" { "NOT_FOUND" } else { "VALID" }
}

#[tokio::test]
async fn a_client_that_hung_up_gets_the_reply_when_it_comes_back() {
    let app = start().await;
    let calls = calls(&app).await;
    for (number, call) in calls.iter().enumerate() {
        for round in 0..10 {
            let key = format!("hung-up-{number}-{round}-of-many");
            call.prepare(&key).await;
            let before = rows(&app);
            assert!(call.send(&key).now_or_never().is_none(), "the change waits for the disk");
            // The first may still be under way; its repetition waits for it.
            let again = call.send(&key).await;
            assert!(again.status.is_success(), "{} {}", call.route, again.text);
            app.drain().await;
            // It made as much as one call makes.
            let after = rows(&app);
            let made = (after.1 - before.1, after.2 - before.2);
            let credentials = if call.route == "/v1/realms" { 0 } else { call.makes() };
            assert_eq!(made, (credentials, call.makes()), "{}", call.route);
        }
    }
}

#[tokio::test]
async fn of_fifty_at_once_one_creates_and_all_have_its_reply() {
    let app = start().await;
    for call in calls(&app).await {
        call.prepare(KEY).await;
        let before = rows(&app);
        let replies = join_all((0..50).map(|_| call.send(KEY))).await;
        let events = rows(&app).2 - before.2;
        assert_eq!(events, call.makes(), "{}", call.route);
        for reply in &replies {
            assert_eq!(reply.text, replies[0].text, "{}", call.route);
        }
        let replayed = replies.iter().filter(|r| r.header("idempotent-replayed") == "true");
        assert_eq!(replayed.count(), 49, "{}", call.route);
    }
}

#[tokio::test]
async fn case_63_the_same_key_with_another_body_is_refused() {
    let app = start().await;
    for call in calls(&app).await {
        call.prepare(KEY).await;
        let first = call.send(KEY).await;
        assert!(first.status.is_success(), "{} {}", call.route, first.text);
        let before = rows(&app);
        // Only white space differs: it is another body all the same.
        let body = format!("{} ", call.body);
        let reply = call.caller.header(HEADER, KEY).post_bytes(&call.path(KEY), body).await;
        let (status, refusal) = reply.refusal();
        let expected = match call.route {
            "/sub-accounts/create" => {
                (400, "/message", "Idempotency-Key was used with another body")
            }
            path if path.starts_with("/api/v1/admin/") => (400, "/error", "INVALID_REQUEST"),
            "/api/v1/accounts" => (422, "/errors/0/code", "idempotency_key_reused"),
            _ => (422, "/code", "idempotency_key_reused"),
        };
        let word = refusal.pointer(expected.1).and_then(Value::as_str);
        assert_eq!((status, word), (expected.0, Some(expected.2)), "{}", call.route);
        assert_eq!(rows(&app), before, "{}", call.route);
    }
}

#[tokio::test]
async fn case_62_a_key_is_known_only_to_the_credential_and_the_call_that_used_it() {
    let app = start().await;
    let other = app.organization("Other").await;
    let second = {
        let body = json!({ "permissions": ["tenantry.accounts:write", "*:*"], "name": "second" });
        let reply = app.owner().post("/v1/accounts", json!({ "name": "x", "key": body })).await;
        reply.text_at("/key/secret").to_owned()
    };
    let body = json!({ "name": "x" });
    let first = app.owner().header(HEADER, KEY).post("/v1/accounts", body.clone()).await;
    let secret = first.text_at("/key/secret");
    let owner = app.owner().header(HEADER, KEY);
    let replies = [
        // Another tenant, and another route of the same credential.
        app.bearer(&other.key).header(HEADER, KEY).post("/v1/accounts", body.clone()).await,
        owner.post("/sub-accounts/create", body.clone()).await,
    ];
    for reply in &replies {
        assert!(reply.status.is_success(), "{}", reply.text);
        assert!(!reply.text.contains(secret));
        assert_eq!(reply.header("idempotent-replayed"), "");
    }
    // Another key, which may not make accounts at all.
    let reply = app.bearer(&second).header(HEADER, KEY).post("/v1/accounts", body).await;
    assert_eq!(reply.refusal().0, 403);
}

#[tokio::test]
async fn case_61_a_key_that_is_none_is_refused_before_anything_happens() {
    let app = start().await;
    for call in calls(&app).await {
        call.prepare(KEY).await;
        let before = rows(&app);
        let (short, long) = ("a".repeat(15), "a".repeat(256));
        let with_space = "a b".repeat(10);
        let keys: [&[u8]; 6] = [
            b"",
            short.as_bytes(),
            long.as_bytes(),
            with_space.as_bytes(),
            "ääääääääääääääääääää".as_bytes(),
            &[0xff; 20],
        ];
        for key in keys {
            let caller = call.caller.raw_header(HEADER, key);
            let reply = caller.post(&call.path(KEY), call.body.clone()).await;
            assert_eq!(reply.refusal().0, 400, "{} {key:?}", call.route);
        }
        let twice = call.caller.header(HEADER, KEY).header(HEADER, KEY);
        assert_eq!(twice.post(&call.path(KEY), call.body.clone()).await.refusal().0, 400);
        assert_eq!(rows(&app), before, "{}", call.route);
    }
    for length in [16, 255] {
        let caller = app.owner().header(HEADER, &"k".repeat(length));
        let reply = caller.post("/v1/accounts", json!({ "name": "x" })).await;
        assert_eq!(reply.status, StatusCode::CREATED, "{}", reply.text);
    }
}

#[tokio::test]
async fn a_refusal_is_not_kept() {
    let app = start().await;
    let caller = app.owner().header(HEADER, KEY);
    assert_eq!(caller.post("/v1/accounts", json!({ "name": "" })).await.refusal().0, 422);
    let reply = caller.post("/v1/accounts", json!({ "name": "x" })).await;
    assert_eq!(reply.status, StatusCode::CREATED, "{}", reply.text);
}

#[tokio::test]
async fn a_secret_is_shown_again_for_ten_minutes_and_its_request_known_for_a_day() {
    let app = start().await;
    let send = || async {
        app.owner().header(HEADER, KEY).post("/v1/accounts", json!({ "name": "x" })).await
    };
    let first = send().await;
    app.advance(10 * 60 - 1);
    assert_eq!(send().await.text, first.text);
    app.advance(1);
    for swept in [false, true] {
        if swept {
            assert_eq!(app.plane.sweep_replays().await.expect("swept"), 1);
        }
        let late = send().await;
        let (status, refusal) = late.refusal();
        assert_eq!((status, &refusal["code"]), (409, &json!("secret_already_delivered")));
        let id = first.text_at("/account/id");
        assert!(refusal["detail"].as_str().is_some_and(|detail| detail.contains(id)), "{refusal}");
    }
    app.advance(24 * 3600 - 10 * 60);
    let anew = send().await;
    assert_eq!(anew.status, StatusCode::CREATED);
    assert_ne!(anew.text, first.text);
}

#[tokio::test]
async fn case_99_a_kept_reply_opens_for_nobody_without_its_header() {
    let app = start().await;
    let sent = |key: &'static str| app.owner().header(HEADER, key);
    let first = sent(KEY).post("/v1/accounts", json!({ "name": "x" })).await;
    let secret = first.text_at("/key/secret");
    for canary in [secret, KEY] {
        assert!(!app.stores(canary), "it stands in the store");
    }
    // Moved to another request by whoever can write the store, or made to last: it stays shut.
    let second = "the-key-of-another-request";
    sent(second).post("/v1/accounts", json!({ "name": "x" })).await;
    for edit in [
        "UPDATE idempotency SET reply = (SELECT reply FROM idempotency ORDER BY rowid LIMIT 1)",
        "UPDATE idempotency SET reply_until = reply_until + 1",
        "UPDATE idempotency SET resource = 'acc_other'",
        "UPDATE idempotency SET reply = x'00'",
    ] {
        assert_eq!(app.edit(edit), 2);
        let reply = sent(second).post("/v1/accounts", json!({ "name": "x" })).await;
        assert_eq!(reply.refusal().0, 500, "{edit}");
        assert!(!reply.text.contains(secret));
    }
}
