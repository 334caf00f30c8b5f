//! Who may do what with keys: nobody gives what they lack, for longer than they have it, or to
//! what is not theirs (cases 39, 40, 42).

use crate::support::{Client, Reply, TestApp};
use axum::http::Method;
use serde_json::{Value, json};
use std::sync::Arc;
use tenantry_core::actor::{Actor, Context, MemberActor};
use tenantry_core::error::{Denial, Error};
use tenantry_core::ids::AccountId;
use tenantry_core::keys::NewKey;
use tenantry_core::permissions::{PermissionSet, Right};
use tenantry_core::replay::Once;
use tenantry_core::text::Metadata;

/// A further key of the organization itself.
async fn key_of_root(app: &TestApp, body: Value) -> Reply {
    let path = format!("/v1/accounts/{}/keys", app.organization.account_id);
    let reply = app.owner().post(&path, body).await;
    assert_eq!(reply.status, 201, "{}", reply.text);
    reply
}

async fn patch(client: &Client<'_>, id: &str, changes: Value) -> Reply {
    let body = changes.to_string().into_bytes();
    client.send(Method::PATCH, &format!("/v1/keys/{id}"), body).await
}

fn assert_exceeds(reply: &Reply, what: &str) {
    let (status, json) = reply.refusal();
    assert_eq!((status, &json["code"]), (403, &json!("grant_exceeds_own")), "{what}");
}

#[tokio::test]
async fn case_40_a_key_reads_and_revokes_itself_and_no_other() {
    let app = TestApp::start().await;
    let sub = app.sub_account("a").await;
    let keys = format!("/v1/accounts/{}/keys", sub.id);
    let other = app.owner().post(&keys, json!({})).await;
    // Neither has any of Tenantry's permissions.
    let (own, other_id) = (app.bearer(&sub.key), other.text_at("/id"));
    let read = own.get(&format!("/v1/keys/{}", sub.key_id)).await;
    assert_eq!((read.status.as_u16(), &read.json["id"]), (200, &json!(sub.key_id)));
    let lacking = |reply: &Reply, what: &str| {
        let (status, json) = reply.refusal();
        assert_eq!((status, &json["code"]), (403, &json!("insufficient_permissions")), "{what}");
    };
    lacking(&own.get(&format!("/v1/keys/{other_id}")).await, "read");
    lacking(&own.get(&keys).await, "list");
    lacking(&own.post(&keys, json!({ "permissions": [] })).await, "create");
    for id in [&*sub.key_id, other_id] {
        lacking(&patch(&own, id, json!({ "name": "x" })).await, "patch");
        for end in ["disable", "enable", "rotate", "revoke?lineage=true"] {
            let path = format!("/v1/keys/{id}/{end}");
            lacking(&own.post(&path, json!({ "grace_seconds": 60 })).await, end);
        }
    }
    lacking(&own.delete(&format!("/v1/keys/{other_id}")).await, "revoke");
    assert_eq!(own.delete(&format!("/v1/keys/{}", sub.key_id)).await.status, 200);
    assert_eq!(own.get("/v1/whoami").await.status, 401);
    let audited = format!(
        "SELECT count(*) FROM audit_events WHERE action = 'key.revoked'
         AND actor_id = '{0}' AND target_id = '{0}'",
        sub.key_id
    );
    assert_eq!(app.count(&audited), 1);
    assert_eq!(app.code(&app.owner(), other.text_at("/secret")).await, "VALID");
}

#[tokio::test]
async fn case_42_nobody_gives_a_key_what_they_lack_by_any_way() {
    let app = TestApp::start().await;
    let own = json!(["tenantry.keys:write", "tenantry.keys:read", "api:read"]);
    let weak = key_of_root(&app, json!({ "permissions": own })).await;
    let weak_id = weak.text_at("/id").to_owned();
    let caller = app.bearer(weak.text_at("/secret"));
    let sub = app.sub_account("a").await;
    for account in [&sub.id, &app.organization.account_id] {
        let path = format!("/v1/accounts/{account}/keys");
        let equal = caller.post(&path, json!({ "permissions": ["api:read"] })).await;
        assert_eq!(equal.status, 201, "{}", equal.text);
        for more in [json!(["*:*"]), json!(["api:*"]), json!(["tenantry.accounts:read"])] {
            let reply = caller.post(&path, json!({ "permissions": more })).await;
            assert_exceeds(&reply, &more.to_string());
            let changes = json!({ "permissions": more });
            assert_exceeds(&patch(&caller, equal.text_at("/id"), changes).await, "patch");
        }
        assert_exceeds(&caller.post(&path, json!({})).await, "the usual permissions");
    }
    let widened = patch(&caller, &weak_id, json!({ "permissions": ["tenantry.*:*"] })).await;
    assert_exceeds(&widened, "a key widens itself");

    // A key that has more: what gives its power anew is refused, what takes it is not.
    let body = json!({
        "permissions": ["*:*"],
        "allowed_ips": ["192.0.2.0/24"],
        "expires_at": "2025-07-11T00:00:00Z",
    });
    let strong = key_of_root(&app, body).await;
    let id = strong.text_at("/id");
    for changes in [
        json!({ "allowed_ips": null }),
        json!({ "allowed_ips": ["0.0.0.0/0"] }),
        json!({ "expires_at": null }),
        json!({ "expires_at": "2026-01-01T00:00:00Z" }),
    ] {
        assert_exceeds(&patch(&caller, id, changes.clone()).await, &changes.to_string());
    }
    let path = |end: &str| format!("/v1/keys/{id}/{end}");
    let rotation = json!({ "grace_seconds": 0 });
    assert_exceeds(&caller.post(&path("rotate"), rotation).await, "its secret would be shown");
    for changes in [
        json!({ "name": "x" }),
        json!({ "metadata": { "a": 1 } }),
        json!({ "allowed_ips": ["192.0.2.7"] }),
        json!({ "expires_at": "2025-07-10T20:00:00Z" }),
    ] {
        assert_eq!(patch(&caller, id, changes.clone()).await.status, 200, "{changes}");
    }
    assert_eq!(caller.post(&path("disable"), json!({})).await.status, 200);
    assert_exceeds(&caller.post(&path("enable"), json!({})).await, "it would be given anew");
    assert_eq!(patch(&caller, id, json!({ "permissions": ["api:read"] })).await.status, 200);
    assert_eq!(caller.post(&path("enable"), json!({})).await.status, 200);
    assert_eq!(caller.delete(&format!("/v1/keys/{id}")).await.status, 200);
}

#[tokio::test]
async fn no_key_makes_or_prolongs_one_that_outlives_it() {
    let app = TestApp::start().await;
    let (own_end, later) = ("2025-07-11T00:00:00Z", "2025-07-11T00:00:00.000001Z");
    let all = json!(["*:*", "tenantry.*:*"]);
    let body = json!({ "permissions": all, "expires_at": own_end });
    let ending = key_of_root(&app, body).await;
    let caller = app.bearer(ending.text_at("/secret"));
    let keys = format!("/v1/accounts/{}/keys", app.organization.account_id);
    for end in [Value::Null, json!(later)] {
        let reply = caller.post(&keys, json!({ "expires_at": end })).await;
        assert_exceeds(&reply, "a further key");
        let body = json!({ "name": "x", "key": { "expires_at": end } });
        assert_exceeds(&caller.post("/v1/accounts", body.clone()).await, "a first key");
        let bulk = caller.post("/v1/accounts/bulk", json!({ "accounts": [body] })).await;
        assert_eq!(bulk.json["results"][0]["status"], 403, "{}", bulk.text);
        let own = patch(&caller, ending.text_at("/id"), json!({ "expires_at": end })).await;
        assert_exceeds(&own, "itself");
    }
    // The dialects' creates have no way to say when a key ends.
    let document = json!({ "data": { "type": "accounts", "attributes": { "name": "x" } } });
    assert_eq!(caller.post("/api/v1/accounts", document).await.refusal().0, 403);
    let sub = json!({ "name": "x" });
    assert_eq!(caller.post("/sub-accounts/create", sub).await.refusal().0, 403);
    assert_eq!(app.count("SELECT count(*) FROM accounts WHERE name = 'x'"), 0);

    let lasting = key_of_root(&app, json!({})).await;
    let path = |end: &str| format!("/v1/keys/{}/{end}", lasting.text_at("/id"));
    assert_exceeds(&caller.post(&path("rotate"), json!({ "grace_seconds": 0 })).await, "rotate");
    assert_eq!(caller.post(&path("disable"), json!({})).await.status, 200);
    assert_exceeds(&caller.post(&path("enable"), json!({})).await, "enable");
    let shortened = patch(&caller, lasting.text_at("/id"), json!({ "expires_at": own_end })).await;
    assert_eq!(shortened.status, 200, "{}", shortened.text);
    assert_eq!(caller.post(&path("enable"), json!({})).await.status, 200);

    assert_eq!(caller.post(&keys, json!({ "expires_at": own_end })).await.status, 201);
    let body = json!({ "name": "x", "key": { "expires_at": own_end } });
    assert_eq!(caller.post("/v1/accounts", body).await.status, 201);
    // It may rotate itself: its successor ends when it does.
    let path = format!("/v1/keys/{}/rotate", ending.text_at("/id"));
    let rotated = caller.post(&path, json!({ "grace_seconds": 60 })).await;
    assert_eq!(rotated.json["key"]["expires_at"], "2025-07-11T00:00:00.000000Z");
    // Its grace is not its end: until then it makes what it could make before.
    assert_eq!(caller.post(&keys, json!({ "expires_at": own_end })).await.status, 201);
}

#[tokio::test]
async fn a_member_and_the_operator_have_the_keys_of_their_organization() {
    let app = TestApp::start().await;
    let root = AccountId::parse_native(&app.organization.account_id).expect("an id");
    let foreign = app.organization("Other").await;
    let foreign = AccountId::parse_native(&foreign.account_id).expect("an id");
    let member = |permissions: PermissionSet| Context {
        actor: Actor::Member(MemberActor {
            realm: "local".into(),
            subject: app.organization.member_id.as_str().into(),
            name: None,
            email: None,
            tenant: root,
            own_tenant: Some(root),
            permissions: Arc::new(permissions),
        }),
        request_id: "test".into(),
        address: None,
    };
    let new = || NewKey {
        limits: tenantry_core::keys::NewKeyLimits::default(),
        format: None,
        name: None,
        permissions: PermissionSet::master(),
        expires_at: None,
        allowed_ips: Vec::new(),
        metadata: Metadata::empty(),
    };
    let admin = member(PermissionSet::master());
    let made = app.plane.create_key(&admin, root, new(), Once::unkept()).await.expect("made");
    assert_eq!(app.code(&app.owner(), made.secret.reveal()).await, "VALID");
    assert!(app.plane.find_key(&admin, made.key.id).await.is_ok());
    let refused = app.plane.create_key(&admin, foreign, new(), Once::unkept()).await;
    assert!(matches!(refused, Err(Error::NotFound(_))));
    let viewer = member(PermissionSet::parse(["api:read"]).expect("permissions"));
    let refused = app.plane.create_key(&viewer, root, new(), Once::unkept()).await;
    let lacking = Denial::Permission(Right::KeysWrite);
    assert!(matches!(refused, Err(Error::Forbidden(denial)) if denial == lacking));

    let operator = app.operator().header("tenantry-organization", &app.organization.account_id);
    let path = format!("/v1/accounts/{}/keys", app.organization.account_id);
    let body = json!({ "permissions": ["*:*", "tenantry.*:*"] });
    let reply = operator.post(&path, body).await;
    assert_eq!(reply.status, 201, "{}", reply.text);
    assert_eq!(operator.get(&path).await.json["data"].as_array().map(Vec::len), Some(3));
    assert_eq!(app.operator().get(&path).await.refusal().0, 403, "no organization is named");
}

#[tokio::test]
async fn platform_keys_are_the_operators() {
    let app = TestApp::start().await;
    let made = app.operator().post("/operator/platform-keys", json!({ "name": "p" })).await;
    let (id, secret) = (made.text_at("/id").to_owned(), made.text_at("/secret").to_owned());
    let own = app.bearer(&secret);
    let path = format!("/v1/keys/{id}");
    assert_eq!(app.owner().get(&path).await.refusal().0, 404);
    let rotation = json!({ "grace_seconds": 60 });
    assert_eq!(
        app.owner().post(&format!("{path}/rotate"), rotation.clone()).await.refusal().0,
        404
    );
    let read = own.get(&path).await;
    assert_eq!((read.status.as_u16(), &read.json["account_id"]), (200, &Value::Null));
    assert_eq!(own.post(&format!("{path}/rotate"), rotation.clone()).await.refusal().0, 403);
    assert_eq!(patch(&own, &id, json!({ "name": "x" })).await.refusal().0, 403);

    let listed = app.operator().get("/operator/platform-keys?limit=1").await;
    assert_eq!(listed.json["data"][0]["id"], id, "{}", listed.text);
    assert_eq!(listed.json["next_cursor"], Value::Null);
    assert_eq!(patch(&app.operator(), &id, json!({ "name": "x" })).await.json["name"], "x");
    let question = json!({ "key": app.organization.key });
    assert_eq!(own.post("/v1/keys/verify", question.clone()).await.status, 200);
    let rotated = app.operator().post(&format!("{path}/rotate"), rotation).await;
    assert_eq!(rotated.status, 201, "{}", rotated.text);
    let next = app.bearer(rotated.text_at("/key/secret"));
    for holder in [&own, &next] {
        assert_eq!(holder.post("/v1/keys/verify", question.clone()).await.status, 200);
    }
    app.advance(60);
    assert_eq!(own.post("/v1/keys/verify", question.clone()).await.status, 401);
    assert_eq!(next.post("/v1/keys/verify", question).await.status, 200);
    let listed = app.operator().get("/operator/platform-keys").await;
    assert_eq!(listed.json["data"].as_array().map(Vec::len), Some(2));
}
