//! The service-accounts dialect: who may, for which tenant, and how many.

use crate::support::{Reply, Settings, TestApp};
use serde_json::{Value, json};
use tenantry_core::plane::Policy;

const PATH: &str = "/api/v1/admin/service-account/create";

fn refusal(message: &str, error: &str) -> Value {
    json!({ "success": false, "message": message, "error": error, "timestamp": "2025-07-10T14:35:00.123Z" })
}

#[tokio::test]
async fn the_reply_has_the_contracts_fields_and_formats() {
    let app = TestApp::start().await;
    let reply = app.service_account(&app.organization.uuid).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    let data = &reply.json["data"];
    assert_eq!(data["name"], "service-account-20250710143500");
    assert_eq!(data["createdAt"], "2025-07-10T14:35:00.123Z");
    assert_eq!(data["permissions"], json!(["api:read", "api:write"]));
    let creator = json!({ "id": app.organization.member_id, "name": "Deepak purohit", "email": "deepak@example.com" });
    assert_eq!(data["createdBy"], creator);
    assert_eq!(data["tenant"], json!({ "id": app.organization.uuid, "name": "Acme Corporation" }));
    assert_eq!(reply.header("cache-control"), "no-store");
}

#[tokio::test]
async fn service_accounts_of_one_second_are_numbered() {
    let app = TestApp::start().await;
    for suffix in ["", "-2", "-3"] {
        let reply = app.service_account(&app.organization.uuid).await;
        assert_eq!(reply.json["data"]["name"], format!("service-account-20250710143500{suffix}"));
    }
    let other = app.organization("Other").await;
    let reply = app.service_account(&other.uuid).await;
    assert_eq!(reply.json["data"]["name"], "service-account-20250710143500");
}

#[tokio::test]
async fn creates_of_one_second_at_once_all_get_a_name() {
    let app = TestApp::start().await;
    let token = app.token(&app.organization.uuid, "tenant_admin").await;
    let admin = app.bearer(&token).header("x-tenantid", &app.organization.uuid);
    let creates = (0..20).map(|_| admin.post_bytes(PATH, ""));
    for reply in futures_util::future::join_all(creates).await {
        assert_eq!(reply.status, 200, "{}", reply.text);
    }
    assert_eq!(app.count("SELECT count(DISTINCT name) FROM service_accounts"), 20);
}

#[tokio::test]
async fn case_79_at_the_tenants_maximum_one_of_many_wins() {
    let policy = Policy { service_accounts_max: 10, ..Policy::default() };
    let app = TestApp::start_with(Settings { policy, ..Settings::default() }).await;
    let token = app.token(&app.organization.uuid, "tenant_admin").await;
    let admin = app.bearer(&token).header("x-tenantid", &app.organization.uuid);
    for _ in 0..9 {
        assert_eq!(admin.post_bytes(PATH, "").await.status, 200);
    }
    let creates = (0..100).map(|_| admin.post_bytes(PATH, ""));
    let replies = futures_util::future::join_all(creates).await;
    let (made, refused): (Vec<_>, Vec<_>) = replies.iter().partition(|reply| reply.status == 200);
    assert_eq!((made.len(), refused.len()), (1, 99));
    for reply in refused {
        assert_eq!(reply.refusal(), (409, &refusal("Limit reached", "LIMIT_REACHED")));
    }
    assert_eq!(app.count("SELECT count(*) FROM service_accounts"), 10);
    let other = app.organization("Other").await;
    assert_eq!(app.service_account(&other.uuid).await.status, 200);
}

#[tokio::test]
async fn case_26_the_tenant_header_is_one_uuid() {
    let app = TestApp::start().await;
    let uuid = &app.organization.uuid;
    let token = app.token(uuid, "tenant_admin").await;
    let caller = app.bearer(&token);
    let bad = refusal("x-tenantid must be one UUID", "INVALID_REQUEST");
    assert_eq!(caller.post_bytes(PATH, "").await.refusal(), (400, &bad));
    for value in [
        "",
        "x",
        &format!("{{{uuid}}}"),
        &format!("{uuid},{uuid}"),
        &format!("urn:uuid:{uuid}"),
        &uuid.replace('-', ""),
        &app.organization.account_id,
    ] {
        let reply = caller.header("x-tenantid", value).post_bytes(PATH, "").await;
        assert_eq!(reply.refusal(), (400, &bad), "{value}");
    }
    let twice = caller.header("x-tenantid", uuid).header("x-tenantid", uuid);
    assert_eq!(twice.post_bytes(PATH, "").await.refusal(), (400, &bad));
    let upper = caller.header("x-tenantid", &uuid.to_uppercase());
    assert_eq!(upper.post_bytes(PATH, "").await.status, 200);
}

/// The reply to creating a service account of `tenant` with a token of the first organization.
async fn create(app: &TestApp, role: &str, tenant: &str) -> Reply {
    let token = app.token(&app.organization.uuid, role).await;
    app.bearer(&token).header("x-tenantid", tenant).post_bytes(PATH, "").await
}

#[tokio::test]
async fn case_25_the_tenant_must_be_the_tokens() {
    let app = TestApp::start().await;
    let (own, other) = (app.organization.clone(), app.organization("Other").await);
    let denied = refusal("Insufficient permissions", "FORBIDDEN");
    for role in ["tenant_admin", "super_admin"] {
        assert_eq!(create(&app, role, &own.uuid).await.status, 200, "{role}");
        let foreign = create(&app, role, &other.uuid).await;
        let nowhere = create(&app, role, "3fa85f64-5717-4562-b3fc-2c963f66afa6").await;
        assert_eq!(foreign.refusal(), (403, &denied), "{role}");
        assert_eq!(nowhere.text, foreign.text);
    }
    assert_eq!(app.count("SELECT count(DISTINCT account_id) FROM service_accounts"), 1);
}

#[tokio::test]
async fn case_29_the_role_must_be_an_administrators() {
    let app = TestApp::start().await;
    let denied = refusal("Insufficient permissions", "FORBIDDEN");
    for role in ["viewer", "Tenant_Admin", "tenant_admin ", "tenаnt_admin"] {
        let reply = create(&app, role, &app.organization.uuid).await;
        assert_eq!(reply.refusal(), (403, &denied), "{role}");
    }
    assert_eq!(app.count("SELECT count(*) FROM service_accounts"), 0);
}

#[tokio::test]
async fn case_25_a_super_admin_of_a_platform_wide_realm_acts_for_other_tenants_and_the_trail_says_so()
 {
    let settings = Settings { local_platform_wide: true, ..Settings::default() };
    let app = TestApp::start_with(settings).await;
    let other = app.organization("Other").await;
    assert_eq!(create(&app, "tenant_admin", &other.uuid).await.refusal().0, 403);
    let unknown = create(&app, "super_admin", "3fa85f64-5717-4562-b3fc-2c963f66afa6").await;
    assert_eq!(unknown.refusal().0, 403);
    let reply = create(&app, "super_admin", &other.uuid).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    assert_eq!(reply.json["data"]["tenant"]["name"], "Other");
    let trail = "SELECT count(*) FROM audit_events WHERE action = 'service_account.created'
                 AND facts LIKE '%acting_for%'";
    assert_eq!(app.count(trail), 1);
}

#[tokio::test]
async fn a_body_is_not_needed_and_must_ask_for_nothing() {
    let app = TestApp::start().await;
    let token = app.token(&app.organization.uuid, "tenant_admin").await;
    let admin = app.bearer(&token).header("x-tenantid", &app.organization.uuid);
    for body in ["", "{}", r#"{"note":"ignored"}"#] {
        assert_eq!(admin.post_bytes(PATH, body).await.status, 200, "{body}");
    }
    for body in ["[]", "7", "null", "x", r#"{"a":1,"a":2}"#] {
        let reply = admin.post_bytes(PATH, body).await;
        let (status, json) = reply.refusal();
        assert_eq!((status, &json["error"]), (400, &json!("INVALID_REQUEST")), "{body}");
    }
    for body in [r#"{"name":"x"}"#, r#"{"permissions":["*:*"]}"#, r#"{"clientId":"x"}"#] {
        let reply = admin.post_bytes(PATH, body).await;
        let (status, json) = reply.refusal();
        assert_eq!((status, &json["error"]), (400, &json!("BODY_NOT_SUPPORTED")), "{body}");
    }
    let reply = admin.header("content-type", "text/plain").post_bytes(PATH, "").await;
    let (status, json) = reply.refusal();
    assert_eq!((status, &json["error"]), (415, &json!("UNSUPPORTED_MEDIA_TYPE")));
}

#[tokio::test]
async fn case_24_a_realm_selects_and_never_grants() {
    let app = TestApp::start().await;
    let token = app.token(&app.organization.uuid, "tenant_admin").await;
    let admin = app.bearer(&token).header("x-tenantid", &app.organization.uuid);
    assert_eq!(admin.header("realmname", "local").post_bytes(PATH, "").await.status, 200);
    let refused = refusal("Authentication failed", "UNAUTHORIZED");
    for realm in ["other", "Local", "../local", "", &"x".repeat(1000)] {
        let reply = admin.header("realmname", realm).post_bytes(PATH, "").await;
        assert_eq!(reply.refusal(), (401, &refused), "{realm}");
    }
}
