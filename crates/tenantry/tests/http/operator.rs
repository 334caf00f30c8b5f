//! The operator's paths: on their socket, for nobody else.

use crate::support::TestApp;
use serde_json::json;
use tenantry_http::{Access, ROUTES};

#[tokio::test]
async fn the_operators_paths_do_not_exist_on_the_network() {
    let app = TestApp::start().await;
    let unknown = app.owner().post("/operator/nothing", json!({})).await;
    for route in ROUTES.iter().filter(|route| route.access == Access::Operator) {
        let path = route.path.replace("{id}", &app.organization.uuid);
        let reply = app.owner().send(route.method.clone(), &path, b"{}".to_vec()).await;
        assert_eq!((reply.refusal().0, &reply.text), (404, &unknown.text), "{path}");
    }
}

#[tokio::test]
async fn a_plane_is_initialized_once() {
    let app = TestApp::start().await;
    let body = json!({ "organization": "x", "name": "y", "email": "z@example.com" });
    let reply = app.operator().post("/operator/initialize", body).await;
    assert_eq!((reply.refusal().0, &reply.json["code"]), (409, &json!("already_initialized")));
}

#[tokio::test]
async fn organizations_are_listed_with_status_and_entitlements() {
    let app = TestApp::start().await;
    let other = app.organization("Other").await;
    app.sub_account("not an organization").await;
    let reply = app.operator().get("/operator/organizations").await;
    let data = reply.json["data"].as_array().expect("a list");
    assert_eq!(data.len(), 2, "{}", reply.text);
    assert_eq!(data[1]["organization_id"], other.uuid);
    assert_eq!(data[1]["entitlements"], json!(["sub_accounts"]));
    assert_eq!(data[1]["status"], "active");
    let after = format!("/operator/organizations?after={}", app.organization.account_id);
    let reply = app.operator().get(&after).await;
    assert_eq!(reply.json["data"].as_array().map(Vec::len), Some(1), "{}", reply.text);
}

#[tokio::test]
async fn what_the_operator_gets_wrong_is_named() {
    let app = TestApp::start().await;
    let operator = app.operator();
    let create = json!({ "organization": "", "name": " ", "email": "nobody" });
    let reply = operator.post("/operator/organizations", create).await;
    let errors = reply.json["errors"].as_array().expect("a list");
    let pointers: Vec<_> = errors.iter().filter_map(|error| error["pointer"].as_str()).collect();
    assert_eq!(pointers, ["/organization", "/name", "/email"]);
    let unknown = "/operator/organizations/acc_1C9EVhR5Tth8cTGEFr9hz6/suspended";
    assert_eq!(operator.post(unknown, json!({ "suspended": true })).await.refusal().0, 404);
    for (body, pointer) in [
        (json!({ "tenant": "x", "role": "r", "ttl_seconds": 60 }), "/tenant"),
        (json!({ "tenant": app.organization.uuid, "role": "r", "ttl_seconds": 0 }), "/ttl_seconds"),
        (
            json!({ "tenant": app.organization.uuid, "role": "r", "ttl_seconds": 86_401 }),
            "/ttl_seconds",
        ),
        (json!({ "tenant": app.organization.uuid, "role": "", "ttl_seconds": 60 }), "/role"),
        (
            json!({ "tenant": app.organization.uuid, "role": "r", "member": "x", "ttl_seconds": 60 }),
            "/member",
        ),
    ] {
        let reply = operator.post("/operator/tokens", body.clone()).await;
        assert_eq!(reply.refusal().0, 422, "{body}");
        assert_eq!(reply.json["errors"][0]["pointer"], pointer, "{body}");
    }
}
