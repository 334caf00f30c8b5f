//! `POST /v1/accounts/bulk`

use crate::support::TestApp;
use serde_json::{Value, json};

const PATH: &str = "/v1/accounts/bulk";

#[tokio::test]
async fn a_thousand_accounts_are_made_at_once_each_with_a_key_and_an_event() {
    let app = TestApp::start().await;
    let events = app.count("SELECT count(*) FROM audit_events");
    let accounts: Vec<Value> = (0..1000).map(|n| json!({ "name": format!("bulk {n}") })).collect();
    let reply = app.owner().post(PATH, json!({ "accounts": accounts })).await;
    assert_eq!(reply.status, 200, "{:.300}", reply.text);
    let results = reply.json["results"].as_array().expect("a list");
    assert_eq!(results.len(), 1000);
    for (n, result) in results.iter().enumerate() {
        assert_eq!(result["status"], 201);
        assert_eq!(result["account"]["name"], format!("bulk {n}"));
    }
    let key = results[999]["key"]["secret"].as_str().expect("a key");
    assert_eq!(app.code(&app.owner(), key).await, "VALID");
    assert_eq!(app.count("SELECT count(*) FROM audit_events"), events + 1000);
    assert_eq!(app.count("SELECT count(DISTINCT tag) FROM credentials"), 1001);
}

#[tokio::test]
async fn a_refused_account_keeps_its_place_and_the_others_are_made() {
    let app = TestApp::start().await;
    let reply = app
        .owner()
        .post(
            PATH,
            json!({ "accounts": [
                { "name": "first" },
                { "name": "" },
                { "name": "x", "id": "acc_x" },
                7,
                { "name": "x", "key": { "expires_at": "2020-01-01T00:00:00Z" } },
                { "name": "x", "database": {
                    "host": "h", "name": "d", "user": "u", "password": "canary-bulk" } },
                { "name": "last", "metadata": { "a": 1 } },
            ] }),
        )
        .await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    let results = reply.json["results"].as_array().expect("a list");
    let statuses: Vec<_> = results.iter().map(|result| result["status"].as_u64()).collect();
    assert_eq!(statuses, [201, 422, 422, 400, 422, 422, 201].map(Some));
    assert_eq!(results[1]["error"]["errors"][0]["pointer"], "/name");
    assert_eq!(results[2]["error"]["errors"][0]["pointer"], "/id");
    assert_eq!(results[4]["error"]["errors"][0]["pointer"], "/key/expires_at");
    assert_eq!(results[6]["account"]["metadata"], json!({ "a": 1 }));
    assert_eq!(app.count("SELECT count(*) FROM accounts WHERE name IN ('first', 'last')"), 2);
    assert_eq!(app.count("SELECT count(*) FROM accounts WHERE parent_id IS NOT NULL"), 2);
    assert!(!app.stores("canary-bulk"));
}

#[tokio::test]
async fn more_than_a_thousand_or_a_body_that_is_too_large_is_refused_whole() {
    let app = TestApp::start().await;
    let accounts = |count: usize| json!({ "accounts": vec![json!({ "name": "x" }); count] });
    let reply = app.owner().post(PATH, accounts(1001)).await;
    assert_eq!(reply.refusal().0, 422);
    assert_eq!(reply.json["errors"][0]["pointer"], "/accounts");
    for (body, status) in [
        (json!({}), 422),
        (json!({ "accounts": {} }), 422),
        (json!([]), 400),
        (json!({ "accounts": [], "x": vec![0; 20_000] }), 400),
        (json!({ "accounts": [], "x": "y".repeat(4 * 1024 * 1024) }), 413),
    ] {
        assert_eq!(app.owner().post(PATH, body).await.refusal().0, status);
    }
    assert_eq!(app.owner().post(PATH, accounts(0)).await.json, json!({ "results": [] }));
    let sub = app.sub_account("s").await;
    let reply = app.bearer(&sub.key).post(PATH, accounts(1)).await;
    assert_eq!((reply.refusal().0, &reply.json["code"]), (403, &json!("subaccounts_cannot_nest")));
    assert_eq!(app.count("SELECT count(*) FROM accounts WHERE name = 'x'"), 0);
}
