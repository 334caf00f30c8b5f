//! Listing and changing accounts in the native API.

use crate::support::TestApp;
use serde_json::{Value, json};

/// Ids of all pages of `limit`.
async fn page_through(caller: &crate::support::Client<'_>, limit: usize) -> Vec<String> {
    let mut ids = Vec::new();
    let mut path = format!("/v1/accounts?limit={limit}");
    loop {
        let reply = caller.get(&path).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
        let data = reply.json["data"].as_array().expect("a list");
        assert!(data.len() <= limit);
        ids.extend(data.iter().map(|account| account["id"].as_str().expect("an id").to_owned()));
        let Some(cursor) = reply.json["next_cursor"].as_str() else {
            return ids;
        };
        path = format!("/v1/accounts?limit={limit}&cursor={cursor}");
    }
}

#[tokio::test]
async fn own_account_and_sub_accounts_are_listed_oldest_first_in_pages() {
    let app = TestApp::start().await;
    let foreign = app.organization("Other").await;
    app.sub_account_of(&foreign, "theirs").await;
    let mut expected = vec![app.organization.account_id.clone()];
    for number in 0..5 {
        app.advance(1);
        expected.push(app.sub_account(&format!("s{number}")).await.id);
    }
    let close = format!("/v1/accounts/{}/close", expected[2]);
    assert_eq!(app.owner().post(&close, Value::Null).await.status, 200);
    for limit in [1, 2, 3, 6, 100] {
        assert_eq!(page_through(&app.owner(), limit).await, expected, "pages of {limit}");
    }
    let reply = app.owner().get("/v1/accounts").await;
    let found = app.owner().get(&format!("/v1/accounts/{}", expected[2])).await;
    assert_eq!(reply.json["data"][2], found.json);
    assert_eq!(reply.json["data"][2]["status"], "closed");
}

#[tokio::test]
async fn a_sub_accounts_key_lists_its_own_account_alone() {
    let app = TestApp::start().await;
    app.sub_account("sibling").await;
    let able = app.key(&["tenantry.*:*"]).await;
    for caller in [able, app.bearer(&app.sub_account("own").await.key)] {
        let own = caller.get("/v1/whoami").await.text_at("/account/id").to_owned();
        assert_eq!(page_through(&caller, 1).await, [own]);
    }
    let platform = app.platform().await.get("/v1/accounts").await;
    assert_eq!((platform.refusal().0, &platform.json["code"]), (403, &json!("no_organization")));
}

#[tokio::test]
async fn case_46_a_cursor_is_of_use_in_its_own_list_alone() {
    let app = TestApp::start().await;
    app.sub_account("s").await;
    let foreign = app.organization("Other").await;
    app.sub_account_of(&foreign, "theirs").await;
    let reply = app.owner().get("/v1/accounts?limit=1").await;
    let cursor = reply.text_at("/next_cursor").to_owned();
    let own = app.key(&["tenantry.accounts:read"]).await;
    for caller in [app.bearer(&foreign.key), own] {
        let reply = caller.get(&format!("/v1/accounts?cursor={cursor}")).await;
        assert_eq!(reply.refusal().0, 400, "{}", reply.text);
    }
    for query in [
        "limit=0",
        "limit=101",
        "limit=1;%20DROP",
        "cursor=x'%20OR%201=1",
        "order=name",
        "limit=1&limit=2",
    ] {
        let reply = app.owner().get(&format!("/v1/accounts?{query}")).await;
        assert_eq!(reply.refusal().0, 400, "{query}: {}", reply.text);
    }
}

#[tokio::test]
async fn a_patch_sets_clears_and_keeps() {
    let app = TestApp::start().await;
    let made = app
        .owner()
        .post(
            "/v1/accounts",
            json!({ "name": "before", "profile": { "company": "C", "city": "Pune", "vat": "NL1" },
                "metadata": { "a": 1, "b": { "c": 2 } } }),
        )
        .await;
    let path = format!("/v1/accounts/{}", made.text_at("/account/id"));
    app.advance(5);
    let body = json!({ "name": "after", "profile": { "city": null, "vat": "NL2", "state": "MH" },
        "limits": { "concurrency": 1 } });
    let reply = app.owner().patch(&path, body).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    let mut expected = made.json["account"].clone();
    expected["name"] = json!("after");
    expected["profile"] = json!({ "company": "C", "vat": "NL2", "state": "MH" });
    expected["updated_at"] = json!("2025-07-10T14:35:05.123456Z");
    assert_eq!(reply.json, expected);
    assert_eq!(app.owner().get(&path).await.json, expected);

    // Metadata is the caller's own, as a whole.
    let reply = app.owner().patch(&path, json!({ "metadata": { "b": {} } })).await;
    assert_eq!(reply.json["metadata"], json!({ "b": {} }));
    assert_eq!(reply.json["name"], "after");
    let reply = app.owner().patch(&path, json!({ "metadata": null, "profile": null })).await;
    assert_eq!(reply.json["metadata"], json!({}));
    assert_eq!(reply.json["profile"], json!({}));

    // The trail has the names of the fields and none of their values.
    let trail = "SELECT facts FROM audit_events WHERE action = 'account.updated' ORDER BY facts";
    let facts = app.texts(trail);
    assert_eq!(
        facts,
        [
            r#"[["version","2"],["fields","name,profile.vat,profile.city,profile.state"]]"#,
            r#"[["version","3"],["fields","metadata"]]"#,
            r#"[["version","4"],["fields","profile.company,profile.vat,profile.state,metadata"]]"#,
        ]
    );
    // What is so already is not written.
    let version = app.count("SELECT version FROM accounts WHERE parent_id IS NOT NULL");
    for body in [json!({}), json!({ "name": "after" }), json!({ "metadata": {} })] {
        assert_eq!(app.owner().patch(&path, body).await.status, 200);
    }
    assert_eq!(app.count("SELECT version FROM accounts WHERE parent_id IS NOT NULL"), version);
}

#[tokio::test]
async fn what_a_patch_gets_wrong_is_named_and_nothing_is_changed() {
    let app = TestApp::start().await;
    let sub = app.sub_account("s").await;
    let path = format!("/v1/accounts/{}", sub.id);
    let large = "x".repeat(16 * 1024);
    for (body, pointer) in [
        (json!({ "name": null }), "/name"),
        (json!({ "name": " " }), "/name"),
        (json!({ "name": 1 }), "/name"),
        (json!({ "profile": { "vat": "\u{202e}" } }), "/profile/vat"),
        (json!({ "profile": { "vat": 1 } }), "/profile/vat"),
        (json!({ "metadata": [] }), "/metadata"),
        (json!({ "metadata": { "a": large } }), "/metadata"),
        (json!({ "name": "x", "status": "active" }), "/status"),
        (json!({ "parent_id": null }), "/parent_id"),
        (json!({ "entitlements": [] }), "/entitlements"),
    ] {
        let reply = app.owner().patch(&path, body.clone()).await;
        assert_eq!(reply.refusal().0, 422, "{body:.60}");
        assert_eq!(reply.json["errors"][0]["pointer"], pointer, "{body:.60}");
    }
    for body in [json!([]), json!("name"), json!(null)] {
        assert_eq!(app.owner().patch(&path, body).await.refusal().0, 400);
    }
    assert_eq!(app.count("SELECT count(*) FROM accounts WHERE version > 1"), 0);
}

#[tokio::test]
async fn an_accounts_record_is_changed_by_whoever_may_write_accounts() {
    let app = TestApp::start().await;
    let able = app.key(&["tenantry.accounts:write"]).await;
    let own = able.get("/v1/whoami").await.text_at("/account/id").to_owned();
    let sub = app.sub_account("s").await;
    let rename = json!({ "name": "renamed" });
    let path = |id: &str| format!("/v1/accounts/{id}");
    assert_eq!(able.patch(&path(&own), rename.clone()).await.status, 200);
    assert_eq!(app.bearer(&sub.key).patch(&path(&sub.id), rename.clone()).await.refusal().0, 403);
    assert_eq!(able.patch(&path(&sub.id), rename.clone()).await.refusal().0, 404);
    let root = path(&app.organization.account_id);
    assert_eq!(able.patch(&root, rename.clone()).await.refusal().0, 404);
    assert_eq!(app.owner().patch(&root, rename).await.text_at("/name"), "renamed");
    assert_eq!(app.count("SELECT count(*) FROM accounts WHERE name = 'renamed'"), 2);
    // A record is not what verification rests on: its change refills nothing.
    assert_eq!(app.code(&app.owner(), &sub.key).await, "VALID");
    let look_ups = app.plane.credential_look_ups();
    app.owner().patch(&path(&sub.id), json!({ "name": "again" })).await;
    assert_eq!(app.code(&app.owner(), &sub.key).await, "VALID");
    assert_eq!(app.plane.credential_look_ups(), look_ups);
}

#[tokio::test]
async fn of_changes_at_once_none_is_lost() {
    let app = TestApp::start().await;
    let sub = app.sub_account("s").await;
    let path = format!("/v1/accounts/{}", sub.id);
    let fields = ["company", "vat", "country", "address", "city", "state"];
    let (owner, path) = (app.owner(), &path);
    let changes = fields.map(|field| owner.patch(path, json!({ "profile": { field: field } })));
    for reply in futures_util::future::join_all(changes).await {
        assert_eq!(reply.status, 200, "{}", reply.text);
    }
    let profile = &owner.get(path).await.json["profile"];
    for field in fields {
        assert_eq!(profile[field], field);
    }
    assert_eq!(app.count("SELECT version FROM accounts WHERE parent_id IS NOT NULL"), 7);
}
