//! The sub-accounts dialect after the creation: lists, single sub-accounts, usage, `/user/me`.

use crate::support::{Reply, TestApp};
use axum::http::Method;
use serde_json::{Value, json};
use tenantry_core::accounts::{AccountChanges, ConcurrentCalls};
use tenantry_core::actor::{Actor, Context, OperatorActor};
use tenantry_core::ids::AccountId;

const UNKNOWN: &str = "3c90c3cc-0d44-4b50-8888-8dd25736052a";

/// A sub-account made in this dialect.
async fn create(app: &TestApp, body: Value) -> Reply {
    let reply = app.owner().post("/sub-accounts/create", body).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    reply
}

/// Caps the organization's own concurrent calls, as the operator may.
async fn cap_organization(app: &TestApp, calls: i64) {
    let root = AccountId::parse_native(&app.organization.account_id).expect("an id");
    let actor = Actor::Operator(OperatorActor { organization: Some(root) });
    let context = Context { actor, request_id: "test".into(), address: None };
    let changes = AccountChanges {
        concurrent_calls: ConcurrentCalls::new(calls),
        ..AccountChanges::default()
    };
    app.plane.update_account(&context, root, &changes).await.expect("a limit");
}

/// The names of an object's members in their order.
fn names(text: &str) -> Vec<String> {
    let members: serde_json::Map<String, Value> = serde_json::from_str(text).expect("an object");
    let mut found: Vec<(usize, String)> = members
        .keys()
        .map(|name| (text.find(&format!("\"{name}\":")).expect("a member"), name.clone()))
        .collect();
    found.sort();
    found.into_iter().map(|(_, name)| name).collect()
}

#[tokio::test]
async fn all_sub_accounts_are_a_bare_list_without_secrets() {
    let app = TestApp::start().await;
    app.sub_account_of(&app.organization("Other").await, "theirs").await;
    let made = create(&app, json!({ "name": "alpha-007", "allow_concurrent_calls": 7 })).await;
    app.advance(1);
    let native = app.sub_account("native").await;
    let reply = app.owner().get("/sub-accounts/all").await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    assert_eq!(reply.header("content-type"), "application/json");
    assert_eq!(reply.header("link"), "");
    assert_eq!(
        reply.json,
        json!([
            { "id": made.text_at("/id"), "name": "alpha-007",
                "organization_id": app.organization.uuid, "api_key": null,
                "api_key_start": made.text_at("/api_key")[..7], "multi_tenant": false,
                "allow_concurrent_calls": 7 },
            { "id": native.uuid, "name": "native", "organization_id": app.organization.uuid,
                "api_key": null, "api_key_start": native.key[..7], "multi_tenant": false,
                "allow_concurrent_calls": 10 },
        ])
    );
    assert_eq!(
        names(reply.text.trim_start_matches('[').split_inclusive('}').next().expect("one")),
        [
            "id",
            "name",
            "organization_id",
            "api_key",
            "api_key_start",
            "multi_tenant",
            "allow_concurrent_calls"
        ]
    );
}

#[tokio::test]
async fn pages_follow_their_links_and_leave_the_deleted_out() {
    let app = TestApp::start().await;
    let mut expected = Vec::new();
    for number in 0..7 {
        app.advance(1);
        expected.push(app.sub_account(&format!("s{number}")).await.uuid);
    }
    for deleted in [4, 0] {
        let reply =
            app.owner().delete(&format!("/sub-accounts/{}", expected.remove(deleted))).await;
        assert_eq!(reply.status, 200);
    }
    for base in ["/sub-accounts/all", "/sub-accounts/all/usage"] {
        let id = if base.ends_with("usage") { "sub_account_id" } else { "id" };
        let mut path = format!("{base}?page_size=2");
        let mut found = Vec::new();
        for last in [false, false, true] {
            let reply = app.owner().get(&path).await;
            let items = reply.json.as_array().unwrap_or_else(|| panic!("{}", reply.text));
            found.extend(items.iter().map(|item| item[id].as_str().expect("an id").to_owned()));
            let link = reply.header("link");
            assert_eq!(link.is_empty(), last, "{link}");
            if let Some(target) = link.strip_suffix(">; rel=\"next\"") {
                path = target.trim_start_matches('<').to_owned();
            }
        }
        assert_eq!(found, expected, "{base}");
    }
    let beyond = app.owner().get("/sub-accounts/all?page_number=4&page_size=2").await;
    assert_eq!((beyond.status.as_u16(), &beyond.json), (200, &json!([])));
    for query in ["page_number=0", "page_size=0", "page_size=1001", "page_size=+1", "limit=1"] {
        let reply = app.owner().get(&format!("/sub-accounts/all?{query}")).await;
        assert_eq!((reply.refusal().0, &reply.json["error"]), (400, &json!(400)), "{query}");
    }
}

#[tokio::test]
async fn at_most_a_thousand_are_listed_at_once() {
    let app = TestApp::start().await;
    let accounts: Vec<Value> = (0..1000).map(|n| json!({ "name": format!("s{n}") })).collect();
    app.owner().post("/v1/accounts/bulk", json!({ "accounts": accounts })).await;
    let reply = app.owner().get("/sub-accounts/all").await;
    assert_eq!((reply.json.as_array().map(Vec::len), reply.header("link")), (Some(1000), ""));
    app.sub_account("one more").await;
    let reply = app.owner().get("/sub-accounts/all").await;
    let link = "</sub-accounts/all?page_number=2&page_size=1000>; rel=\"next\"";
    assert_eq!((reply.json.as_array().map(Vec::len), reply.header("link")), (Some(1000), link));
}

#[tokio::test]
async fn a_sub_account_is_read_as_it_was_made_but_for_its_secrets() {
    let app = TestApp::start().await;
    let made = create(
        &app,
        json!({ "name": "alpha-007", "multi_tenant": false, "db_password": "alpha-007_password" }),
    )
    .await;
    let path = format!("/sub-accounts/{}", made.text_at("/id"));
    let mut expected = made.json.clone();
    expected["api_key"] = Value::Null;
    for caller in [app.owner(), app.bearer(made.text_at("/api_key"))] {
        let reply = caller.get(&path).await;
        assert_eq!((reply.status.as_u16(), &reply.json), (200, &expected));
        assert_eq!(names(&reply.text), names(&made.text));
    }
    // A root account is no sub-account, and another family's spelling of an id is none.
    let sub = app.sub_account("s").await;
    let unknown = app.owner().get(&format!("/sub-accounts/{UNKNOWN}")).await;
    assert_eq!(unknown.json, json!({ "error": 404, "message": "Not found" }));
    for id in [&app.organization.uuid, &sub.id, &format!("%7B{}%7D", sub.uuid)] {
        let reply = app.owner().get(&format!("/sub-accounts/{id}")).await;
        assert_eq!((reply.refusal().0, &reply.text), (404, &unknown.text), "{id}");
    }
}

#[tokio::test]
async fn a_patch_changes_name_and_concurrent_calls() {
    let app = TestApp::start().await;
    let made = create(&app, json!({ "name": "before" })).await;
    let path = format!("/sub-accounts/{}", made.text_at("/id"));
    app.advance(60);
    for (body, name, calls) in [
        (json!({ "name": "after" }), "after", 10),
        (json!({ "allow_concurrent_calls": 25 }), "after", 25),
        (json!({ "name": "both", "allow_concurrent_calls": 1_000_000 }), "both", 1_000_000),
        (json!({ "name": null, "allow_concurrent_calls": 3, "db_host": "x" }), "both", 3),
    ] {
        let reply = app.owner().patch(&path, body.clone()).await;
        assert_eq!(reply.status, 200, "{body} {}", reply.text);
        assert_eq!(reply.text, r#"{"message":"success","state":"updated"}"#);
        let found = app.owner().get(&path).await;
        assert_eq!(found.json["name"], name);
        assert_eq!(found.json["allow_concurrent_calls"], calls);
        assert_eq!(found.json["created_at"], "2025-07-10T14:35:00Z");
        assert_eq!(found.json["updated_at"], "2025-07-10T14:36:00Z");
    }
    for body in [json!({}), json!({ "db_host": "x" }), json!({ "name": null })] {
        let reply = app.owner().patch(&path, body.clone()).await;
        assert_eq!(reply.refusal().0, 400, "{body}");
        assert_eq!(reply.text, r#"{"error":"No valid fields provided","status":"failure"}"#);
    }
    for (body, message) in [
        (json!({ "name": " " }), "name must not be blank"),
        (json!({ "name": 7 }), "name must be a string"),
        (
            json!({ "allow_concurrent_calls": 0 }),
            "allow_concurrent_calls must be between 1 and 1000000",
        ),
        (json!({ "allow_concurrent_calls": "5" }), "allow_concurrent_calls must be an integer"),
        (json!({ "allow_concurrent_calls": 5.0 }), "allow_concurrent_calls must be an integer"),
        (json!({ "allow_concurrent_calls": true }), "allow_concurrent_calls must be an integer"),
        (json!({ "name": "x", "status": "active" }), "status is set by the server"),
        (json!({ "organization_id": UNKNOWN }), "organization_id is set by the server"),
    ] {
        let reply = app.owner().patch(&path, body.clone()).await;
        assert_eq!(reply.refusal().0, 400, "{body}");
        assert_eq!(reply.json, json!({ "error": 400, "message": message }), "{body}");
    }
    assert_eq!(app.owner().patch(&path, json!([])).await.refusal().0, 400);
    assert_eq!(app.owner().get(&path).await.json["name"], "both");
    assert_eq!(app.count("SELECT concurrent_calls FROM accounts WHERE parent_id IS NOT NULL"), 3);
}

#[tokio::test]
async fn a_sub_account_gets_no_more_calls_than_its_organization_has() {
    let app = TestApp::start().await;
    let made = create(&app, json!({ "name": "s", "allow_concurrent_calls": 15 })).await;
    cap_organization(&app, 20).await;
    let path = format!("/sub-accounts/{}", made.text_at("/id"));
    let allow = async |calls: u32| {
        app.owner().patch(&path, json!({ "allow_concurrent_calls": calls })).await
    };
    assert_eq!(allow(20).await.status, 200);
    let expected = json!({ "message": "Concurrency limit exceeded", "details": {
        "requested": 21, "available": 20, "account_limit": 20, "subaccount_usage": 0 } });
    let reply = allow(21).await;
    assert_eq!((reply.refusal().0, &reply.json), (400, &expected));
    let body = json!({ "name": "t", "allow_concurrent_calls": 21 });
    let reply = app.owner().post("/sub-accounts/create", body).await;
    let expected = json!({ "message": "Concurrency limit exceeded", "details": {
        "requested": 21, "available": 0, "account_limit": 20, "subaccount_usage": 20 } });
    assert_eq!((reply.refusal().0, &reply.json), (400, &expected));
    let body = json!({ "name": "t", "limits": { "concurrency": 21 } });
    let reply = app.owner().post("/v1/accounts", body).await;
    assert_eq!((reply.refusal().0, &reply.json["code"]), (409, &json!("concurrency_exceeded")));
    // What is closed is given back.
    assert_eq!(app.owner().delete(&path).await.status, 200);
    create(&app, json!({ "name": "u", "allow_concurrent_calls": 5 })).await;
    // A default never refuses a create.
    cap_organization(&app, 5).await;
    create(&app, json!({ "name": "by default" })).await;
    assert_eq!(app.count("SELECT count(*) FROM accounts WHERE name = 't'"), 0);
}

#[tokio::test]
async fn nobody_sets_their_own_limit_or_deletes_themselves() {
    let app = TestApp::start().await;
    let able = app.key(&["tenantry.*:*", "*:*"]).await;
    let own = able.get("/v1/whoami").await.text_at("/account/account_uuid").to_owned();
    let path = format!("/sub-accounts/{own}");
    let denied = json!({ "error": 403, "message": "Insufficient permissions" });
    for body in [
        json!({ "allow_concurrent_calls": 1_000_000 }),
        json!({ "name": "mine", "allow_concurrent_calls": 11 }),
    ] {
        let reply = able.patch(&path, body).await;
        assert_eq!((reply.refusal().0, &reply.json), (403, &denied));
    }
    assert_eq!((able.delete(&path).await.refusal().0), 403);
    assert_eq!(able.patch(&path, json!({ "name": "mine" })).await.status, 200);
    // The organization is nobody's sub-account.
    let root = format!("/sub-accounts/{}", app.organization.uuid);
    assert_eq!(app.owner().patch(&root, json!({ "name": "x" })).await.refusal().0, 404);
    assert_eq!(app.owner().delete(&root).await.refusal().0, 404);
    assert_eq!(able.get("/sub-accounts/all").await.json, json!([]));
    let unable = app.bearer(&app.sub_account("unable").await.key).get("/sub-accounts/all").await;
    assert_eq!((unable.refusal().0, &unable.json), (403, &denied));
}

#[tokio::test]
async fn case_44_a_deleted_sub_account_is_gone_and_its_name_makes_another_one() {
    let app = TestApp::start().await;
    let made = create(&app, json!({ "name": "phoenix" })).await;
    let (id, key) = (made.text_at("/id"), made.text_at("/api_key"));
    let path = format!("/sub-accounts/{id}");
    assert_eq!(app.code(&app.owner(), key).await, "VALID");
    for _ in 0..2 {
        let reply = app.owner().delete(&path).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
        assert_eq!(reply.text, r#"{"message":"success","state":"deleted"}"#);
        assert_eq!(app.code(&app.owner(), key).await, "ACCOUNT_CLOSED");
        assert_eq!(app.bearer(key).get("/user/me").await.refusal().0, 401);
    }
    assert_eq!(app.count("SELECT count(*) FROM audit_events WHERE action = 'account.closed'"), 1);
    assert_eq!(app.owner().get(&path).await.refusal().0, 404);
    assert_eq!(app.owner().patch(&path, json!({ "name": "x" })).await.refusal().0, 404);
    assert_eq!(app.owner().get("/sub-accounts/all").await.json, json!([]));
    // Nothing brings it back, and its key opens neither it nor its namesake.
    let again = create(&app, json!({ "name": "phoenix" })).await;
    assert_ne!(again.text_at("/id"), id);
    assert_ne!(again.text_at("/api_key"), key);
    let resumed = app.owner().post(&format!("/v1/accounts/{id}/resume"), Value::Null).await;
    assert_eq!(resumed.refusal().0, 409);
    let body = json!({ "name": "phoenix", "id": id });
    assert_eq!(app.owner().post("/sub-accounts/create", body).await.refusal().0, 400);
    assert_eq!(app.code(&app.owner(), key).await, "ACCOUNT_CLOSED");
    assert_eq!(app.bearer(key).get("/v1/whoami").await.refusal().0, 401);
}

#[tokio::test]
async fn case_45_no_other_spelling_of_a_path_or_method_reaches_a_handler() {
    let app = TestApp::start().await;
    let sub = app.sub_account("s").await;
    let (account, dialect) =
        (format!("/v1/accounts/{}", sub.id), format!("/sub-accounts/{}", sub.uuid));
    for path in [
        format!("{account}/suspend/"),
        format!("{account}//suspend"),
        format!("{account}/./suspend"),
        format!("{account}/%73uspend"),
        format!("{account}/suspend;a=b"),
        format!("{account}/SUSPEND"),
        format!("/v1/accounts/x/../{}/suspend", sub.id),
        format!("{dialect}/"),
        format!("/sub-accounts/./{}", sub.uuid),
        format!("{dialect};a=b"),
        format!("/SUB-ACCOUNTS/{}", sub.uuid),
    ] {
        for method in [Method::POST, Method::DELETE, Method::PATCH] {
            let body = json!({ "name": "x" }).to_string().into_bytes();
            let reply = app.owner().send(method, &path, body).await;
            assert!(matches!(reply.refusal().0, 404 | 405), "{path}: {}", reply.text);
        }
    }
    for (method, path) in [
        (Method::GET, format!("{account}/suspend")),
        (Method::HEAD, format!("{account}/close")),
        (Method::PUT, dialect.clone()),
        (Method::POST, dialect.clone()),
        (Method::TRACE, dialect.clone()),
        (Method::OPTIONS, dialect.clone()),
        (Method::DELETE, "/sub-accounts/all".to_owned()),
        (Method::PATCH, "/sub-accounts/all".to_owned()),
        (Method::DELETE, "/sub-accounts/create".to_owned()),
    ] {
        let owner = app.owner().header("x-http-method-override", "DELETE");
        let reply = owner.send(method.clone(), &path, Vec::new()).await;
        assert_eq!(reply.status, 405, "{method} {path}");
    }
    let reply = app.owner().header("x-http-method-override", "DELETE").get(&dialect).await;
    assert_eq!(reply.status, 200);
    let head = app.owner().send(Method::HEAD, &dialect, Vec::new()).await;
    assert_eq!((head.status.as_u16(), &*head.text), (200, ""));
    assert_eq!(app.count("SELECT count(*) FROM accounts WHERE version > 1"), 0);
}

#[tokio::test]
async fn usage_is_asked_for_by_a_period_and_is_zero_where_there_was_none() {
    let app = TestApp::start().await;
    let sub = app.sub_account("s").await;
    let path = format!("/sub-accounts/{}/usage", sub.uuid);
    let reply = app.owner().get(&path).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    let mut expected = json!({ "from": "2025-07-01T00:00:00Z", "to": "2025-07-10T23:59:59Z",
        "total_records": 0, "total_duration": 0, "total_cost": 0, "total_platform_cost": 0,
        "total_telephony_cost": 0, "status_map": {}, "synthesizer_cost_map": {},
        "transcriber_cost_map": {}, "llm_cost_map": {} });
    assert_eq!(reply.json, expected);
    expected["sub_account_id"] = json!(sub.uuid);
    expected["sub_account_name"] = json!("s");
    assert_eq!(app.owner().get("/sub-accounts/all/usage").await.json, json!([expected]));
    let closed = app.sub_account("closed").await;
    app.owner().delete(&format!("/sub-accounts/{}", closed.uuid)).await;
    for path in [&*path, "/sub-accounts/all/usage", &format!("/sub-accounts/{}/usage", closed.uuid)]
    {
        for (query, status) in [
            ("from=2025-06-01T00:00:00Z&to=2025-07-03T00:00:00Z", 200),
            ("from=2025-06-01&to=2025-07-02", 200),
            ("from=2025-06-01T00:00:00Z&to=2025-07-03T00:00:01Z", 400),
            ("from=2025-06-01", 400),
            ("from=2025-07-02&to=2025-07-01", 400),
            ("from=yesterday", 400),
            ("to=2025-07-32", 400),
            ("from=2025-07-01&from=2025-07-01", 400),
            ("since=2025-07-01", 400),
        ] {
            let reply = app.owner().get(&format!("{path}?{query}")).await;
            assert_eq!(reply.status, status, "{path}?{query} {}", reply.text);
        }
    }
    // The period goes on with the page.
    app.sub_account("t").await;
    let query = "page_size=1&from=2025-06-30T23:00:00%2B01:00&to=2025-07-02";
    let reply = app.owner().get(&format!("/sub-accounts/all/usage?{query}")).await;
    let link = "</sub-accounts/all/usage?page_number=2&page_size=1&from=2025-06-30T23:00:00%2B01:00&to=2025-07-02>; rel=\"next\"";
    assert_eq!(reply.header("link"), link, "{}", reply.text);
    assert_eq!(reply.json[0]["from"], "2025-06-30T22:00:00Z");
    assert_eq!(reply.json[0]["to"], "2025-07-02T23:59:59Z");
    // A sub-account's key needs to be given that, and sees no other's.
    assert_eq!(app.bearer(&sub.key).get(&path).await.refusal().0, 403);
    let able = app.key(&["tenantry.usage:read"]).await;
    let own = able.get("/v1/whoami").await.text_at("/account/account_uuid").to_owned();
    assert_eq!(able.get(&format!("/sub-accounts/{own}/usage")).await.status, 200);
    assert_eq!(able.get(&path).await.refusal().0, 404);
    let root = format!("/sub-accounts/{}/usage", app.organization.uuid);
    assert_eq!(app.owner().get(&root).await.refusal().0, 404);
}

#[tokio::test]
async fn user_me_names_the_member_behind_the_key_and_the_calls_of_its_account() {
    let app = TestApp::start().await;
    let sub = create(&app, json!({ "name": "s", "allow_concurrent_calls": 4 })).await;
    let plain = app.sub_account("plain").await;
    let mut expected = json!({ "id": app.organization.member_id, "name": "Deepak purohit",
        "email": "deepak@example.com", "wallet": null,
        "concurrency": { "max": null, "current": 0 } });
    let reply = app.owner().get("/user/me").await;
    assert_eq!((reply.status.as_u16(), &reply.json), (200, &expected));
    assert_eq!(names(&reply.text), ["id", "name", "email", "wallet", "concurrency"]);
    for (key, max) in [(sub.text_at("/api_key"), 4), (&plain.key, 10)] {
        expected["concurrency"]["max"] = json!(max);
        assert_eq!(app.bearer(key).get("/user/me").await.json, expected);
    }
    cap_organization(&app, 20).await;
    assert_eq!(app.owner().get("/user/me").await.json["concurrency"]["max"], 20);
    // Nobody is behind a platform key, and strangers learn this family's own words.
    let reply = app.platform().await.get("/user/me").await;
    assert_eq!(reply.json, json!({ "error": 403, "message": "Insufficient permissions" }));
    let reply = app.stranger().get("/user/me").await;
    assert_eq!(reply.json, json!({ "error": 401, "message": "Access denied" }));
}
