//! The service-accounts dialect beside its create call: the same envelope, the same guards.

use crate::support::{Client, Machine, Reply, TestApp};
use axum::http::Method;
use serde_json::{Value, json};
use tenantry_core::ids::ServiceAccountId;
use tenantry_http::{Access, Effect, ROUTES};

const LIST: &str = "/api/v1/admin/service-account";
const NOW: &str = "2025-07-10T14:35:00.123Z";
const DAY: u64 = 24 * 60 * 60;

fn refusal(message: &str, error: &str) -> Value {
    json!({ "success": false, "message": message, "error": error, "timestamp": NOW })
}

async fn machine(app: &TestApp) -> Machine {
    app.machine(&app.organization.account_id).await
}

async fn patch(client: &Client<'_>, machine: &Machine, changes: &Value) -> Reply {
    client.send(Method::PATCH, &machine.dialect_path(), changes.to_string().into_bytes()).await
}

/// What the dialect shows of a service account of the organization, when nothing was changed.
fn shown(app: &TestApp, machine: &Machine) -> Value {
    let id = ServiceAccountId::parse_native(&machine.id).expect("an id").to_dialect();
    let creator = json!({
        "id": app.organization.member_id, "name": "Deepak purohit", "email": "deepak@example.com",
    });
    json!({
        "id": id, "name": "service-account-20250710143500", "clientId": machine.client_id,
        "clientSecret": null, "type": "service_account", "status": "active",
        "permissions": ["api:read", "api:write"], "createdAt": NOW, "createdBy": creator,
        "tenant": { "id": app.organization.uuid, "name": "Acme Corporation" },
    })
}

fn changed(mut data: Value, field: &str, value: impl Into<Value>) -> Value {
    data[field] = value.into();
    data
}

fn assert_answer(reply: &Reply, message: &str, data: &Value) {
    let expected = json!({ "success": true, "message": message, "data": data, "timestamp": NOW });
    assert_eq!((reply.status.as_u16(), &reply.json), (200, &expected));
}

#[tokio::test]
async fn each_call_answers_in_the_contracts_envelope() {
    let app = TestApp::start().await;
    let (admin, machine) = (app.admin().await, machine(&app).await);
    let (path, data) = (machine.dialect_path(), shown(&app, &machine));
    let order = [
        "success",
        "message",
        "data",
        "id",
        "name",
        "clientId",
        "clientSecret",
        "type",
        "status",
        "permissions",
        "createdAt",
        "createdBy",
        "tenant",
        "timestamp",
    ];
    let read = admin.get(&path).await;
    assert_answer(&read, "Service account retrieved successfully", &data);
    let mut at = 0;
    for field in order {
        let found = read.text[at..].find(&format!("\"{field}\":"));
        at += found.unwrap_or_else(|| panic!("{field} in {}", read.text));
    }
    let disabled = changed(data.clone(), "status", "disabled");
    let reply = admin.post_bytes(&format!("{path}/disable"), "").await;
    assert_answer(&reply, "Service account disabled successfully", &disabled);
    assert_eq!(app.client_code(&machine.client_id, &machine.secret).await, "DISABLED");
    let reply = admin.post_bytes(&format!("{path}/enable"), "").await;
    assert_answer(&reply, "Service account enabled successfully", &data);
    assert_eq!(app.client_code(&machine.client_id, &machine.secret).await, "VALID");
    let reply = admin.post_bytes(&format!("{path}/rotate"), "").await;
    let secret = reply.text_at("/data/clientSecret").to_owned();
    let rotated = changed(data.clone(), "clientSecret", secret);
    assert_answer(&reply, "Client secret rotated successfully", &rotated);
    assert_eq!(reply.header("cache-control"), "no-store");
    let reply = admin.delete(&path).await;
    let deleted = changed(data, "status", "deleted");
    assert_answer(&reply, "Service account deleted successfully", &deleted);
    assert_eq!(admin.get(&path).await.refusal(), (404, &refusal("Not found", "INVALID_REQUEST")));
}

#[tokio::test]
async fn what_the_contracts_call_made_reads_as_it_was_made() {
    let app = TestApp::start().await;
    let made = app.service_account(&app.organization.uuid).await;
    let read = app.admin().await.get(&format!("{LIST}/{}", made.text_at("/data/id"))).await;
    assert_eq!(read.json["data"], changed(made.json["data"].clone(), "clientSecret", Value::Null));
}

#[tokio::test]
async fn service_accounts_are_listed_in_numbered_pages() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    app.machine(&app.sub_account("a").await.id).await;
    let mut names = Vec::new();
    for _ in 0..5 {
        let made = app.service_account(&app.organization.uuid).await;
        names.push(made.text_at("/data/name").to_owned());
        app.advance(1);
    }
    for (query, page, size, seen, more) in [
        ("", 1, 20, &names[..], false),
        ("?pageSize=2", 1, 2, &names[..2], true),
        ("?page=2&pageSize=2", 2, 2, &names[2..4], true),
        ("?page=3&pageSize=2", 3, 2, &names[4..], false),
        ("?pageSize=5", 1, 5, &names[..], false),
        ("?page=1000000&pageSize=100", 1_000_000, 100, &[], false),
    ] {
        let reply = admin.get(&format!("{LIST}{query}")).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
        let data = reply.json["data"].as_array().expect("a list");
        let listed: Vec<_> = data.iter().map(|each| each["name"].as_str().expect("one")).collect();
        assert_eq!(listed, seen, "{query}");
        assert!(data.iter().all(|each| each["clientSecret"].is_null()));
        let pagination = json!({ "page": page, "pageSize": size, "hasMore": more });
        assert_eq!(reply.json["pagination"], pagination, "{query}");
        assert_eq!(reply.json["message"], "Service accounts retrieved successfully");
    }
    for (query, message) in [
        ("page=0", "page must be between 1 and 1000000"),
        ("page=1000001", "page must be between 1 and 1000000"),
        ("pageSize=0", "pageSize must be between 1 and 100"),
        ("pageSize=101", "pageSize must be between 1 and 100"),
        ("page=x", "page is not well-formed"),
        ("pageSize=-1", "pageSize is not well-formed"),
        ("size=1", "the route has no such query parameter"),
        ("page=1&page=2", "a query parameter occurs twice"),
    ] {
        let reply = admin.get(&format!("{LIST}?{query}")).await;
        let (status, json) = reply.refusal();
        assert_eq!((status, &json["error"]), (400, &json!("INVALID_REQUEST")), "{query}");
        assert_eq!(json["message"], message, "{query}");
    }
}

#[tokio::test]
async fn a_patch_changes_name_permissions_and_status() {
    let app = TestApp::start().await;
    let (admin, machine) = (app.admin().await, machine(&app).await);
    let mut data = shown(&app, &machine);
    for (changes, field, value, code) in [
        (json!({ "name": "ci" }), "name", json!("ci"), "VALID"),
        (json!({ "permissions": ["api:read"] }), "permissions", json!(["api:read"]), "VALID"),
        (json!({ "status": "disabled" }), "status", json!("disabled"), "DISABLED"),
        // What is not known is ignored.
        (json!({ "status": "active", "note": 7 }), "status", json!("active"), "VALID"),
    ] {
        data = changed(data, field, value);
        let reply = patch(&admin, &machine, &changes).await;
        assert_answer(&reply, "Service account updated successfully", &data);
        assert_eq!(app.client_code(&machine.client_id, &machine.secret).await, code);
    }
    let all = json!({ "name": "all", "permissions": ["api:write"], "status": "disabled" });
    assert_eq!(patch(&admin, &machine, &all).await.status, 200);
    let trail = |action: &str, fields: &str| {
        app.count(&format!(
            "SELECT count(*) FROM audit_events WHERE action = 'service_account.{action}'
             AND facts LIKE '%\"{fields}\"%'"
        ))
    };
    assert_eq!(trail("disabled", "name,permissions,status"), 1);
    assert_eq!((trail("disabled", "status"), trail("enabled", "status")), (1, 1));
    assert_eq!((trail("updated", "name"), trail("updated", "permissions")), (1, 1));
}

#[tokio::test]
async fn a_patch_that_cannot_be_obeyed_is_refused_with_the_fields_name() {
    let app = TestApp::start().await;
    let (admin, machine) = (app.admin().await, machine(&app).await);
    for (changes, message) in [
        (json!({ "name": "" }), "name must not be blank"),
        (json!({ "name": null }), "name must be a string"),
        (json!({ "permissions": ["x"] }), "permissions is not a known permission"),
        (json!({ "permissions": "x" }), "permissions must be an array of strings"),
        (json!({ "permissions": [1] }), "permissions must be an array of strings"),
        (json!({ "status": "deleted" }), "status is not well-formed"),
        (json!({ "status": true }), "status must be a string"),
        (json!({ "clientId": "x", "name": "a" }), "clientId is set by the server"),
        (json!({ "tenant": {}, "name": "a" }), "tenant is set by the server"),
        (json!({}), "No valid fields provided"),
        (json!({ "note": 1 }), "No valid fields provided"),
        (json!([]), "the body is not a JSON object"),
    ] {
        let reply = patch(&admin, &machine, &changes).await;
        assert_eq!(reply.refusal(), (400, &refusal(message, "INVALID_REQUEST")), "{changes}");
    }
    let other = Machine::of(
        &app.owner()
            .post(
                &format!("/v1/accounts/{}/service-accounts", app.organization.account_id),
                json!({ "name": "taken" }),
            )
            .await,
    );
    let reply = patch(&admin, &machine, &json!({ "name": "taken" })).await;
    assert_eq!(reply.refusal(), (409, &refusal("Conflict", "INVALID_REQUEST")));
    for machine in [&machine, &other] {
        assert_eq!(app.client_code(&machine.client_id, &machine.secret).await, "VALID");
    }
    assert_eq!(app.count("SELECT count(*) FROM service_accounts WHERE version > 1"), 0);
}

/// Rotates and gives the new secret.
async fn rotate(app: &TestApp, machine: &Machine, body: &str) -> String {
    let path = format!("{}/rotate", machine.dialect_path());
    let reply = app.admin().await.post_bytes(&path, body.to_owned()).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    reply.text_at("/data/clientSecret").to_owned()
}

#[tokio::test]
async fn the_old_secret_lives_for_the_grace_and_not_longer() {
    let app = TestApp::start().await;
    let machine = machine(&app).await;
    let code = async |secret: &str| app.client_code(&machine.client_id, secret).await;
    let second = rotate(&app, &machine, r#"{"gracePeriodSeconds":60}"#).await;
    assert_eq!(
        (code(&machine.secret).await, code(&second).await),
        ("VALID".into(), "VALID".into())
    );
    app.advance(59);
    assert_eq!(code(&machine.secret).await, "VALID");
    app.advance(1);
    assert_eq!(code(&machine.secret).await, "EXPIRED");
    // Without a grace it ends at once, whether that is said or not.
    let third = rotate(&app, &machine, "").await;
    assert_eq!((code(&second).await, code(&third).await), ("REVOKED".into(), "VALID".into()));
    let fourth = rotate(&app, &machine, r#"{"gracePeriodSeconds":0}"#).await;
    assert_eq!((code(&third).await, code(&fourth).await), ("REVOKED".into(), "VALID".into()));
    assert!(!app.stores(&fourth));
}

#[tokio::test]
async fn a_second_rotation_inside_the_grace_ends_the_oldest_at_once() {
    let app = TestApp::start().await;
    let machine = machine(&app).await;
    let code = async |secret: &str| app.client_code(&machine.client_id, secret).await;
    let grace = r#"{"gracePeriodSeconds":2592000}"#;
    let second = rotate(&app, &machine, grace).await;
    for secret in [&machine.secret, &second] {
        assert_eq!(code(secret).await, "VALID");
    }
    // Even within one instant it is known which is the oldest.
    let third = rotate(&app, &machine, grace).await;
    assert_eq!(code(&machine.secret).await, "REVOKED");
    for secret in [&second, &third] {
        assert_eq!(code(secret).await, "VALID");
    }
    let native = app.owner().post_bytes(&format!("{}/secrets", machine.path()), "").await;
    assert_eq!((native.refusal().0, &native.json["code"]), (409, &json!("limit_reached")));
    app.advance(30 * DAY);
    assert_eq!((code(&second).await, code(&third).await), ("EXPIRED".into(), "VALID".into()));
    let events = "SELECT count(*) FROM audit_events WHERE action = 'secret.rotated'";
    assert_eq!(app.count(events), 2);
}

#[tokio::test]
async fn a_rotation_prolongs_nothing() {
    let app = TestApp::start().await;
    let path = format!("/v1/accounts/{}/service-accounts", app.organization.account_id);
    let ends = json!({ "secret_expires_at": "2025-07-10T14:36:00Z" });
    let machine = Machine::of(&app.owner().post(&path, ends).await);
    let code = async |secret: &str| app.client_code(&machine.client_id, secret).await;
    let second = rotate(&app, &machine, r#"{"gracePeriodSeconds":3600}"#).await;
    // Its successor gone, it is rotated again: what it had of its grace is all that it gets.
    let shown = app.owner().get(&machine.path()).await;
    let secrets = shown.json["secrets"].as_array().expect("a list").clone();
    assert_eq!(secrets.len(), 2);
    for secret in &secrets {
        assert_eq!(secret["expires_at"], "2025-07-10T14:36:00.000000Z");
    }
    let successor = secrets.iter().find(|secret| secret["grace_expires_at"].is_null());
    let successor = successor.expect("the new one")["id"].as_str().expect("an id").to_owned();
    let revoked = app.owner().delete(&format!("{}/secrets/{successor}", machine.path())).await;
    assert_eq!(revoked.status, 200, "{}", revoked.text);
    assert_eq!(code(&second).await, "REVOKED");
    let third = rotate(&app, &machine, r#"{"gracePeriodSeconds":7200}"#).await;
    assert_eq!((code(&machine.secret).await, code(&third).await), ("VALID".into(), "VALID".into()));
    app.advance(60);
    assert_eq!(
        (code(&machine.secret).await, code(&third).await),
        ("EXPIRED".into(), "EXPIRED".into())
    );
    // Nothing lives: what comes now takes nobody's place.
    let fourth = rotate(&app, &machine, r#"{"gracePeriodSeconds":60}"#).await;
    assert_eq!(code(&fourth).await, "VALID");
}

#[tokio::test]
async fn of_many_rotations_at_once_two_secrets_live() {
    let app = TestApp::start().await;
    let machine = machine(&app).await;
    let (admin, path) = (app.admin().await, format!("{}/rotate", machine.dialect_path()));
    let body = r#"{"gracePeriodSeconds":60}"#;
    let rotations = (0..6).map(|_| admin.post_bytes(&path, body));
    let replies = futures_util::future::join_all(rotations).await;
    let mut living = 0;
    for reply in replies.iter().filter(|reply| reply.status == 200) {
        let secret = reply.text_at("/data/clientSecret");
        living += usize::from(app.client_code(&machine.client_id, secret).await == "VALID");
    }
    living += usize::from(app.client_code(&machine.client_id, &machine.secret).await == "VALID");
    assert_eq!(living, 2);
    for reply in replies.iter().filter(|reply| reply.status != 200) {
        assert_eq!(reply.refusal(), (409, &refusal("Conflict", "INVALID_REQUEST")));
    }
}

#[tokio::test]
async fn a_grace_is_a_whole_number_of_seconds_up_to_thirty_days() {
    let app = TestApp::start().await;
    let (admin, machine) = (app.admin().await, machine(&app).await);
    let path = format!("{}/rotate", machine.dialect_path());
    let range = "gracePeriodSeconds must be between 0 and 2592000";
    let integer = "gracePeriodSeconds must be an integer";
    for (grace, message) in [
        ("-1", range),
        ("2592001", range),
        ("9223372036854775807", range),
        ("18446744073709551615", range),
        ("1.0", integer),
        ("1e3", integer),
        ("\"60\"", integer),
        ("null", integer),
        ("true", integer),
    ] {
        let body = format!(r#"{{"gracePeriodSeconds":{grace}}}"#);
        let reply = admin.post_bytes(&path, body).await;
        assert_eq!(reply.refusal(), (400, &refusal(message, "INVALID_REQUEST")), "{grace}");
    }
    let reply = admin.post_bytes(&path, r#"{"clientSecret":"sa_secret_x"}"#).await;
    let message = "clientSecret is set by the server";
    assert_eq!(reply.refusal(), (400, &refusal(message, "INVALID_REQUEST")));
    assert_eq!(admin.post_bytes(&path, "[]").await.refusal().0, 400);
    assert_eq!(app.client_code(&machine.client_id, &machine.secret).await, "VALID");
}

/// Each call of the dialect that names a service account: its method, and what stands after the id.
fn calls() -> Vec<(Method, &'static str)> {
    let calls: Vec<_> = ROUTES
        .iter()
        .filter(|route| route.access == Access::Member)
        .filter_map(|route| Some((route.method.clone(), route.path.strip_prefix(LIST)?)))
        .filter_map(|(method, rest)| Some((method, rest.strip_prefix("/{id}")?)))
        .collect();
    assert!(calls.len() >= 6);
    calls
}

#[tokio::test]
async fn case_37_what_is_not_the_tenants_is_not_there() {
    let app = TestApp::start().await;
    let foreign = app.organization("Other").await;
    let theirs = app.machine_of(&foreign, &foreign.account_id).await;
    let own = machine(&app).await;
    let unknown = format!("{LIST}/sa-550e8400-e29b-41d4-a716-446655440001");
    let native = format!("{LIST}/{}", own.id);
    let admin = app.admin().await;
    let body = json!({ "name": "changed" }).to_string();
    for (method, end) in calls() {
        let send = async |path: &str| {
            admin.send(method.clone(), &format!("{path}{end}"), body.clone().into_bytes()).await
        };
        let expected = send(&unknown).await;
        assert_eq!(expected.refusal(), (404, &refusal("Not found", "INVALID_REQUEST")), "{end}");
        for path in [&theirs.dialect_path(), &native, &format!("{LIST}/nonsense")] {
            let reply = send(path).await;
            assert_eq!((reply.status, &reply.text), (expected.status, &expected.text), "{path}");
        }
    }
    let changed = "SELECT count(*) FROM service_accounts WHERE version > 1 OR status <> 'active'";
    assert_eq!(app.count(changed), 0);
    assert_eq!(app.count("SELECT count(*) FROM credentials WHERE version > 1"), 0);
}

#[tokio::test]
async fn every_call_has_the_guards_of_the_contracts_own() {
    let app = TestApp::start().await;
    let machine = machine(&app).await;
    let other = app.organization("Other").await;
    let uuid = &app.organization.uuid;
    let viewer = app.token(uuid, "viewer").await;
    let admin = app.token(uuid, "tenant_admin").await;
    let paths = calls().into_iter().map(|(method, end)| (method, machine.dialect_path() + end));
    let body = json!({ "name": "changed" }).to_string();
    let denied = refusal("Insufficient permissions", "FORBIDDEN");
    let stranger = refusal("Authentication failed", "UNAUTHORIZED");
    for (method, path) in paths.chain([(Method::GET, LIST.to_owned())]) {
        let send = async |client: Client<'_>| {
            client.send(method.clone(), &path, body.clone().into_bytes()).await
        };
        let as_key = app.owner().header("x-tenantid", uuid);
        assert_eq!(send(as_key).await.refusal(), (401, &stranger), "{path}");
        let anybody = app.stranger().header("x-tenantid", uuid);
        assert_eq!(send(anybody).await.refusal(), (401, &stranger), "{path}");
        let reply = send(app.bearer(&viewer).header("x-tenantid", uuid)).await;
        assert_eq!(reply.refusal(), (403, &denied), "{path}");
        let reply = send(app.bearer(&admin).header("x-tenantid", &other.uuid)).await;
        assert_eq!(reply.refusal(), (403, &denied), "{path}");
        let reply = send(app.bearer(&admin)).await;
        let invalid = refusal("x-tenantid must be one UUID", "INVALID_REQUEST");
        assert_eq!(reply.refusal(), (400, &invalid), "{path}");
        let realm = app.bearer(&admin).header("x-tenantid", uuid).header("realmname", "other");
        assert_eq!(send(realm).await.refusal(), (401, &stranger), "{path}");
    }
    assert_eq!(app.client_code(&machine.client_id, &machine.secret).await, "VALID");
    assert_eq!(app.count("SELECT count(*) FROM service_accounts WHERE version > 1"), 0);
}

#[tokio::test]
async fn nothing_is_done_for_a_tenant_that_is_not_active() {
    let app = TestApp::start().await;
    let (admin, machine) = (app.admin().await, machine(&app).await);
    let path = format!("/operator/organizations/{}/suspended", app.organization.uuid);
    assert_eq!(app.operator().post(&path, json!({ "suspended": true })).await.status, 200);
    let denied = refusal("Insufficient permissions", "FORBIDDEN");
    let body = json!({ "name": "changed" }).to_string().into_bytes();
    for (method, end) in calls() {
        let path = machine.dialect_path() + end;
        let reply = admin.send(method, &path, body.clone()).await;
        assert_eq!(reply.refusal(), (403, &denied), "{path}");
    }
    assert_eq!(admin.get(LIST).await.refusal(), (403, &denied));
}

#[tokio::test]
async fn an_administrator_reaches_the_service_accounts_of_the_tenants_sub_accounts_by_id() {
    let app = TestApp::start().await;
    let machine = app.machine(&app.sub_account("a").await.id).await;
    let admin = app.admin().await;
    let reply = admin.get(&machine.dialect_path()).await;
    assert_answer(&reply, "Service account retrieved successfully", &shown(&app, &machine));
    assert_eq!(admin.get(LIST).await.json["data"], json!([]));
}

#[test]
fn what_changes_something_is_marked_so() {
    for route in ROUTES.iter().filter(|route| route.path.starts_with(LIST)) {
        let reads = route.method == Method::GET;
        assert_eq!(route.effect == Effect::Reads, reads, "{} {}", route.method, route.path);
    }
}
