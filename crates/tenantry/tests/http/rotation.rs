//! Rotation: what the new key has, how long the old one goes on, and how that ends early.

use crate::support::{Reply, TestApp};
use axum::http::Method;
use serde_json::{Value, json};

/// A key of a new sub-account: its path and secret.
async fn key(app: &TestApp, body: Value) -> (String, String) {
    let account = app.sub_account("a").await.id;
    let reply = app.owner().post(&format!("/v1/accounts/{account}/keys"), body).await;
    assert_eq!(reply.status, 201, "{}", reply.text);
    (format!("/v1/keys/{}", reply.text_at("/id")), reply.text_at("/secret").to_owned())
}

async fn rotate(app: &TestApp, path: &str, grace_seconds: u64) -> Reply {
    let body = json!({ "grace_seconds": grace_seconds });
    let reply = app.owner().post(&format!("{path}/rotate"), body).await;
    assert_eq!(reply.status, 201, "{}", reply.text);
    reply
}

fn next(rotated: &Reply) -> (String, String) {
    let id = rotated.text_at("/key/id");
    (format!("/v1/keys/{id}"), rotated.text_at("/key/secret").to_owned())
}

#[tokio::test]
async fn the_new_key_has_all_that_the_old_one_had_and_a_secret_of_its_own() {
    let app = TestApp::start().await;
    for format in ["native", "sub_account", "account"] {
        let body = json!({
            "format": format,
            "name": "n",
            "permissions": ["api:read"],
            "expires_at": "2025-08-01T00:00:00Z",
            "allowed_ips": ["192.0.2.0/24"],
            "metadata": { "a": 1 },
        });
        let (path, secret) = key(&app, body).await;
        let old = app.owner().get(&path).await.json;
        app.advance(60);
        let rotated = rotate(&app, &path, 3600).await;
        assert_eq!(rotated.header("cache-control"), "no-store");
        let new = &rotated.json["key"];
        for field in [
            "account_id",
            "name",
            "format",
            "permissions",
            "allowed_ips",
            "metadata",
            "status",
            "expires_at",
            "lineage",
        ] {
            assert_eq!(new[field], old[field], "{field}");
        }
        assert_ne!(new["id"], old["id"]);
        assert!(new["secret"] != secret.as_str() && !app.stores(rotated.text_at("/key/secret")));
        assert_eq!((&new["superseded_by"], &new["grace_expires_at"]), (&json!(null), &json!(null)));
        let superseded = &rotated.json["superseded"];
        assert_eq!(superseded, &app.owner().get(&path).await.json);
        assert_eq!(superseded["superseded_by"], new["id"]);
        let until = superseded["grace_expires_at"].as_str().expect("a time");
        let created = new["created_at"].as_str().expect("a time");
        assert_eq!(until[14..], created[14..], "an hour later, to the microsecond");
        assert_eq!(rotated.json["effective_everywhere_by"], new["created_at"]);
        assert!(!rotated.text_at("/revision").is_empty());
        let verdict = json!({ "key": secret, "ip": "192.0.2.1" });
        let verdict = app.owner().post("/v1/keys/verify", verdict).await;
        assert_eq!(verdict.json["expires_at"], until, "a verification says when it really ends");
    }
    let events = "SELECT count(*) FROM audit_events WHERE action = 'key.rotated'";
    assert_eq!(app.count(events), 3);
}

#[tokio::test]
async fn both_keys_are_good_until_the_grace_is_over_and_then_the_new_one_alone() {
    let app = TestApp::start().await;
    let (path, old) = key(&app, json!({})).await;
    let (_, new) = next(&rotate(&app, &path, 100).await);
    // Asked before, so that an answer is there to be kept for too long.
    for secret in [&old, &new] {
        assert_eq!(app.code(&app.owner(), secret).await, "VALID");
    }
    app.advance(99);
    assert_eq!(app.code(&app.owner(), &old).await, "VALID");
    assert_eq!(app.bearer(&old).get("/v1/whoami").await.status, 200);
    app.advance(1);
    assert_eq!(app.code(&app.owner(), &old).await, "EXPIRED");
    assert_eq!(app.bearer(&old).get("/v1/whoami").await.status, 401);
    assert_eq!(app.code(&app.owner(), &new).await, "VALID");
    app.advance(30 * 24 * 3600);
    assert_eq!(app.code(&app.owner(), &new).await, "VALID");
}

#[tokio::test]
async fn the_old_key_does_not_outlive_its_own_end() {
    let app = TestApp::start().await;
    let (path, old) = key(&app, json!({ "expires_at": "2025-07-10T14:36:00.123456Z" })).await;
    let rotated = rotate(&app, &path, 2_592_000).await;
    let end = "2025-07-10T14:36:00.123456Z";
    assert_eq!(rotated.json["superseded"]["grace_expires_at"], end);
    assert_eq!(rotated.json["key"]["expires_at"], end);
    // Not even where that end is put off afterwards.
    let changes = json!({ "expires_at": "2025-07-11T00:00:00Z" }).to_string().into_bytes();
    assert_eq!(app.owner().send(Method::PATCH, &path, changes).await.status, 200);
    let (_, new) = next(&rotated);
    for (seconds, code) in [(0, "VALID"), (59, "VALID"), (1, "EXPIRED")] {
        app.advance(seconds);
        assert_eq!(app.code(&app.owner(), &old).await, code);
        assert_eq!(app.code(&app.owner(), &new).await, code);
    }
}

#[tokio::test]
async fn without_a_grace_the_old_key_is_revoked_at_once() {
    let app = TestApp::start().await;
    let (path, old) = key(&app, json!({})).await;
    assert_eq!(app.code(&app.owner(), &old).await, "VALID");
    let rotated = rotate(&app, &path, 0).await;
    assert_eq!(rotated.json["superseded"]["status"], "revoked");
    assert_eq!(app.code(&app.owner(), &old).await, "REVOKED");
    assert_eq!(app.bearer(&old).get("/v1/whoami").await.status, 401);
    assert_eq!(app.code(&app.owner(), &next(&rotated).1).await, "VALID");
}

#[tokio::test]
async fn a_second_rotation_within_the_grace_ends_the_oldest_at_once() {
    let app = TestApp::start().await;
    let (path, first) = key(&app, json!({})).await;
    let (path, second) = next(&rotate(&app, &path, 1000).await);
    app.advance(10);
    for secret in [&first, &second] {
        assert_eq!(app.code(&app.owner(), secret).await, "VALID");
    }
    let (path, third) = next(&rotate(&app, &path, 1000).await);
    let codes = async || {
        let mut codes = Vec::new();
        for secret in [&first, &second, &third] {
            codes.push(app.code(&app.owner(), secret).await);
        }
        codes
    };
    assert_eq!(codes().await, ["REVOKED", "VALID", "VALID"]);
    app.advance(1000);
    assert_eq!(codes().await, ["REVOKED", "EXPIRED", "VALID"]);
    // The second was over by itself: nothing is left to end.
    rotate(&app, &path, 1000).await;
    assert_eq!(codes().await, ["REVOKED", "EXPIRED", "VALID"]);
}

#[tokio::test]
async fn a_key_is_rotated_once_and_by_its_own_grace() {
    let app = TestApp::start().await;
    let (path, _) = key(&app, json!({})).await;
    for body in [
        json!({}),
        json!({ "grace_seconds": -1 }),
        json!({ "grace_seconds": 2_592_001 }),
        json!({ "grace_seconds": "60" }),
        json!({ "grace_seconds": 1.5 }),
        json!({ "grace_seconds": null }),
        json!({ "grace_seconds": 0, "secret": "x" }),
    ] {
        let reply = app.owner().post(&format!("{path}/rotate"), body.clone()).await;
        assert_eq!(reply.refusal().0, 422, "{body}");
    }
    assert_eq!(app.owner().post_bytes(&format!("{path}/rotate"), "").await.refusal().0, 400);
    rotate(&app, &path, 2_592_000).await;
    for grace in [0, 60] {
        let body = json!({ "grace_seconds": grace });
        let reply = app.owner().post(&format!("{path}/rotate"), body).await;
        assert_eq!((reply.refusal().0, &reply.json["code"]), (409, &json!("key_superseded")));
    }
    assert_eq!(app.count("SELECT count(*) FROM credentials WHERE lineage <> id"), 1);
}

#[tokio::test]
async fn of_many_rotations_of_a_key_at_once_one_is_made() {
    let app = TestApp::start().await;
    let (path, _) = key(&app, json!({})).await;
    let owner = app.owner();
    let body = json!({ "grace_seconds": 60 });
    let rotations = (0..20).map(|_| {
        let (owner, path, body) = (owner.clone(), format!("{path}/rotate"), body.clone());
        async move { owner.post(&path, body).await }
    });
    let replies = futures_util::future::join_all(rotations).await;
    assert_eq!(replies.iter().filter(|reply| reply.status == 201).count(), 1);
    let refused = replies.iter().filter(|reply| reply.json["code"] == "key_superseded");
    assert_eq!(refused.count(), 19);
    assert_eq!(app.count("SELECT count(*) FROM credentials WHERE lineage <> id"), 1);
}

#[tokio::test]
async fn a_rotation_is_finished_early_by_revoking_the_old_key() {
    let app = TestApp::start().await;
    let (path, old) = key(&app, json!({})).await;
    let (_, new) = next(&rotate(&app, &path, 1000).await);
    assert_eq!(app.code(&app.owner(), &old).await, "VALID");
    assert_eq!(app.owner().post(&format!("{path}/revoke"), json!({})).await.status, 200);
    assert_eq!(app.code(&app.owner(), &old).await, "REVOKED");
    assert_eq!(app.code(&app.owner(), &new).await, "VALID");
}

#[tokio::test]
async fn a_line_is_revoked_whole_by_any_of_its_keys() {
    let app = TestApp::start().await;
    for named in 0..3 {
        let (path, first) = key(&app, json!({})).await;
        let mut line = vec![(path.clone(), first)];
        let mut path = path;
        for _ in 0..2 {
            let new = next(&rotate(&app, &path, 1000).await);
            path.clone_from(&new.0);
            line.push(new);
        }
        let (_, stranger) = key(&app, json!({})).await;
        for (_, secret) in &line[1..] {
            assert_eq!(app.code(&app.owner(), secret).await, "VALID");
        }
        let path = format!("{}/revoke?lineage=true&wait=true", line[named].0);
        let reply = app.owner().post(&path, json!({})).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
        for (_, secret) in &line {
            assert_eq!(app.code(&app.owner(), secret).await, "REVOKED");
        }
        assert_eq!(app.code(&app.owner(), &stranger).await, "VALID");
        let again = app.owner().post(&path, json!({})).await;
        assert_eq!((again.status, &again.json), (reply.status, &reply.json));
    }
    let events = "SELECT count(*) FROM audit_events WHERE action = 'key.revoked'";
    assert_eq!(app.count(events), 3);
}

#[tokio::test]
async fn a_key_that_is_off_is_rotated_into_one_that_is_on() {
    let app = TestApp::start().await;
    let (path, old) = key(&app, json!({})).await;
    assert_eq!(app.owner().post(&format!("{path}/disable"), json!({})).await.status, 200);
    let (_, new) = next(&rotate(&app, &path, 60).await);
    assert_eq!(app.code(&app.owner(), &old).await, "DISABLED");
    assert_eq!(app.code(&app.owner(), &new).await, "VALID");
    // Within its grace it is switched like any other key.
    assert_eq!(app.owner().post(&format!("{path}/enable"), json!({})).await.status, 200);
    assert_eq!(app.code(&app.owner(), &old).await, "VALID");
}
