//! Limits of accounts: who sets them, and what they sum up to (ruling 6 of docs/design/product.md).

use crate::support::{Client, TestApp};
use futures_util::future::join_all;
use serde_json::{Value, json};

/// The operator, acting for the organization.
fn operator(app: &TestApp) -> Client<'_> {
    app.operator().header("tenantry-organization", &app.organization.account_id)
}

fn path(account: &str) -> String {
    format!("/v1/accounts/{account}/limits")
}

fn code_of(reply: &crate::support::Reply) -> (u16, Value) {
    (reply.refusal().0, reply.json["code"].clone())
}

#[tokio::test]
async fn limits_say_what_was_set_what_counts_and_what_is_in_use() {
    let app = TestApp::start().await;
    let (sub, root) = (app.sub_account("s").await, &app.organization.account_id);
    let limits = async |id: &str| app.owner().get(&path(id)).await.json;
    let of_sub = json!({ "account_id": sub.id, "concurrency": null, "effective_concurrency": 10,
        "sub_account_concurrency": null, "in_use": 0, "given": null, "rate": [] });
    let of_root = json!({ "account_id": root, "concurrency": null, "effective_concurrency": null,
        "sub_account_concurrency": null, "in_use": 0, "given": 0, "rate": [] });
    assert_eq!((limits(&sub.id).await, limits(root).await), (of_sub, of_root));

    let body = json!({ "concurrency": 100, "sub_account_concurrency": 25 });
    let set = operator(&app).put(&path(root), body).await;
    assert_eq!((set.status.as_u16(), &set.json["concurrency"]), (200, &json!(100)), "{}", set.text);
    assert_eq!(limits(&sub.id).await["effective_concurrency"], 25, "the root account's default");
    let set = app.owner().put(&path(&sub.uuid), json!({ "concurrency": 40 })).await;
    assert_eq!(
        (&set.json["concurrency"], &set.json["effective_concurrency"]),
        (&json!(40), &json!(40))
    );
    app.lease(&sub.id).await;
    assert_eq!(
        (&limits(&sub.id).await["in_use"], &limits(root).await["in_use"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(limits(root).await["given"], 40);
    // PUT sets all of them: what it does not name follows its default.
    let set = app.owner().put(&path(&sub.id), json!({})).await;
    assert_eq!(set.json["concurrency"], Value::Null, "{}", set.text);
    assert_eq!(limits(root).await["given"], 0);
    // A sub-account's own key may read its own.
    assert_eq!(app.bearer(&sub.key).get(&path(&sub.id)).await.json["effective_concurrency"], 25);
}

#[tokio::test]
async fn what_is_given_never_sums_past_what_there_is() {
    let app = TestApp::start().await;
    let root = &app.organization.account_id;
    operator(&app).put(&path(root), json!({ "concurrency": 100 })).await;
    let (a, b) = (app.sub_account("a").await, app.sub_account("b").await);
    let set = async |account: &str, calls: u32| {
        app.owner().put(&path(account), json!({ "concurrency": calls })).await
    };
    assert_eq!(set(&a.id, 60).await.status, 200);
    let over = set(&b.id, 41).await;
    assert_eq!(code_of(&over), (409, json!("concurrency_exceeded")));
    let told = ["requested", "available", "account_limit", "in_use"];
    assert_eq!(told.map(|name| over.json[name].clone()), [41, 40, 100, 60].map(Value::from));
    // The dialect's own words for the same.
    let patched = app
        .owner()
        .patch(&format!("/sub-accounts/{}", b.uuid), json!({ "allow_concurrent_calls": 41 }))
        .await;
    let expected = json!({ "message": "Concurrency limit exceeded", "details": {
        "requested": 41, "available": 40, "account_limit": 100, "subaccount_usage": 60 } });
    assert_eq!((patched.refusal().0, &patched.json), (400, &expected));
    assert_eq!(set(&b.id, 40).await.status, 200);
    // Below what was given the organization's own limit does not go.
    let lowered = operator(&app).put(&path(root), json!({ "concurrency": 99 })).await;
    assert_eq!(code_of(&lowered), (409, json!("concurrency_given_away")));
    assert_eq!(set(&a.id, 10).await.status, 200);
    let lowered = operator(&app).put(&path(root), json!({ "concurrency": 50 })).await;
    assert_eq!(lowered.json["given"], 50, "{}", lowered.text);
    // Bulk: what does not fit is left out and keeps its place.
    operator(&app).put(&path(root), json!({ "concurrency": 60 })).await;
    let account = |calls: Value| json!({ "name": "x", "limits": { "concurrency": calls } });
    let accounts = [json!(4), json!(7), json!(6), Value::Null, json!(1)].map(account);
    let reply = app.owner().post("/v1/accounts/bulk", json!({ "accounts": accounts })).await;
    let results = reply.json["results"].as_array().expect("results");
    let statuses: Vec<_> = results.iter().map(|result| result["status"].as_u64()).collect();
    assert_eq!(statuses, [201, 409, 201, 201, 409].map(Some), "{}", reply.text);
    assert_eq!(results[4]["error"]["available"], 0);
}

#[tokio::test]
async fn of_many_creates_at_once_no_more_take_than_there_is() {
    let app = TestApp::start().await;
    operator(&app).put(&path(&app.organization.account_id), json!({ "concurrency": 10 })).await;
    let (owner, body) = (app.owner(), json!({ "name": "s", "allow_concurrent_calls": 3 }));
    let creates = (0..100).map(|_| owner.post("/sub-accounts/create", body.clone()));
    let replies = join_all(creates).await;
    assert_eq!(replies.iter().filter(|reply| reply.status == 200).count(), 3);
    for refused in replies.iter().filter(|reply| reply.status != 200) {
        assert_eq!(refused.refusal().0, 400);
        assert_eq!(refused.json["details"]["available"], 1, "{}", refused.text);
    }
    let sum = "SELECT given_concurrent_calls - 9 FROM accounts WHERE parent_id IS NULL";
    assert_eq!(app.count(sum), 0);
}

#[tokio::test]
async fn nobody_sets_their_own_limits() {
    let app = TestApp::start().await;
    let sub = app.sub_account("s").await;
    let keys = format!("/v1/accounts/{}/keys", sub.id);
    let body = json!({ "permissions": ["tenantry.*:*"] });
    let strong = app.owner().post(&keys, body).await.text_at("/secret").to_owned();
    for (caller, account) in
        [(app.owner(), &app.organization.account_id), (app.bearer(&strong), &sub.id)]
    {
        let reply = caller.put(&path(account), json!({ "concurrency": 1_000_000 })).await;
        assert_eq!(code_of(&reply), (403, json!("own_account")));
    }
    let weak = app.owner().put(&path(&sub.id), json!({ "concurrency": 1 })).await;
    assert_eq!(weak.status, 200);
    for (body, pointer) in [
        (json!({ "concurrency": 0 }), "/concurrency"),
        (json!({ "concurrency": 1_000_001 }), "/concurrency"),
        (json!({ "concurrency": "5" }), "/concurrency"),
        (json!({ "sub_account_concurrency": 5 }), "/sub_account_concurrency"),
        (json!({ "status": "active" }), "/status"),
    ] {
        let reply = app.owner().put(&path(&sub.id), body.clone()).await;
        assert_eq!(reply.refusal().0, 422, "{body} {}", reply.text);
        assert_eq!(reply.json["errors"][0]["pointer"], pointer, "{body}");
    }
    let close = format!("/v1/accounts/{}/close", sub.id);
    assert_eq!(app.owner().post(&close, json!({})).await.status, 200);
    let reply = app.owner().put(&path(&sub.id), json!({ "concurrency": 2 })).await;
    assert_eq!(code_of(&reply), (409, json!("account_closed")));
}
