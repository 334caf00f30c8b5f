//! Usage: what verifications and calls come to (case 84 of docs/design/security.md is in `leases`).

use crate::support::{Client, Reply, TestApp};
use axum::http::Method;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use tenantry_core::limits;

/// Makes a call of an account and gives its lease back with what it took.
async fn call(app: &TestApp, account: &str, record: Value) {
    let lease = app.lease(account).await;
    let path = format!("/v1/leases/{lease}/release");
    let released = app.owner().post(&path, record).await;
    assert_eq!(released.status, 200, "{}", released.text);
}

async fn usage(caller: &Client<'_>, query: &str) -> Reply {
    let reply = caller.get(&format!("/v1/usage?{query}")).await;
    assert_eq!(reply.status, 200, "{query} {}", reply.text);
    reply
}

/// What each credential's verifications came to, by code.
async fn by_key(app: &TestApp) -> BTreeMap<String, Value> {
    let reply = usage(&app.owner(), "group_by=key").await;
    let data = reply.json["data"].as_array().expect("groups").iter();
    data.map(|entry| {
        assert!(entry.get("calls").is_none(), "{entry}");
        let key = entry["key_id"].as_str().expect("an id").to_owned();
        (key, entry["verifications"].clone())
    })
    .collect()
}

/// Everything that is waiting is written.
async fn settle(app: &TestApp) {
    app.plane.flush_usage().await.expect("written");
    while app.plane.roll_calls().await.expect("rolled") > 0 {}
}

fn record() -> Value {
    json!({ "status": "completed", "duration_seconds": 61.5, "costs": { "platform": 2.5,
        "telephony": 0.1, "synthesizer": { "s": 0.2 }, "transcriber": { "t": 1 },
        "llm": { "a": 0.1, "b": 0.2 } } })
}

#[tokio::test]
async fn the_dialect_adds_calls_up_to_the_second() {
    let app = TestApp::start().await;
    let (sub, other) = (app.sub_account("s").await, app.sub_account("o").await);
    let path = format!("/sub-accounts/{}/usage", sub.uuid);
    // At 14:35:00.123456, a second later, and 25 minutes after that, when another hour has begun.
    call(&app, &sub.id, record()).await;
    app.advance(1);
    call(&app, &sub.id, json!({ "status": "failed", "costs": { "llm": { "a": 0.7 } } })).await;
    app.advance(1_500);
    call(&app, &sub.id, record()).await;
    call(&app, &other.id, json!({ "status": "busy" })).await;
    let mut expected = json!({ "from": "2025-07-01T00:00:00Z", "to": "2025-07-10T23:59:59Z",
        "total_records": 3, "total_duration": 123, "total_cost": 8.9, "total_platform_cost": 5,
        "total_telephony_cost": 0.2, "status_map": { "completed": 2, "failed": 1 },
        "synthesizer_cost_map": { "s": 0.4 }, "transcriber_cost_map": { "t": 2 },
        "llm_cost_map": { "a": 0.9, "b": 0.4 } });
    for settled in [false, true] {
        if settled {
            settle(&app).await;
        }
        expected["total_records"] = json!(3);
        assert_eq!(app.owner().get(&path).await.json, expected, "settled: {settled}");
        for (from, to, records, duration) in [
            ("14:35:00", "14:35:00", 1, json!(61.5)),
            ("14:35:00", "14:35:01", 2, json!(61.5)),
            ("14:35:01", "14:59:59", 1, json!(0)),
            ("14:35:01", "15:00:00", 1, json!(0)),
            ("14:35:01", "15:00:01", 2, json!(61.5)),
            ("14:35:02", "15:00:00", 0, json!(0)),
            ("15:00:01", "15:00:01", 1, json!(61.5)),
            ("14:00:00", "14:59:59", 2, json!(61.5)),
            ("15:00:00", "15:59:59", 1, json!(61.5)),
            // A fraction is of its second.
            ("14:35:01.9", "15:00:01.0", 2, json!(61.5)),
        ] {
            let query = format!("from=2025-07-10T{from}Z&to=2025-07-10T{to}Z");
            let told = app.owner().get(&format!("{path}?{query}")).await.json;
            let told = (&told["total_records"], &told["total_duration"]);
            assert_eq!(told, (&json!(records), &duration), "{query}, settled: {settled}");
        }
        let all = app.owner().get("/sub-accounts/all/usage").await.json;
        let mut own = expected.clone();
        (own["sub_account_id"], own["sub_account_name"]) = (json!(sub.uuid), json!("s"));
        assert_eq!(all[0], own);
        assert_eq!(all[1]["status_map"], json!({ "busy": 1 }));
        assert_eq!(all[1]["total_records"], 1);
    }
    // A sub-account that is closed has had its calls.
    app.owner().delete(&format!("/sub-accounts/{}", sub.uuid)).await;
    assert_eq!(app.owner().get(&path).await.json, expected);
}

#[tokio::test]
async fn verifications_are_counted_by_key_hour_and_code() {
    let app = TestApp::start().await;
    let (sub, other) = (app.sub_account("s").await, app.sub_account("o").await);
    let (owner, platform) = (app.owner(), app.platform().await);
    for _ in 0..3 {
        assert_eq!(app.code(&owner, &sub.key).await, "VALID");
    }
    let wanted = json!({ "key": other.key, "permissions": ["tenantry.keys:write"] });
    owner.post("/v1/keys/verify", wanted).await;
    owner.post(&format!("/v1/keys/{}/revoke", other.key_id), json!({})).await;
    assert_eq!(app.code(&platform, &other.key).await, "REVOKED");
    // Of nobody, and of somebody else's tree: of no key.
    assert_eq!(app.code(&owner, "sa-00000000000000000000000000000000").await, "NOT_FOUND");
    let foreign = app.organization("Other").await;
    assert_eq!(app.code(&app.bearer(&foreign.key), &sub.key).await, "NOT_FOUND");
    // An hour later, in another day's hour.
    app.advance(3_600);
    assert_eq!(app.code(&owner, &sub.key).await, "VALID");
    assert_eq!(by_key(&app).await, BTreeMap::new(), "nothing was written yet");
    settle(&app).await;
    let revoked = json!({ "INSUFFICIENT_PERMISSIONS": 1, "REVOKED": 1 });
    let expected = [(sub.key_id.clone(), json!({ "VALID": 4 })), (other.key_id.clone(), revoked)];
    assert_eq!(by_key(&app).await, expected.into());
    let hours = usage(&owner, "group_by=hour").await.json;
    let told: Vec<_> = hours["data"].as_array().expect("groups").iter().collect();
    assert_eq!(told.len(), 2);
    assert_eq!(told[0]["hour"], "2025-07-10T14:00:00.000000Z");
    assert_eq!(told[0]["verifications"]["VALID"], 3);
    assert_eq!(
        (&told[1]["hour"], &told[1]["verifications"]),
        (&json!("2025-07-10T15:00:00.000000Z"), &json!({ "VALID": 1 }))
    );
    let accounts = usage(&owner, "").await.json;
    assert_eq!(accounts["data"][0]["account_id"], sub.id);
    assert_eq!(accounts["data"][0]["verifications"], json!({ "VALID": 4 }));
    assert_eq!(accounts["data"][1]["account_id"], other.id);
    // Management is none, and what the other organization did is its own.
    assert_eq!(usage(&app.bearer(&foreign.key), "").await.json["data"], json!([]));
    assert_eq!(app.plane.usage_uncounted(), 0);
}

#[tokio::test]
async fn a_clients_verifications_stand_under_its_secret() {
    let app = TestApp::start().await;
    let machine = app.machine(&app.organization.account_id).await;
    let (client_id, secret) = (&machine.client_id, &machine.secret);
    let question = json!({ "client_id": client_id, "client_secret": secret });
    let verdict = app.owner().post("/v1/keys/verify", question).await;
    assert_eq!(verdict.json["code"], "VALID", "{}", verdict.text);
    let token = app.access_token(&machine).await;
    assert_eq!(app.code(&app.owner(), &token).await, "VALID");
    settle(&app).await;
    assert_eq!(by_key(&app).await, [(machine.secret_id.clone(), json!({ "VALID": 2 }))].into());
}

#[tokio::test]
async fn what_was_counted_is_there_once_whatever_answers_are_lost() {
    let app = TestApp::start().await;
    let (sub, other) = (app.sub_account("s").await, app.sub_account("o").await);
    let (owner, between) = (app.owner(), &app.store.between);
    let told = async || by_key(&app).await.remove(&sub.key_id).unwrap_or_default();
    app.code(&owner, &sub.key).await;
    app.code(&owner, &other.key).await;
    // It is added, and nobody hears of it.
    between.lose_next();
    assert!(app.plane.flush_usage().await.is_err());
    assert_eq!(told().await, json!({ "VALID": 1 }));
    // What is counted meanwhile waits for its turn.
    app.code(&owner, &sub.key).await;
    between.set_away(true);
    for _ in 0..3 {
        assert!(app.plane.flush_usage().await.is_err());
    }
    between.set_away(false);
    assert_eq!(told().await, json!({ "VALID": 1 }), "it was sent again, and no more");
    app.code(&owner, &sub.key).await;
    app.plane.flush_usage().await.expect("written");
    assert_eq!(told().await, json!({ "VALID": 1 }), "that was the first batch");
    app.plane.flush_usage().await.expect("written");
    assert_eq!(told().await, json!({ "VALID": 3 }));
    app.plane.flush_usage().await.expect("nothing to write");
    assert_eq!(told().await, json!({ "VALID": 3 }));
    assert_eq!(by_key(&app).await[&other.key_id], json!({ "VALID": 1 }));
    // A caller that gives up in the middle leaves no other trace than a lost answer.
    app.code(&owner, &sub.key).await;
    let flush = app.plane.flush_usage();
    let none = tokio::time::timeout(std::time::Duration::ZERO, flush).await;
    drop(none);
    app.plane.flush_usage().await.expect("written");
    app.plane.flush_usage().await.expect("written");
    assert_eq!(told().await, json!({ "VALID": 4 }));
    assert_eq!(app.plane.usage_uncounted(), 0);
}

#[tokio::test]
async fn two_nodes_count_by_themselves() {
    let app = TestApp::start().await;
    let sub = app.sub_account("s").await;
    let other = app.another_node();
    let question =
        |key| tenantry_core::verify::Question::of(tenantry_core::verify::Asked::Key(key));
    let operator = tenantry_core::verify::Verifier::operator(None);
    for _ in 0..2 {
        other.verify(operator, &question(&sub.key)).await.expect("a verdict");
        app.code(&app.owner(), &sub.key).await;
        other.flush_usage().await.expect("written");
        app.plane.flush_usage().await.expect("written");
    }
    assert_eq!(by_key(&app).await, [(sub.key_id.clone(), json!({ "VALID": 4 }))].into());
}

#[tokio::test]
async fn a_node_that_was_silent_for_long_begins_anew() {
    let app = TestApp::start().await;
    let sub = app.sub_account("s").await;
    let owner = app.owner();
    let flushed = async || {
        app.code(&owner, &sub.key).await;
        app.plane.flush_usage().await
    };
    flushed().await.expect("written");
    flushed().await.expect("written");
    assert_eq!(app.count("SELECT number FROM usage_flushes"), 2);
    app.advance(limits::USAGE_FLUSHES_KEPT.as_secs() + 1);
    assert_eq!(app.plane.sweep_usage().await.expect("swept"), 1);
    flushed().await.expect("written");
    assert_eq!(app.count("SELECT number FROM usage_flushes"), 1);
    let told = by_key(&app).await[&sub.key_id].clone();
    assert_eq!((told, app.plane.usage_uncounted()), (json!({ "VALID": 3 }), 0));
    // A batch that nobody can say any more whether it was added is given up, and that is told.
    flushed().await.expect("written");
    app.store.between.lose_next();
    assert!(flushed().await.is_err());
    app.advance(limits::USAGE_FLUSHES_KEPT.as_secs() + 1);
    assert_eq!(app.plane.sweep_usage().await.expect("swept"), 1);
    app.plane.flush_usage().await.expect("given up");
    flushed().await.expect("written");
    let told = by_key(&app).await[&sub.key_id].clone();
    assert_eq!((told, app.plane.usage_uncounted()), (json!({ "VALID": 6 }), 1));
}

#[tokio::test]
async fn usage_is_grouped_as_it_is_asked_for() {
    let app = TestApp::start().await;
    let (sub, other) = (app.sub_account("s").await, app.sub_account("o").await);
    let owner = app.owner();
    call(&app, &sub.id, record()).await;
    app.code(&owner, &sub.key).await;
    app.advance(24 * 3_600);
    call(&app, &other.id, json!({ "status": "busy" })).await;
    call(&app, &app.organization.account_id, json!({ "status": "own" })).await;
    app.plane.flush_usage().await.expect("written");
    let costs = json!({ "platform": 2.5, "telephony": 0.1, "synthesizer": { "s": 0.2 },
        "transcriber": { "t": 1 }, "llm": { "a": 0.1, "b": 0.2 }, "total": 4.1 });
    let nothing = json!({ "platform": 0, "telephony": 0, "synthesizer": {}, "transcriber": {},
        "llm": {}, "total": 0 });
    let first = json!({ "day": "2025-07-10T00:00:00.000000Z", "verifications": { "VALID": 1 },
        "calls": { "count": 1, "duration_seconds": 61.5, "statuses": { "completed": 1 },
            "costs": costs } });
    let second = json!({ "day": "2025-07-11T00:00:00.000000Z", "verifications": {},
        "calls": { "count": 2, "duration_seconds": 0, "statuses": { "busy": 1, "own": 1 },
            "costs": nothing } });
    let expected = json!({ "from": "2025-07-01T00:00:00.000000Z",
        "to": "2025-07-12T00:00:00.000000Z", "group_by": "day", "data": [first, second],
        "next_cursor": null });
    // From the rows of days, and of hours.
    let of_hours = "group_by=day&from=2025-07-01T01:00:00Z&to=2025-07-11T23:00:00Z";
    for settled in [false, true] {
        assert_eq!(usage(&owner, "group_by=day").await.json, expected, "settled: {settled}");
        assert_eq!(usage(&owner, of_hours).await.json["data"], expected["data"]);
        let named = app.operator().header("tenantry-organization", &app.organization.account_id);
        assert_eq!(usage(&named, "group_by=day").await.json, expected);
        // One account alone, in either spelling of its id.
        for id in [&other.id, &other.uuid] {
            let own = usage(&owner, &format!("account={id}")).await.json["data"].clone();
            assert_eq!(own.as_array().map(Vec::len), Some(1));
            assert_eq!(own[0]["account_id"], other.id);
            assert_eq!(own[0]["calls"]["statuses"], json!({ "busy": 1 }));
        }
        let query = format!("account={}&group_by=hour", app.organization.account_id);
        let own = usage(&owner, &query).await.json["data"].clone();
        assert_eq!(own[0]["hour"], "2025-07-11T14:00:00.000000Z");
        assert_eq!(own[0]["calls"]["statuses"], json!({ "own": 1 }));
        settle(&app).await;
    }
    // What is asked for is taken in whole hours, and that is told.
    let query = "from=2025-07-10T14:59:59.5%2B00:00&to=2025-07-11T14:00:00.000001Z";
    let told = usage(&owner, query).await.json;
    assert_eq!(told["from"], "2025-07-10T14:00:00.000000Z");
    assert_eq!(told["to"], "2025-07-11T15:00:00.000000Z");
    assert_eq!(told["data"].as_array().map(Vec::len), Some(3));
    let empty = usage(&owner, "from=2025-07-10T14:00:00Z&to=2025-07-10T14:00:00Z").await.json;
    assert_eq!(empty["data"], json!([]));
}

#[tokio::test]
async fn groups_come_in_pages_of_their_own_question() {
    let app = TestApp::start().await;
    for name in ["a", "b", "c", "d", "e"] {
        let sub = app.sub_account(name).await;
        call(&app, &sub.id, json!({ "status": name })).await;
        app.code(&app.owner(), &sub.key).await;
        app.advance(3_600);
    }
    settle(&app).await;
    let owner = app.owner();
    for by in ["account", "key", "hour"] {
        let whole = usage(&owner, &format!("group_by={by}")).await.json;
        assert_eq!(whole["data"].as_array().map(Vec::len), Some(5), "{by}");
        let (mut paged, mut cursor) = (Vec::new(), String::new());
        loop {
            let query = format!("group_by={by}&limit=2{cursor}");
            let page = usage(&owner, &query).await.json;
            paged.extend(page["data"].as_array().expect("groups").clone());
            assert_eq!(page["to"], whole["to"]);
            let Some(next) = page["next_cursor"].as_str() else { break };
            for other in ["group_by=day", "from=2025-07-09T00:00:00Z", "account=x"] {
                let reply = owner.get(&format!("/v1/usage?{other}&cursor={next}")).await;
                let expected = if other == "account=x" { 404 } else { 400 };
                assert_eq!(reply.refusal().0, expected, "{other}");
            }
            cursor = format!("&cursor={next}");
        }
        assert_eq!(json!(paged), whole["data"], "{by}");
    }
}

#[tokio::test]
async fn nobody_reads_usage_of_whom_they_do_not_reach() {
    let app = TestApp::start().await;
    let foreign = app.organization("Other").await;
    let theirs = app.sub_account_of(&foreign, "theirs").await;
    let (own, sibling) = (app.sub_account("own").await, app.sub_account("sibling").await);
    for account in [&theirs.id, &own.id, &sibling.id, &app.organization.account_id] {
        call_of_anybody(&app, account).await;
    }
    let unknown = app.owner().get("/v1/usage?account=acc_1C9EVhR5Tth8cTGEFr9hz6").await;
    assert_eq!(unknown.refusal().0, 404);
    let path = format!("/v1/accounts/{}/keys", own.id);
    let able = json!({ "permissions": ["tenantry.usage:read"] });
    let able = app.owner().post(&path, able).await.text_at("/secret").to_owned();
    let able = app.bearer(&able);
    for (caller, account) in [
        (app.owner(), &theirs.id),
        (app.owner(), &foreign.account_id),
        (able.clone(), &sibling.id),
        (able.clone(), &app.organization.account_id),
        (able.clone(), &theirs.id),
    ] {
        let reply = caller.get(&format!("/v1/usage?account={account}")).await;
        assert_eq!((reply.refusal().0, &reply.text), (404, &unknown.text), "{account}");
    }
    // A sub-account's caller sees its own, named or not.
    for query in [String::new(), format!("account={}", own.id)] {
        let told = usage(&able, &query).await.json["data"].clone();
        assert_eq!(told.as_array().map(Vec::len), Some(1), "{told}");
        assert_eq!(told[0]["account_id"], own.id);
    }
    let tree = usage(&app.owner(), "").await.json["data"].clone();
    assert_eq!(tree.as_array().map(Vec::len), Some(3), "{tree}");
    assert_eq!(app.bearer(&own.key).get("/v1/usage").await.refusal().0, 403);
    let query = format!("/v1/usage?account={}", theirs.id);
    assert_eq!(app.bearer(&own.key).get(&query).await.refusal().0, 404, "before the permission");
    for caller in [app.platform().await, app.operator()] {
        assert_eq!(caller.get("/v1/usage").await.refusal().0, 403, "no organization is named");
    }
}

async fn call_of_anybody(app: &TestApp, account: &str) {
    let lease = app.lease(account).await;
    let path = format!("/v1/leases/{lease}/release");
    let released = app.platform().await.post(&path, json!({ "status": "x" })).await;
    assert_eq!(released.status, 200, "{}", released.text);
}

#[tokio::test]
async fn a_question_that_breaks_a_rule_is_refused() {
    let app = TestApp::start().await;
    for (query, status) in [
        ("from=2025-07-01T00:00:00Z&to=2025-08-02T00:00:00Z", 200),
        ("from=2025-07-01T01:00:00Z&to=2025-08-02T01:00:00Z", 200),
        ("from=2025-07-01T01:00:00Z&to=2025-08-02T01:00:01Z", 400),
        ("from=2025-07-01T00:00:00Z&to=2026-08-05T00:00:00Z", 200),
        ("from=2025-07-01T00:00:00Z&to=2026-08-05T00:00:01Z", 400),
        ("from=2025-07-01T00:00:00Z&to=2026-08-06T00:00:00Z", 400),
        ("from=2025-07-01T00:00:00Z&to=2025-08-02T00:00:00Z&group_by=hour", 200),
        ("from=2025-07-01T00:00:00Z&to=2025-08-03T00:00:00Z&group_by=hour", 400),
        ("from=2025-07-01T00:00:00Z&to=2025-08-03T00:00:00Z&group_by=key", 200),
        ("from=2025-07-02T00:00:00Z&to=2025-07-01T00:00:00Z", 400),
        ("from=2025-07-01", 400),
        ("to=now", 400),
        ("group_by=status", 400),
        ("group_by=", 400),
        ("group_by=day&group_by=day", 400),
        ("account=nonsense", 404),
        ("account=", 404),
        ("limit=0", 400),
        ("limit=101", 400),
        ("cursor=x", 400),
        ("since=2025-07-01T00:00:00Z", 400),
        ("from=9999-12-31T00:00:00Z", 400),
        ("from=9999-12-01T00:00:00Z&to=9999-12-30T22:00:00Z", 200),
        ("from=9999-12-01T00:00:00Z&to=9999-12-30T22:00:00.5Z", 400),
        ("from=-009999-01-02T02:00:00Z&to=-009999-01-03T00:00:00Z", 200),
        ("from=-009999-01-02T01:59:59Z&to=-009999-01-03T00:00:00Z", 400),
        ("to=-009999-01-02T03:00:00Z", 400),
    ] {
        let reply = app.owner().get(&format!("/v1/usage?{query}")).await;
        assert_eq!(reply.status, status, "{query} {}", reply.text);
    }
    let posted = app.owner().send(Method::POST, "/v1/usage", b"{}".to_vec()).await;
    assert_eq!(posted.refusal().0, 405, "calls are told of by their leases");
}

#[tokio::test]
async fn a_record_that_somebody_broke_keeps_none_from_the_sums() {
    let app = TestApp::start().await;
    let (sub, other) = (app.sub_account("s").await, app.sub_account("o").await);
    call(&app, &sub.id, record()).await;
    for _ in 0..3 {
        call(&app, &other.id, record()).await;
    }
    assert_eq!(
        app.edit(
            "UPDATE call_records SET llm_costs = '{\"a\":-1}'
        WHERE account_id = (SELECT id FROM accounts WHERE name = 's')"
        ),
        1
    );
    assert_eq!(app.plane.roll_calls().await.expect("rolled"), 3);
    assert_eq!(app.plane.roll_calls().await.expect("none is left"), 0);
    assert_eq!(app.count("SELECT count(*) FROM call_records WHERE rolled = 0"), 1);
    let path = format!("/sub-accounts/{}/usage", other.uuid);
    assert_eq!(app.owner().get(&path).await.json["total_records"], 3);
}

#[tokio::test]
async fn old_usage_is_forgotten() {
    let app = TestApp::start().await;
    let sub = app.sub_account("s").await;
    call(&app, &sub.id, record()).await;
    app.code(&app.owner(), &sub.key).await;
    settle(&app).await;
    call(&app, &sub.id, record()).await;
    app.advance(limits::USAGE_HOURS_KEPT.as_secs() - 3_600);
    assert_eq!(app.plane.sweep_usage().await.expect("swept"), 1, "the node's last batch");
    app.advance(3_601);
    // A call, and a verification and the call's status, duration and five costs of an hour, of which
    // one has two providers.
    assert_eq!(app.plane.sweep_usage().await.expect("swept"), 1 + 1 + 2 + 6);
    assert_eq!(app.plane.sweep_usage().await.expect("swept"), 0);
    let days = "from=2025-07-10T00:00:00Z&to=2025-07-11T00:00:00Z&group_by=day";
    let told = usage(&app.owner(), days).await.json["data"][0].clone();
    let told = (&told["verifications"]["VALID"], &told["calls"]["count"]);
    assert_eq!(told, (&json!(1), &json!(2)), "days, and what is in no sum yet");
    assert_eq!(app.plane.roll_calls().await.expect("rolled"), 1);
    let left = limits::USAGE_DAYS_KEPT.saturating_sub(limits::USAGE_HOURS_KEPT);
    app.advance(left.as_secs() + 24 * 3_600);
    assert!(app.plane.sweep_usage().await.expect("swept") > 0);
    assert_eq!(usage(&app.owner(), days).await.json["data"], json!([]));
    assert_eq!(app.count("SELECT count(*) FROM call_records"), 0);
    assert_eq!(app.count("SELECT count(*) FROM usage_days"), 0);
}

#[tokio::test]
async fn many_counts_leave_in_several_batches() {
    let app = TestApp::start().await;
    let count = limits::USAGE_BATCH + 1;
    let accounts: Vec<_> = (0..count).map(|n| json!({ "name": n.to_string() })).collect();
    let made = app.owner().post("/v1/accounts/bulk", json!({ "accounts": accounts })).await;
    let made = made.json["results"].as_array().expect("results").clone();
    assert_eq!(made.len(), count);
    for result in &made {
        let secret = result.pointer("/key/secret").and_then(Value::as_str).expect("a key");
        assert_eq!(app.code(&app.owner(), secret).await, "VALID");
    }
    app.plane.flush_usage().await.expect("written");
    assert_eq!(app.count("SELECT number FROM usage_flushes"), 2);
    let ones = "SELECT count(*) FROM usage_hours WHERE amount = 1";
    assert_eq!(usize::try_from(app.count(ones)), Ok(count));
    let days = usage(&app.owner(), "group_by=day").await.json["data"][0].clone();
    assert_eq!(days["verifications"], json!({ "VALID": count }));
}

#[tokio::test]
async fn a_roll_takes_no_more_calls_than_its_limits() {
    let app = TestApp::start().await;
    if app.is_shared() {
        // The rows are written in the words of the embedded store.
        return;
    }
    let calls = |count: u32, costs: &str| {
        let rows = format!(
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count})
             INSERT INTO call_records (lease_id, root_id, account_id, status, platform_cost,
                 telephony_cost, synthesizer_costs, transcriber_costs, llm_costs, ended_at)
             SELECT randomblob(16), a.id, a.id, 'x', 0, 0, '{{}}', '{{}}', '{costs}', {}
             FROM n, accounts AS a",
            crate::support::START
        );
        assert_eq!(app.edit(&rows), u64::from(count));
    };
    let roll = async || app.plane.roll_calls().await.expect("rolled");
    calls(limits::USAGE_ROLL_MAX + 1, "{}");
    assert_eq!(
        (roll().await, roll().await, roll().await),
        (u64::from(limits::USAGE_ROLL_MAX), 1, 0)
    );
    // Each of these comes to 4 amounts, and one for each provider.
    let providers: Vec<_> = (0..96).map(|n| format!("\"p{n}\":1")).collect();
    calls(60, &format!("{{{}}}", providers.join(",")));
    assert_eq!((roll().await, roll().await, roll().await), (50, 10, 0));
    let day = usage(&app.owner(), "group_by=day").await.json["data"][0].clone();
    let count = u64::from(limits::USAGE_ROLL_MAX) + 61;
    assert_eq!(day["calls"]["count"], count);
    assert_eq!(day["calls"]["costs"]["total"], 60.0 * 96.0 / 1e6);
}
