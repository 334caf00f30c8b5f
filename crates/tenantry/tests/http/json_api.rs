//! The accounts dialect as JSON:API: document structure and media types (case 50, rulings 12, 14).

use crate::support::TestApp;
use serde_json::json;

const PATH: &str = "/api/v1/accounts";

#[tokio::test]
async fn case_50_a_document_of_another_structure_is_refused_as_ruled() {
    let app = TestApp::start().await;
    let attributes = json!({ "name": "x" });
    for (body, status, pointer) in [
        (json!({}), 400, None),
        (json!({ "data": null }), 400, None),
        (json!({ "data": [] }), 400, None),
        (json!({ "data": [{ "type": "accounts", "attributes": attributes }] }), 400, None),
        (json!({ "data": { "type": "accounts" } }), 400, None),
        (json!({ "data": { "type": "accounts", "attributes": [] } }), 400, None),
        (json!({ "data": { "type": "accounts", "attributes": null } }), 400, None),
        (json!({ "data": { "type": "people", "attributes": attributes } }), 409, None),
        (json!({ "data": { "type": 7, "attributes": attributes } }), 409, None),
        (json!({ "data": { "attributes": attributes } }), 422, Some("/data/type")),
        (json!({ "data": { "type": "accounts", "id": "x", "attributes": attributes } }), 403, None),
        (
            json!({ "data": { "type": "accounts", "attributes": {} } }),
            422,
            Some("/data/attributes/name"),
        ),
        (
            json!({ "data": { "type": "accounts", "attributes": { "name": "x", "vat": 7 } } }),
            422,
            Some("/data/attributes/vat"),
        ),
        (
            json!({ "data": { "type": "accounts", "attributes": { "name": "x", "city": "x".repeat(201) } } }),
            422,
            Some("/data/attributes/city"),
        ),
    ] {
        let reply = app.owner().post(PATH, body.clone()).await;
        assert_eq!(reply.refusal().0, status, "{body} {}", reply.text);
        assert_eq!(reply.header("content-type"), "application/vnd.api+json");
        let error = &reply.json["errors"][0];
        assert_eq!(error["status"], status.to_string(), "{body}");
        assert!(
            error["code"].is_string() && error["title"].is_string() && error["detail"].is_string()
        );
        assert_eq!(error["source"]["pointer"].as_str(), pointer, "{body}");
    }
    assert_eq!(app.count("SELECT count(*) FROM accounts WHERE name = 'x'"), 0);
}

#[tokio::test]
async fn what_a_client_adds_beside_the_attributes_is_ignored() {
    let app = TestApp::start().await;
    let body = json!({
        "data": {
            "type": "accounts", "attributes": { "name": "x", "company": null },
            "relationships": { "parent": {} }, "links": {}, "meta": {},
        },
        "meta": {}, "jsonapi": { "version": "1.1" },
    });
    let reply = app.owner().post(PATH, body).await;
    assert_eq!(reply.status, 201, "{}", reply.text);
    assert_eq!(reply.json["data"]["attributes"], json!({ "name": "x" }));
}

#[tokio::test]
async fn a_client_that_accepts_nothing_that_is_served_gets_406() {
    let app = TestApp::start().await;
    let body = json!({ "data": { "type": "accounts", "attributes": { "name": "x" } } });
    for accept in [
        "*/*",
        "application/*",
        "application/json",
        "application/vnd.api+json",
        "text/html, */*;q=0.1",
    ] {
        let reply = app.owner().header("accept", accept).post(PATH, body.clone()).await;
        assert_eq!(reply.status, 201, "{accept}");
        assert_eq!(reply.header("content-type"), "application/vnd.api+json");
    }
    for accept in ["text/html", "application/vnd.api+json; ext=\"x\"", "application/xml;q=0.9"] {
        let reply = app.owner().header("accept", accept).post(PATH, body.clone()).await;
        assert_eq!(reply.refusal().0, 406, "{accept}");
        assert_eq!(reply.json["errors"][0]["status"], "406");
    }
}

#[tokio::test]
async fn the_plain_json_dialects_serve_whatever_is_accepted() {
    let app = TestApp::start().await;
    let caller = app.owner().header("accept", "text/html");
    assert_eq!(caller.post("/sub-accounts/create", json!({ "name": "x" })).await.status, 200);
}
