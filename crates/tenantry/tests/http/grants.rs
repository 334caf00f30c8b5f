//! Nobody grants what they lack: case 42.

use crate::support::TestApp;
use serde_json::json;

#[tokio::test]
async fn case_42_a_first_key_gets_no_more_than_its_maker_has() {
    let app = TestApp::start().await;
    let create = async |permissions: serde_json::Value| {
        let body = json!({ "name": "grant", "key": { "permissions": permissions } });
        app.owner().post("/v1/accounts", body).await
    };
    for known in
        [json!([]), json!(["*:*"]), json!(["tenantry.*:*", "api:read"]), json!(["admin:*"])]
    {
        assert_eq!(create(known.clone()).await.status, 201, "{known}");
    }
    let many: Vec<String> = (0..65).map(|i| format!("r{i}:read")).collect();
    for unknown in [
        json!(["Admin:read"]),
        json!(["admin"]),
        json!([""]),
        json!(["tenantry.nothing:read"]),
        json!(["tenantry.keys:fly"]),
        json!(["a:b:c"]),
        json!(many),
    ] {
        let reply = create(unknown.clone()).await;
        assert_eq!(reply.refusal().0, 422, "{unknown}");
        assert_eq!(reply.json["errors"][0]["pointer"], "/key/permissions", "{unknown}");
    }
    assert_eq!(app.count("SELECT count(*) FROM accounts WHERE name = 'grant'"), 4);
}

#[tokio::test]
async fn case_42_the_default_grant_is_a_grant_too() {
    let app = TestApp::start().await;
    // A platform key acts in no organization; a sub-account's key makes no accounts at all. What
    // remains is the operator, who lacks nothing, and the master key, which has everything.
    let organization = app.organization.account_id.clone();
    let operator = app.operator().header("tenantry-organization", &organization);
    let body =
        json!({ "name": "by the operator", "key": { "permissions": ["*:*", "tenantry.*:*"] } });
    let reply = operator.post("/v1/accounts", body).await;
    assert_eq!(reply.status, 201, "{}", reply.text);
    assert_eq!(reply.json["account"]["parent_id"], organization);
    let reply = app.operator().post("/v1/accounts", json!({ "name": "x" })).await;
    assert_eq!((reply.refusal().0, &reply.json["code"]), (403, &json!("no_organization")));
}

#[tokio::test]
async fn a_key_that_ends_in_the_past_is_not_made() {
    let app = TestApp::start().await;
    for (text, pointer) in [
        ("2025-07-10T14:35:00Z", "/key/expires_at"),
        ("tomorrow", "/key/expires_at"),
        ("2025-07-10", "/key/expires_at"),
    ] {
        let body = json!({ "name": "x", "key": { "expires_at": text } });
        let reply = app.owner().post("/v1/accounts", body).await;
        assert_eq!(reply.refusal().0, 422, "{text}");
        assert_eq!(reply.json["errors"][0]["pointer"], pointer, "{text}");
    }
    assert_eq!(app.count("SELECT count(*) FROM accounts WHERE name = 'x'"), 0);
}
