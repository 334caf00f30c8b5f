//! No route without its cases: who may call it, and what it leaves in the audit trail.

use crate::audit::trail;
use crate::support::{Client, TestApp, form_of, realm_body};
use axum::http::Method;
use serde_json::{Value, json};
use tenantry_http::{Access, Effect, ROUTES, Route};

/// The audit event that a changing route writes; none for traffic. A new route without a row here
/// fails.
fn event(route: &Route) -> Option<&'static str> {
    let event = match (route.method.as_str(), route.path) {
        (
            "POST",
            "/v1/accounts" | "/v1/accounts/bulk" | "/sub-accounts/create" | "/api/v1/accounts",
        ) => "account.created",
        ("POST", "/v1/keys/import") => "key.imported",
        ("PATCH", "/v1/accounts/{id}" | "/sub-accounts/{id}")
        | ("PUT", "/v1/accounts/{id}/limits") => "account.updated",
        // Calls come and go; what they took stands in their records.
        ("POST", "/v1/leases" | "/v1/leases/{id}/renew" | "/v1/leases/{id}/release") => {
            return None;
        }
        ("POST", "/v1/accounts/{id}/suspend" | "/operator/organizations/{id}/suspended") => {
            "account.suspended"
        }
        ("POST", "/v1/accounts/{id}/resume") => "account.resumed",
        ("POST", "/v1/accounts/{id}/close") | ("DELETE", "/sub-accounts/{id}") => "account.closed",
        ("POST", "/v1/accounts/{id}/keys") => "key.created",
        ("PATCH", "/v1/keys/{id}") => "key.updated",
        ("POST", "/v1/keys/{id}/disable") => "key.disabled",
        ("POST", "/v1/keys/{id}/enable") => "key.enabled",
        ("POST", "/v1/keys/{id}/rotate") => "key.rotated",
        ("POST", "/v1/keys/{id}/revoke") | ("DELETE", "/v1/keys/{id}") => "key.revoked",
        ("POST", "/v1/accounts/{id}/service-accounts" | "/api/v1/admin/service-account/create") => {
            "service_account.created"
        }
        ("PATCH", "/v1/service-accounts/{id}" | "/api/v1/admin/service-account/{id}") => {
            "service_account.updated"
        }
        ("DELETE", "/v1/service-accounts/{id}" | "/api/v1/admin/service-account/{id}") => {
            "service_account.deleted"
        }
        (
            "POST",
            "/v1/service-accounts/{id}/disable" | "/api/v1/admin/service-account/{id}/disable",
        ) => "service_account.disabled",
        (
            "POST",
            "/v1/service-accounts/{id}/enable" | "/api/v1/admin/service-account/{id}/enable",
        ) => "service_account.enabled",
        ("POST", "/v1/service-accounts/{id}/secrets") => "secret.created",
        ("DELETE", "/v1/service-accounts/{id}/secrets/{secret}") => "secret.revoked",
        ("POST", "/api/v1/admin/service-account/{id}/rotate") => "secret.rotated",
        ("PUT", "/v1/service-accounts/{id}/jwks") => "client_keys.changed",
        ("POST", "/v1/service-accounts/{id}/revoke-tokens") => "tokens.revoked",
        ("POST", "/v1/realms") => "realm.created",
        ("DELETE", "/v1/realms/{id}") => "realm.deleted",
        ("POST", "/oauth2/revoke") => "token.revoked",
        ("POST", "/v1/accounts/{id}/database/credentials") => "database.connected",
        ("POST", "/v1/accounts/{id}/database/rotate") => "database.rotated",
        ("POST", "/operator/databases/{id}/migrate") => "database.migrated",
        // The same keys under another one: nothing that anybody has becomes something else.
        ("POST", "/operator/databases/rewrap") => return None,
        ("POST", "/operator/signing-keys") => "signing_key.created",
        ("POST", "/operator/initialize" | "/operator/organizations") => "organization.created",
        ("POST", "/operator/organizations/{id}/entitlement") => "entitlement.taken",
        ("POST", "/operator/tokens") => "token.issued",
        ("POST", "/operator/platform-keys") => "platform_key.created",
        (method, path) => panic!("{method} {path} changes something and has no audit expectation"),
    };
    Some(event)
}

/// Routes that answer where a customer has a server: `tests/databases/` has them.
const NEED_A_SERVER: [&str; 5] = [
    "/v1/accounts/{id}/database",
    "/v1/accounts/{id}/database/credentials",
    "/v1/accounts/{id}/database/rotate",
    "/operator/databases/{id}",
    "/operator/databases/{id}/migrate",
];

/// A request that the route carries out, and its caller's token where it has one.
async fn perform(app: &TestApp, route: &Route) -> u16 {
    let organization = json!({ "organization": "o", "name": "n", "email": "e@example.com" });
    // No body but where something is changed.
    let change =
        if route.method == Method::PATCH { json!({ "name": "changed" }) } else { Value::Null };
    let (id, body) = match route.path {
        "/v1/keys/{id}" if route.method == Method::PATCH => {
            (app.sub_account("k").await.key_id, json!({ "name": "x" }))
        }
        "/v1/accounts/{id}" | "/v1/accounts/{id}/suspend" | "/v1/accounts/{id}/close" => {
            (app.sub_account("a").await.id, change)
        }
        "/v1/accounts/{id}/resume" => {
            let id = app.sub_account("a").await.id;
            let path = format!("/v1/accounts/{id}/suspend");
            assert_eq!(app.owner().post(&path, Value::Null).await.status, 200);
            (id, Value::Null)
        }
        "/sub-accounts/{id}" | "/sub-accounts/{id}/usage" => {
            (app.sub_account("a").await.uuid, change)
        }
        "/v1/keys/{id}"
        | "/v1/keys/{id}/revoke"
        | "/v1/keys/{id}/disable"
        | "/api/v1/api_keys/{id}" => (app.sub_account("k").await.key_id, Value::Null),
        "/v1/keys/{id}/enable" => {
            let id = app.sub_account("k").await.key_id;
            let disable = format!("/v1/keys/{id}/disable");
            assert_eq!(app.owner().post(&disable, json!({})).await.status, 200);
            (id, Value::Null)
        }
        "/v1/keys/{id}/rotate" => {
            (app.sub_account("k").await.key_id, json!({ "grace_seconds": 60 }))
        }
        "/v1/accounts/{id}/keys" => (app.sub_account("a").await.id, json!({ "name": "x" })),
        "/v1/accounts/{id}/service-accounts" => (app.sub_account("a").await.id, Value::Null),
        path if path.contains("/service-account") && path.contains("{id}") => {
            return perform_on_machine(app, route).await;
        }
        "/v1/accounts" | "/sub-accounts/create" => (String::new(), json!({ "name": "x" })),
        "/v1/accounts/bulk" => (String::new(), json!({ "accounts": [{ "name": "x" }] })),
        "/api/v1/accounts" => (
            String::new(),
            json!({ "data": { "type": "accounts", "attributes": { "name": "x" } } }),
        ),
        "/v1/keys/import" => (
            String::new(),
            json!({ "keys": [{ "hash": { "algorithm": "sha256", "value": "0".repeat(64) } }] }),
        ),
        "/v1/accounts/{id}/limits" => (app.sub_account("a").await.id, json!({ "concurrency": 5 })),
        "/v1/leases" => {
            let id = app.sub_account("a").await.id;
            (String::new(), json!({ "account_id": id, "ttl_seconds": 60 }))
        }
        "/v1/leases/{id}/renew" | "/v1/leases/{id}/release" => {
            (app.lease(&app.sub_account("a").await.id).await, Value::Null)
        }
        "/v1/realms" if route.method == Method::POST => (String::new(), realm_body("a")),
        "/v1/realms/{id}" => {
            let made = app.owner().post("/v1/realms", realm_body("a")).await;
            (made.text_at("/id").to_owned(), Value::Null)
        }
        "/v1/keys/verify" => (String::new(), json!({ "key": app.organization.key })),
        "/operator/initialize" | "/operator/organizations" => (String::new(), organization),
        "/operator/organizations/{id}/suspended" => {
            (app.organization("s").await.uuid, json!({ "suspended": true }))
        }
        "/operator/organizations/{id}/entitlement" => (
            app.organization.uuid.clone(),
            json!({ "entitlement": "sub_accounts", "given": false }),
        ),
        "/operator/tokens" => (
            String::new(),
            json!({ "tenant": app.organization.uuid, "role": "viewer", "ttl_seconds": 60 }),
        ),
        "/operator/databases/rewrap" => (String::new(), json!({})),
        "/operator/platform-keys" => (String::new(), json!({ "name": "p" })),
        _ => (String::new(), Value::Null),
    };
    let caller = match route.access {
        Access::Open => app.stranger(),
        Access::Key => app.owner(),
        Access::Client => {
            let machine = app.machine(&app.organization.account_id).await;
            let token = app.access_token(&machine).await;
            let form = [("token", &*token), ("grant_type", "client_credentials")];
            let body = form_of(&form);
            let caller = app.machine_client(&machine);
            return send_bytes(app, route, &caller, route.path, body).await;
        }
        Access::Member => {
            let token = app.token(&app.organization.uuid, "tenant_admin").await;
            app.bearer(&token).header("x-tenantid", &app.organization.uuid)
        }
        Access::Operator => app.operator(),
    };
    send(app, route, &caller, &route.path.replace("{id}", &id), &body).await
}

/// As [`perform`], for a route that names a service account.
async fn perform_on_machine(app: &TestApp, route: &Route) -> u16 {
    let machine = app.machine(&app.organization.account_id).await;
    let (path, caller) = match route.access {
        Access::Member => (machine.dialect_path(), app.admin().await),
        _ => (machine.path(), app.owner()),
    };
    let (_, end) = route.path.split_once("{id}").expect("an id");
    if end == "/enable" {
        let disable = format!("{}/disable", machine.path());
        assert_eq!(app.owner().post(&disable, json!({})).await.status, 200);
    }
    let body = match route.method {
        Method::PATCH => json!({ "name": "changed" }),
        Method::PUT => json!({ "keys": [] }),
        _ => Value::Null,
    };
    let path = path + &end.replace("{secret}", &machine.secret_id);
    send(app, route, &caller, &path, &body).await
}

async fn send(app: &TestApp, route: &Route, caller: &Client<'_>, path: &str, body: &Value) -> u16 {
    // A read has no body, whatever a change of the same path would have.
    let body = if body.is_null() || route.method == Method::GET {
        Vec::new()
    } else {
        body.to_string().into_bytes()
    };
    send_bytes(app, route, caller, path, body).await
}

async fn send_bytes(
    app: &TestApp,
    route: &Route,
    caller: &Client<'_>,
    path: &str,
    body: Vec<u8>,
) -> u16 {
    let events = event_count(app, route);
    let status = caller.send(route.method.clone(), path, body).await.status.as_u16();
    if route.effect != Effect::Reads && status < 300 {
        let one_more = i64::from(event(route).is_some());
        assert_eq!(event_count(app, route), events + one_more, "{} {path}", route.method);
    }
    // The events say of every row that was written which version it has.
    if !app.is_shared() {
        let report = trail(app);
        assert_eq!(report.findings.wrong, 0, "{} {path}: {report:?}", route.method);
    }
    status
}

fn event_count(app: &TestApp, route: &Route) -> i64 {
    if route.effect == Effect::Reads {
        return 0;
    }
    match event(route) {
        Some(action) => {
            app.count(&format!("SELECT count(*) FROM audit_events WHERE action = '{action}'"))
        }
        None => app.count("SELECT count(*) FROM audit_events"),
    }
}

#[tokio::test]
async fn every_route_answers_its_caller_and_writes_one_audit_event_where_it_changes_something() {
    for route in ROUTES.iter().filter(|route| !NEED_A_SERVER.contains(&route.path)) {
        let app = TestApp::start().await;
        let status = perform(&app, route).await;
        // The one route that can succeed only once was used up when the app started.
        let expected = if route.path == "/operator/initialize" { 409..410 } else { 200..300 };
        assert!(expected.contains(&status), "{} {} gave {status}", route.method, route.path);
    }
}

#[tokio::test]
async fn every_route_refuses_whom_it_is_not_for() {
    let app = TestApp::start().await;
    for route in ROUTES.iter().filter(|route| route.access != Access::Open) {
        let path = route.path.replace("{id}", &app.organization.uuid).replace("{secret}", "x");
        let expected = if route.access == Access::Operator { 404 } else { 401 };
        let reply = app.stranger().send(route.method.clone(), &path, b"{}".to_vec()).await;
        assert_eq!(reply.refusal().0, expected, "{path}");
        let unknown = app.bearer("sa-00000000000000000000000000000000");
        let reply = unknown.send(route.method.clone(), &path, b"{}".to_vec()).await;
        assert_eq!(reply.refusal().0, expected, "{path}");
    }
}

#[tokio::test]
async fn a_route_that_only_reads_is_marked_so() {
    for route in ROUTES.iter().filter(|route| route.effect == Effect::Reads) {
        // A token is written down nowhere.
        let reads = ["/v1/keys/verify", "/oauth2/token", "/oauth2/introspect"];
        let reads = route.method == Method::GET || reads.contains(&route.path);
        assert!(reads, "{} {}", route.method, route.path);
    }
}
