//! Who may do what with service accounts: nobody gives what they lack, for longer than they have
//! it, or to what is not theirs (cases 8, 39, 41, 42).

use crate::support::{Client, Machine, Reply, TestApp};
use axum::http::Method;
use serde_json::{Value, json};

const WRITE: &str = "tenantry.service_accounts:write";
const READ: &str = "tenantry.service_accounts:read";

fn list_of(account: &str) -> String {
    format!("/v1/accounts/{account}/service-accounts")
}

/// The holder of a further key of an account of the organization.
async fn key_of<'a>(app: &'a TestApp, account: &str, body: Value) -> Client<'a> {
    let reply = app.owner().post(&format!("/v1/accounts/{account}/keys"), body).await;
    assert_eq!(reply.status, 201, "{}", reply.text);
    app.bearer(reply.text_at("/secret"))
}

async fn key_with<'a>(app: &'a TestApp, permissions: &[&str]) -> Client<'a> {
    let account = &app.organization.account_id;
    key_of(app, account, json!({ "permissions": permissions })).await
}

async fn patch(client: &Client<'_>, machine: &Machine, changes: Value) -> Reply {
    client.send(Method::PATCH, &machine.path(), changes.to_string().into_bytes()).await
}

fn assert_code(reply: &Reply, status: u16, code: &str, what: &str) {
    let (got, json) = reply.refusal();
    assert_eq!((got, &json["code"]), (status, &json!(code)), "{what}: {}", reply.text);
}

/// Every call on a service account, with what it answers to whoever may make it.
fn calls(machine: &Machine) -> Vec<(Method, String, Value, bool)> {
    let path = machine.path();
    vec![
        (Method::GET, path.clone(), Value::Null, true),
        (Method::PATCH, path.clone(), json!({ "name": "changed" }), false),
        (Method::POST, format!("{path}/disable"), Value::Null, false),
        (Method::POST, format!("{path}/enable"), Value::Null, false),
        (Method::POST, format!("{path}/secrets"), json!({}), false),
        (Method::DELETE, format!("{path}/secrets/{}", machine.secret_id), Value::Null, false),
        (Method::DELETE, path, Value::Null, false),
    ]
}

async fn call(client: &Client<'_>, (method, path, body): (Method, &str, &Value)) -> Reply {
    let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
    client.send(method, path, body).await
}

/// Its secret opens nothing by itself; it is asked about, with what is to be done.
#[tokio::test]
async fn case_41_a_service_account_that_reads_neither_writes_nor_makes_another() {
    let app = TestApp::start().await;
    let body = json!({ "permissions": ["api:read"] });
    let made = app.owner().post(&list_of(&app.organization.account_id), body).await;
    let machine = Machine::of(&made);
    for (permission, code) in [
        ("api:read", "VALID"),
        ("api:write", "INSUFFICIENT_PERMISSIONS"),
        (WRITE, "INSUFFICIENT_PERMISSIONS"),
    ] {
        let question = json!({ "client_id": machine.client_id, "client_secret": machine.secret,
            "permissions": [permission] });
        let verdict = app.owner().post("/v1/keys/verify", question).await;
        assert_eq!(verdict.text_at("/code"), code, "{permission}");
    }
    let itself = app.bearer(&machine.secret);
    let reply = itself.post(&list_of(&app.organization.account_id), json!({})).await;
    assert_eq!(reply.refusal().0, 401);
    let reply = itself.post("/v1/accounts", json!({ "name": "x" })).await;
    assert_eq!(reply.refusal().0, 401);
}

#[tokio::test]
async fn reading_and_writing_take_their_permissions() {
    let app = TestApp::start().await;
    let account = &app.organization.account_id;
    let machine = app.machine(account).await;
    let reader = key_with(&app, &[READ, "api:*"]).await;
    let writer = key_with(&app, &[WRITE, "api:*"]).await;
    let neither = key_with(&app, &["*:*", "tenantry.keys:*", "tenantry.accounts:*"]).await;
    for (method, path, body, reads) in calls(&machine) {
        let what = format!("{method} {path}");
        for (client, allowed) in [(&reader, reads), (&writer, !reads), (&neither, false)] {
            if !allowed {
                let reply = call(client, (method.clone(), &path, &body)).await;
                assert_code(&reply, 403, "insufficient_permissions", &what);
            }
        }
        let may = if reads { &reader } else { &writer };
        let reply = call(may, (method, &path, &body)).await;
        assert!(reply.status.is_success(), "{what}: {}", reply.text);
    }
    let list = list_of(account);
    for client in [&writer, &neither] {
        assert_code(&client.get(&list).await, 403, "insufficient_permissions", "list");
    }
    for client in [&reader, &neither] {
        let reply = client.post_bytes(&list, "").await;
        assert_code(&reply, 403, "insufficient_permissions", "create");
    }
    assert_eq!(reader.get(&list).await.status, 200);
    assert_eq!(writer.post_bytes(&list, "").await.status, 201);
}

#[tokio::test]
async fn case_42_nobody_gives_a_service_account_what_they_lack() {
    let app = TestApp::start().await;
    let list = list_of(&app.organization.account_id);
    let weak = key_with(&app, &[WRITE, "api:read", "reports:*"]).await;
    let exceeds = |reply: &Reply, what: &str| assert_code(reply, 403, "grant_exceeds_own", what);
    // The default grant is a grant too.
    exceeds(&weak.post_bytes(&list, "").await, "default");
    for permissions in [json!(["api:*"]), json!(["*:read"]), json!([WRITE, "admin:read"])] {
        let reply = weak.post(&list, json!({ "permissions": permissions })).await;
        exceeds(&reply, &permissions.to_string());
    }
    let body = json!({ "permissions": ["api:read", "reports:write", WRITE] });
    let own = Machine::of(&weak.post(&list, body).await);
    exceeds(&patch(&weak, &own, json!({ "permissions": ["api:write"] })).await, "widen");
    assert_eq!(patch(&weak, &own, json!({ "permissions": ["reports:*"] })).await.status, 200);

    // Of one that has more, a secret or the switch would give it.
    let body = json!({ "permissions": ["api:read", "api:write", "admin:*"] });
    let strong = Machine::of(&app.owner().post(&list, body).await);
    let path = strong.path();
    exceeds(&weak.post_bytes(&format!("{path}/secrets"), "").await, "secret");
    assert_eq!(weak.post_bytes(&format!("{path}/disable"), "").await.status, 200);
    exceeds(&weak.post_bytes(&format!("{path}/enable"), "").await, "enable");
    assert_eq!(app.client_code(&strong.client_id, &strong.secret).await, "DISABLED");
    // What takes away gives nothing.
    let narrowed = json!({ "name": "renamed", "permissions": ["api:write"] });
    assert_eq!(patch(&weak, &strong, narrowed).await.status, 200);
    let revoke = format!("{path}/secrets/{}", strong.secret_id);
    assert_eq!(weak.delete(&revoke).await.status, 200);
    assert_eq!(weak.delete(&path).await.status, 200);
}

#[tokio::test]
async fn no_secret_outlives_the_key_that_makes_it() {
    let app = TestApp::start().await;
    let account = app.organization.account_id.clone();
    let permissions = ["*:*", "tenantry.*:*"];
    let (end, later) = ("2025-07-11T00:00:00Z", "2025-07-11T00:00:01Z");
    let body = json!({ "permissions": permissions, "expires_at": end });
    let mortal = key_of(&app, &account, body).await;
    let list = list_of(&account);
    let exceeds = |reply: &Reply, what: &str| assert_code(reply, 403, "grant_exceeds_own", what);
    exceeds(&mortal.post_bytes(&list, "").await, "no end");
    let reply = mortal.post(&list, json!({ "secret_expires_at": later })).await;
    exceeds(&reply, "a later end");
    let machine = Machine::of(&mortal.post(&list, json!({ "secret_expires_at": end })).await);
    let secrets = format!("{}/secrets", machine.path());
    exceeds(&mortal.post_bytes(&secrets, "").await, "no end");
    exceeds(&mortal.post(&secrets, json!({ "expires_at": later })).await, "a later end");
    // Nor does it switch on what outlives it.
    let switch = |end: &str| format!("{}/{end}", machine.path());
    assert_eq!(mortal.post_bytes(&switch("disable"), "").await.status, 200);
    assert_eq!(mortal.post_bytes(&switch("enable"), "").await.status, 200);
    assert_eq!(app.owner().post_bytes(&secrets, "").await.status, 201);
    assert_eq!(mortal.post_bytes(&switch("disable"), "").await.status, 200);
    exceeds(&mortal.post_bytes(&switch("enable"), "").await, "enable");
    assert_eq!(app.owner().post_bytes(&switch("enable"), "").await.status, 200);
}

#[tokio::test]
async fn case_39_a_sub_accounts_key_acts_on_its_own_account_alone() {
    let app = TestApp::start().await;
    let (own, sibling) = (app.sub_account("own").await, app.sub_account("sibling").await);
    let root = app.organization.account_id.clone();
    let all = json!({ "permissions": ["*:*", "tenantry.*:*"] });
    let caller = key_of(&app, &own.id, all).await;
    for account in [&sibling.id, &root] {
        let machine = app.machine(account).await;
        let list = list_of(account);
        assert_code(&caller.get(&list).await, 404, "not_found", "list");
        assert_code(&caller.post_bytes(&list, "").await, 404, "not_found", "create");
        for (method, path, body, _) in calls(&machine) {
            let reply = call(&caller, (method, &path, &body)).await;
            assert_code(&reply, 404, "not_found", &path);
        }
        assert_eq!(app.client_code(&machine.client_id, &machine.secret).await, "VALID");
    }
    let made = Machine::of(&caller.post_bytes(&list_of(&own.id), "").await);
    assert_eq!(app.client_code(&made.client_id, &made.secret).await, "VALID");
    // The account above it sees and does the same.
    let seen = app.owner().get(&made.path()).await;
    assert_eq!((&seen.json["id"], &seen.json["account_id"]), (&json!(made.id), &json!(own.id)));
    for (method, path, body, _) in calls(&made) {
        let reply = call(&caller, (method, &path, &body)).await;
        assert!(reply.status.is_success(), "{path}: {}", reply.text);
    }
    // Its first key has nothing of Tenantry's.
    let first = app.bearer(&own.key).get(&list_of(&own.id)).await;
    assert_code(&first, 403, "insufficient_permissions", "first key");
}

#[tokio::test]
async fn cases_8_and_41_a_client_secret_opens_no_route() {
    let app = TestApp::start().await;
    let account = &app.organization.account_id;
    let body = json!({ "permissions": ["*:*", "tenantry.*:*"] });
    let machine = Machine::of(&app.owner().post(&list_of(account), body).await);
    let events = app.count("SELECT count(*) FROM audit_events");
    let caller = app.bearer(&machine.secret);
    for (method, path, body, _) in calls(&machine) {
        let reply = call(&caller, (method, &path, &body)).await;
        assert_code(&reply, 401, "invalid_credentials", &path);
    }
    let reply = caller.post_bytes(&list_of(account), "").await;
    assert_code(&reply, 401, "invalid_credentials", "create");
    let caller = caller.header("x-tenantid", &app.organization.uuid);
    let reply = caller.post_bytes("/api/v1/admin/service-account/create", "").await;
    assert_eq!((reply.refusal().0, &reply.json["error"]), (401, &json!("UNAUTHORIZED")));
    assert_eq!(app.count("SELECT count(*) FROM audit_events"), events);
}

#[tokio::test]
async fn the_operator_acts_for_the_organization_that_they_name() {
    let app = TestApp::start().await;
    let list = list_of(&app.organization.account_id);
    let reply = app.operator().post_bytes(&list, "").await;
    assert_code(&reply, 403, "no_organization", "nobody's");
    let operator = app.operator().header("tenantry-organization", &app.organization.account_id);
    let machine = Machine::of(&operator.post_bytes(&list, "").await);
    assert_eq!(operator.get(&machine.path()).await.status, 200);
    let platform = app.platform().await;
    assert_code(&platform.get(&list).await, 403, "no_organization", "a platform key");
}
