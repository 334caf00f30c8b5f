//! Credentials of tenant databases: who gets them, and how they are replaced.

use crate::provisioning::text;
use crate::support::{Customer, May, Settings, TestApp, sites};
use hyper::{Method, StatusCode};
use serde_json::{Value, json};
use std::time::Duration;

fn login(role: &Value) -> (&str, &str) {
    (text(role, "user"), text(role, "password"))
}

/// Whether a role comes in.
fn comes_in(customer: &Customer<'_>, role: &Value) -> bool {
    customer.site.query_as(login(role), &customer.name, "SELECT 1").is_ok()
}

#[tokio::test]
async fn credentials_take_their_own_permission_and_are_audited_and_not_stored() {
    let Some(site) = sites().into_iter().next() else { return };
    let app = TestApp::start(Settings::default()).await;
    let customer = Customer::new(site, May::MakeBoth);
    let made = app.made(&customer).await;
    let id = text(&made, "id");
    let path = format!("/v1/accounts/{id}/database/credentials");
    for (permissions, status) in [
        (json!(["tenantry.databases:read", "tenantry.accounts:write"]), 403),
        (json!(["*:*"]), 403),
        (json!(["tenantry.databases:connect"]), 200),
    ] {
        let (_, whoami) = app.get("/v1/whoami").await;
        let root = text(&whoami["account"], "id").to_owned();
        let keys = format!("/v1/accounts/{root}/keys");
        let (_, key) = app.post(&keys, &json!({ "permissions": permissions })).await;
        let (got, headers, body) =
            app.send(Method::POST, &path, text(&key, "secret"), Some(&json!({})), None).await;
        assert_eq!(got.as_u16(), status, "{body}");
        assert_eq!(headers["cache-control"], "no-store");
    }
    // The sub-account's own key, which may all that is the product's, is not given them.
    let own = text(&made, "api_key");
    assert_eq!(app.call(Method::POST, &path, own, None).await.0, StatusCode::FORBIDDEN);
    let (_, events) = app.get("/v1/audit-events?action=database.connected").await;
    assert_eq!(events["data"].as_array().map(Vec::len), Some(1));
    assert!(events.to_string().contains("svc_"), "which login");
    // Sent again, it is answered the same and told once.
    let send = async || {
        let key = Some("0123456789abcdef");
        app.send(Method::POST, &path, &app.key, Some(&json!({})), key).await
    };
    let (first, again) = (send().await, send().await);
    assert_eq!(first.2, again.2);
    assert!(again.1.contains_key("idempotent-replayed"));
    let (_, events) = app.get("/v1/audit-events?action=database.connected").await;
    assert_eq!(events["data"].as_array().map(Vec::len), Some(2));
    // An account without one, and none at all, are the same.
    let (_, plain) = app.post("/v1/accounts", &json!({ "name": "plain" })).await;
    let plain = text(&plain["account"], "id");
    let none = app.post(&format!("/v1/accounts/{plain}/database/credentials"), &json!({})).await;
    assert_eq!(none.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_rotation_lets_the_login_before_go_on_for_its_grace_and_no_longer() {
    for site in sites() {
        let app = TestApp::start(Settings::default()).await;
        let customer = Customer::new(site, May::MakeBoth);
        let made = app.made(&customer).await;
        let id = text(&made, "id");
        let path = format!("/v1/accounts/{id}/database/rotate");
        let first = app.credentials(id).await;
        let (status, second) = app.post(&path, &json!({ "grace_seconds": 60 })).await;
        assert_eq!(status, StatusCode::OK, "{second}");
        assert_ne!(login(&first), login(&second));
        assert_eq!(login(&app.credentials(id).await), login(&second));
        assert!(comes_in(&customer, &first) && comes_in(&customer, &second));
        // What one made, the other may use: both act as the owner.
        let table = "CREATE TABLE orders AS SELECT 1 AS id";
        site.query_as(login(&first), &customer.name, table).expect("made");
        let sql = "ALTER TABLE orders ADD COLUMN more int";
        site.query_as(login(&second), &customer.name, sql).expect("altered");
        let (status, body) = app.post(&path, &json!({ "grace_seconds": 60 })).await;
        assert_eq!((status, text(&body, "code")), (StatusCode::CONFLICT, "database_rotating"));

        app.clock.advance(Duration::from_secs(59));
        assert_eq!(app.plane.work_on_databases().await.expect("looked"), 0);
        app.clock.advance(Duration::from_secs(2));
        assert_eq!(app.plane.work_on_databases().await.expect("looked"), 1);
        assert!(!comes_in(&customer, &first) && comes_in(&customer, &second));
        let (_, database) = app.get(&format!("/v1/accounts/{id}/database")).await;
        assert!(database["overlap_until"].is_null(), "{database}");

        // Back again, and at once: whoever has read a password has it no more.
        let (status, third) = app.post(&path, &json!({})).await;
        assert_eq!(status, StatusCode::OK, "{third}");
        assert_eq!(login(&third).0, login(&first).0);
        assert!(comes_in(&customer, &third));
        assert!(!comes_in(&customer, &first) && !comes_in(&customer, &second));
        // Also while another login goes on.
        let (_, fourth) = app.post(&path, &json!({ "grace_seconds": 3600 })).await;
        let (status, fifth) = app.post(&path, &json!({ "grace_seconds": 0 })).await;
        assert_eq!(status, StatusCode::OK, "{fifth}");
        let live = [&third, &fourth, &fifth].map(|role| comes_in(&customer, role));
        assert_eq!(live, [false, false, true]);
    }
}

#[tokio::test]
async fn the_owner_of_a_database_may_do_nothing_to_the_plane_by_it() {
    let Some(site) = sites().into_iter().next() else { return };
    let app = TestApp::start(Settings::default()).await;
    let customer = Customer::new(site, May::MakeBoth);
    let made = app.made(&customer).await;
    let id = text(&made, "id");
    let role = app.credentials(id).await;
    // Case 77: what is found first by a name without a schema.
    for sql in [
        "CREATE FUNCTION public.now() RETURNS timestamptz LANGUAGE sql AS 'SELECT 1/0; SELECT null'",
        "CREATE SCHEMA pg_trap_is_reserved_so_not_this",
        "ALTER TABLE tenantry.account DROP COLUMN profile",
    ] {
        let _ = site.query_as(login(&role), &customer.name, sql);
    }
    let path = format!("/v1/accounts/{id}");
    let (status, body) = app.get(&path).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(body["code"], "tenant_database_unavailable");
    // All that is not in there goes on.
    assert_eq!(app.verdict(text(&made, "api_key")).await, "VALID");
    assert_eq!(app.get(&format!("/sub-accounts/{id}")).await.0, StatusCode::OK);
    for value in ["NULL", "'[1]'", "'{\"city\":7}'", "repeat('x', 5000000)::text::json"] {
        let sql = format!(
            "ALTER TABLE tenantry.account ADD COLUMN IF NOT EXISTS profile json;
             UPDATE tenantry.account SET profile = {value}"
        );
        let _ = site.execute(&customer.name, &sql);
        let (status, _) = app.get(&path).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{value}");
    }
}
