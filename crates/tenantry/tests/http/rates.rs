//! Rate limits and remaining uses (case 85 of docs/design/security.md).

use crate::support::{Client, Reply, TestApp};
use serde_json::{Value, json};

/// A further key of the organization with these limits: its id and itself.
async fn limited(app: &TestApp, account: &str, limits: Value) -> (String, String) {
    let body = json!({ "permissions": ["*:*", "tenantry.keys:write"], "limits": limits });
    let made = app.owner().post(&format!("/v1/accounts/{account}/keys"), body).await;
    assert_eq!(made.status, 201, "{}", made.text);
    (made.text_at("/id").to_owned(), made.text_at("/secret").to_owned())
}

async fn ask(caller: &Client<'_>, body: Value) -> Reply {
    let reply = caller.post("/v1/keys/verify", body).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    reply
}

async fn code(caller: &Client<'_>, key: &str) -> String {
    ask(caller, json!({ "key": key })).await.text_at("/code").to_owned()
}

/// Sets limits of an account as its organization's owner, or as the operator.
async fn set(caller: &Client<'_>, account: &str, limits: Value) -> Reply {
    let reply = caller.put(&format!("/v1/accounts/{account}/limits"), limits).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    reply
}

#[tokio::test]
async fn a_key_verifies_as_often_as_its_rate_says_and_the_reply_tells() {
    let app = TestApp::start().await;
    let caller = app.platform().await;
    let account = &app.organization.account_id;
    let rate =
        json!([{ "limit": 3, "window_seconds": 60 }, { "limit": 100, "window_seconds": 3600 }]);
    let (id, key) = limited(&app, account, json!({ "rate": rate })).await;
    let read = app.owner().get(&format!("/v1/keys/{id}")).await;
    assert_eq!(read.json["limits"], json!({ "rate": rate, "uses": null }), "{}", read.text);
    for left in [2, 1, 0] {
        let reply = ask(&caller, json!({ "key": key })).await;
        assert_eq!((&reply.json["valid"], &reply.json["code"]), (&json!(true), &json!("VALID")));
        let reset = 60 - left * 20;
        let expected = json!({ "rate": [
            { "of": "key", "limit": 3, "window_seconds": 60, "remaining": left, "reset_seconds": reset },
            { "of": "key", "limit": 100, "window_seconds": 3600, "remaining": 97 + left,
                "reset_seconds": (3 - left) * 36 },
        ] });
        assert_eq!(reply.json["limits"], expected, "{}", reply.text);
        assert_eq!(
            reply.header("ratelimit-policy"),
            r#""key-60";q=3;w=60, "key-3600";q=100;w=3600"#
        );
        let both = format!(
            r#""key-60";r={left};t={reset}, "key-3600";r={};t={}"#,
            97 + left,
            (3 - left) * 36
        );
        assert_eq!(reply.header("ratelimit"), both);
    }
    for _ in 0..3 {
        let refused = ask(&caller, json!({ "key": key })).await;
        assert_eq!(
            (&refused.json["valid"], &refused.json["code"]),
            (&json!(false), &json!("RATE_LIMITED"))
        );
        let windows = &refused.json["limits"]["rate"];
        assert_eq!(windows[0]["retry_after_seconds"], 20, "{}", refused.text);
        assert_eq!(windows[1]["remaining"], 97, "a refusal spends nothing: {}", refused.text);
        assert_eq!(windows[1].get("retry_after_seconds"), None, "{}", refused.text);
    }
    app.advance(19);
    assert_eq!(code(&caller, &key).await, "RATE_LIMITED");
    app.advance(1);
    assert_eq!(code(&caller, &key).await, "VALID");
    assert_eq!(code(&caller, &key).await, "RATE_LIMITED");
    // Who has no limits is told of none.
    let reply = ask(&caller, json!({ "key": app.organization.key })).await;
    assert_eq!((reply.json.get("limits"), reply.header("ratelimit")), (None, ""));
}

#[tokio::test]
async fn the_windows_of_key_account_and_organization_hold_at_once() {
    let app = TestApp::start().await;
    let caller = app.platform().await;
    let (a, b) = (app.sub_account("a").await, app.sub_account("b").await);
    let per = |limit: u32| json!({ "rate": [{ "limit": limit, "window_seconds": 60 }] });
    let shown = set(&app.owner(), &a.id, per(2)).await;
    assert_eq!(shown.json["rate"], per(2)["rate"]);
    let root = &app.organization.account_id;
    let operator = app.operator().header("tenantry-organization", root);
    set(&operator, root, per(4)).await;
    let (_, narrow) = limited(&app, &a.id, per(1)).await;
    let reply = ask(&caller, json!({ "key": narrow })).await;
    let remaining: Vec<_> = reply.json["limits"]["rate"]
        .as_array()
        .expect("windows")
        .iter()
        .map(|window| (window["of"].clone(), window["remaining"].clone()))
        .collect();
    let expected = [("key", 0), ("account", 1), ("organization", 3)];
    assert_eq!(remaining, expected.map(|(of, left)| (json!(of), json!(left))), "{}", reply.text);
    assert_eq!(code(&caller, &narrow).await, "RATE_LIMITED", "the key's");
    assert_eq!(code(&caller, &a.key).await, "VALID");
    assert_eq!(code(&caller, &a.key).await, "RATE_LIMITED", "the account's");
    for expected in ["VALID", "VALID", "RATE_LIMITED"] {
        assert_eq!(code(&caller, &b.key).await, expected, "the organization's");
    }
    assert_eq!(code(&caller, &app.organization.key).await, "RATE_LIMITED");
    // What is set holds from the next question on.
    set(&operator, root, json!({})).await;
    assert_eq!(code(&caller, &b.key).await, "VALID");
    set(&app.owner(), &a.id, json!({})).await;
    assert_eq!(code(&caller, &a.key).await, "VALID");
    assert_eq!(code(&caller, &narrow).await, "RATE_LIMITED");
}

#[tokio::test]
async fn a_request_counts_what_it_costs() {
    let app = TestApp::start().await;
    let caller = app.platform().await;
    let account = &app.organization.account_id;
    let limits =
        json!({ "rate": [{ "limit": 10, "window_seconds": 60 }], "uses": { "limit": 20 } });
    let (_, key) = limited(&app, account, limits).await;
    let with = async |cost: u32| ask(&caller, json!({ "key": key, "cost": cost })).await;
    assert_eq!(with(7).await.json["limits"]["uses"], json!({ "limit": 20, "remaining": 13 }));
    let refused = with(4).await;
    assert_eq!(refused.json["code"], "RATE_LIMITED");
    assert_eq!(refused.json["limits"]["rate"][0]["remaining"], 3);
    let never = with(11).await;
    assert_eq!(never.json["limits"]["rate"][0]["retry_after_seconds"], Value::Null);
    assert_eq!(with(3).await.json["limits"]["uses"], json!({ "limit": 20, "remaining": 10 }));
    app.advance(60);
    assert_eq!(with(10).await.json["limits"]["uses"], json!({ "limit": 20, "remaining": 0 }));
    app.advance(60);
    let spent = with(1).await;
    assert_eq!(spent.json["code"], "USAGE_EXCEEDED");
    assert_eq!(spent.json["limits"]["rate"][0]["remaining"], 10, "{}", spent.text);
    for cost in [json!(0), json!(-1), json!(1_000_001), json!(1.5), json!("1")] {
        let body = json!({ "key": key, "cost": cost });
        assert_eq!(caller.post("/v1/keys/verify", body).await.status, 422, "{cost}");
    }
}

#[tokio::test]
async fn uses_are_spent_once_and_come_back_with_their_period() {
    let app = TestApp::start().await;
    if app.is_shared() {
        // Their time is the store's clock, which is the server's own there.
        return;
    }
    let caller = app.platform().await;
    let account = &app.organization.account_id;
    let uses = json!({ "uses": { "limit": 40, "refill_seconds": 3600 } });
    let (id, key) = limited(&app, account, uses).await;
    let read = app.owner().get(&format!("/v1/keys/{id}")).await;
    let expected = json!({ "limit": 40, "refill_seconds": 3600,
        "granted_at": "2025-07-10T14:35:00.123456Z" });
    assert_eq!(read.json["limits"]["uses"], expected);
    for round in 0..2 {
        for left in (0..40).rev() {
            let reply = ask(&caller, json!({ "key": key })).await;
            assert_eq!(reply.json["limits"]["uses"]["remaining"], left, "{round}: {}", reply.text);
        }
        for _ in 0..5 {
            assert_eq!(code(&caller, &key).await, "USAGE_EXCEEDED");
        }
        app.advance(3600);
    }
    // Given anew, whatever is left.
    assert_eq!(code(&caller, &key).await, "VALID");
    let path = format!("/v1/keys/{id}");
    let changed = app.owner().patch(&path, json!({ "limits": { "uses": { "limit": 2 } } })).await;
    assert_eq!(changed.status, 200, "{}", changed.text);
    for expected in ["VALID", "VALID", "USAGE_EXCEEDED"] {
        assert_eq!(code(&caller, &key).await, expected);
    }
    app.advance(1_000_000);
    assert_eq!(code(&caller, &key).await, "USAGE_EXCEEDED", "these never come back");
    app.owner().patch(&path, json!({ "limits": { "uses": null } })).await;
    assert_eq!(code(&caller, &key).await, "VALID");
}

#[tokio::test]
async fn limits_stay_with_a_line_of_keys() {
    let app = TestApp::start().await;
    let caller = app.platform().await;
    let account = &app.organization.account_id;
    let limits = json!({ "rate": [{ "limit": 4, "window_seconds": 600 }], "uses": { "limit": 3 } });
    let (id, key) = limited(&app, account, limits).await;
    assert_eq!(code(&caller, &key).await, "VALID");
    let path = format!("/v1/keys/{id}/rotate");
    // By itself: what it gets is limited with it.
    let rotated = app.bearer(&key).post(&path, json!({ "grace_seconds": 3600 })).await;
    assert_eq!(rotated.status, 201, "{}", rotated.text);
    assert_eq!(rotated.json["key"]["limits"]["uses"]["limit"], 3, "{}", rotated.text);
    let next = rotated.text_at("/key/secret").to_owned();
    assert_eq!(code(&caller, &next).await, "VALID");
    assert_eq!(code(&caller, &key).await, "VALID");
    assert_eq!(code(&caller, &next).await, "USAGE_EXCEEDED");
    let path = format!("/v1/keys/{}", rotated.text_at("/key/id"));
    app.owner().patch(&path, json!({ "limits": { "uses": null } })).await;
    assert_eq!(code(&caller, &next).await, "VALID");
    assert_eq!(code(&caller, &next).await, "RATE_LIMITED");
}

#[tokio::test]
async fn a_limited_key_makes_and_frees_no_others() {
    let app = TestApp::start().await;
    let account = &app.organization.account_id;
    let limits = json!({ "rate": [{ "limit": 1, "window_seconds": 60 }] });
    let body = json!({ "permissions": ["*:*", "tenantry.*:*"], "limits": limits });
    let path = format!("/v1/accounts/{account}/keys");
    let made = app.owner().post(&path, body).await;
    let (own, key) = (made.text_at("/id").to_owned(), made.text_at("/secret").to_owned());
    let (other, _) = limited(&app, account, json!({ "uses": { "limit": 1 } })).await;
    let caller = app.bearer(&key);
    let refused = |reply: Reply| {
        assert_eq!(reply.refusal().0, 403, "{}", reply.text);
        assert_eq!(reply.json["code"], "grant_exceeds_own", "{}", reply.text);
    };
    refused(caller.post(&path, json!({ "limits": limits })).await);
    refused(caller.post("/v1/accounts", json!({ "name": "s" })).await);
    let machines = format!("/v1/accounts/{account}/service-accounts");
    refused(caller.post(&machines, json!({ "name": "m" })).await);
    for (id, change) in [
        (&own, json!(null)),
        (&own, json!({ "rate": null })),
        (&own, json!({ "rate": [{ "limit": 2, "window_seconds": 60 }] })),
        (&other, json!({ "uses": null })),
        (&other, json!({ "uses": { "limit": 1 } })),
    ] {
        refused(caller.patch(&format!("/v1/keys/{id}"), json!({ "limits": change })).await);
    }
    refused(caller.post(&format!("/v1/keys/{other}/rotate"), json!({ "grace_seconds": 0 })).await);
    // What limits it more, or says something of it, is nobody's loss.
    let narrower =
        json!({ "limits": { "rate": [{ "limit": 1, "window_seconds": 120 }] }, "name": "n" });
    let changed = caller.patch(&format!("/v1/keys/{own}"), narrower).await;
    assert_eq!(changed.status, 200, "{}", changed.text);
}

#[tokio::test]
async fn what_breaks_a_rule_is_told_by_its_place() {
    let app = TestApp::start().await;
    let account = &app.organization.account_id;
    let keys = format!("/v1/accounts/{account}/keys");
    let rate = |limit: i64, window: i64| json!({ "limit": limit, "window_seconds": window });
    for (limits, pointer) in [
        (json!({ "rate": [rate(0, 60)] }), "/limits/rate/0"),
        (json!({ "rate": [rate(1, 60), rate(1, 0)] }), "/limits/rate/1"),
        (json!({ "rate": [rate(1, 60), rate(2, 60)] }), "/limits/rate"),
        (json!({ "rate": (1..=5).map(|n| rate(1, n)).collect::<Vec<_>>() }), "/limits/rate"),
        (json!({ "uses": { "limit": 0 } }), "/limits/uses/limit"),
        (json!({ "uses": { "limit": 1, "refill_seconds": 59 } }), "/limits/uses/refill_seconds"),
    ] {
        let refused = app.owner().post(&keys, json!({ "limits": limits })).await;
        assert_eq!(refused.refusal().0, 422, "{}", refused.text);
        assert_eq!(refused.text_at("/errors/0/pointer"), pointer, "{}", refused.text);
    }
    let sub = app.sub_account("s").await;
    let path = format!("/v1/accounts/{}/limits", sub.id);
    let refused = app.owner().put(&path, json!({ "rate": [rate(1, 60), rate(-1, 1)] })).await;
    assert_eq!(refused.refusal().0, 422, "{}", refused.text);
    assert_eq!(refused.text_at("/errors/0/pointer"), "/rate/1");
}

#[tokio::test]
async fn a_lease_uses_and_rates_are_taken_together_or_not_at_all() {
    let app = TestApp::start().await;
    let caller = app.platform().await;
    let sub = app.sub_account("s").await;
    let limits = json!({ "rate": [{ "limit": 4, "window_seconds": 600 }], "uses": { "limit": 2 } });
    let (id, key) = limited(&app, &sub.id, limits).await;
    set(&app.owner(), &sub.id, json!({ "concurrency": 1 })).await;
    let with_lease = async |request: &str| {
        let lease = json!({ "ttl_seconds": 60, "request_id": request });
        ask(&caller, json!({ "key": key, "lease": lease })).await
    };
    let left = |reply: &Reply| {
        let limits = &reply.json["limits"];
        (limits["rate"][0]["remaining"].clone(), limits["uses"]["remaining"].clone())
    };
    let first = with_lease("one").await;
    assert_eq!(first.json["code"], "VALID", "{}", first.text);
    assert_eq!(left(&first), (json!(3), json!(1)));
    let again = with_lease("one").await;
    assert_eq!(again.json["lease"]["id"], first.json["lease"]["id"], "{}", again.text);
    assert_eq!(left(&again), (json!(3), json!(1)), "the same request spends once");
    let full = with_lease("two").await;
    assert_eq!(full.json["code"], "CONCURRENCY_EXCEEDED", "{}", full.text);
    assert_eq!(left(&full), (json!(3), json!(1)));
    let release = format!("/v1/leases/{}/release", first.text_at("/lease/id"));
    caller.post(&release, json!({})).await;
    let ended = caller.post(
        "/v1/keys/verify",
        json!({ "key": key, "lease": { "ttl_seconds": 60,
        "request_id": "one" } }),
    );
    assert_eq!(ended.await.refusal().0, 410, "what was given back is over");
    // By the key alone: the same things are spent.
    let body = json!({ "key": key, "ttl_seconds": 60, "request_id": "three" });
    let taken = caller.post("/v1/leases", body).await;
    assert_eq!(taken.status, 201, "{}", taken.text);
    let release = format!("/v1/leases/{}/release", taken.text_at("/id"));
    caller.post(&release, json!({})).await;
    // Nothing is left, and yet the same request has what it was given.
    let body = json!({ "key": key, "ttl_seconds": 60, "request_id": "last" });
    let uses = json!({ "limits": { "uses": { "limit": 1 } } });
    assert_eq!(app.owner().patch(&format!("/v1/keys/{id}"), uses).await.status, 200);
    let last = caller.post("/v1/leases", body.clone()).await;
    assert_eq!(last.status, 201, "{}", last.text);
    assert_eq!(caller.post("/v1/leases", body).await.json["id"], last.json["id"]);
    let release = format!("/v1/leases/{}/release", last.text_at("/id"));
    caller.post(&release, json!({})).await;
    let spent = with_lease("four").await;
    assert_eq!((&spent.json["code"], spent.json.get("lease")), (&json!("USAGE_EXCEEDED"), None));
    let body = json!({ "key": key, "ttl_seconds": 60 });
    let refused = caller.post("/v1/leases", body).await;
    assert_eq!((refused.refusal().0, &refused.json["code"]), (429, &json!("usage_exceeded")));
    let in_use = app.owner().get(&format!("/v1/accounts/{}/limits", sub.id)).await;
    assert_eq!(in_use.json["in_use"], 0, "{}", in_use.text);

    let one = json!({ "rate": [{ "limit": 1, "window_seconds": 30 }] });
    let (_, key) = limited(&app, &sub.id, one).await;
    assert_eq!(code(&caller, &key).await, "VALID");
    let body = json!({ "key": key, "ttl_seconds": 60 });
    let refused = caller.post("/v1/leases", body).await;
    assert_eq!((refused.refusal().0, &refused.json["code"]), (429, &json!("rate_limited")));
    let headers = ["retry-after", "ratelimit-policy", "ratelimit"].map(|name| refused.header(name));
    assert_eq!(headers, ["30", r#""key-30";q=1;w=30"#, r#""key-30";r=0;t=30"#]);
}

#[tokio::test]
async fn introspection_and_management_spend_nothing() {
    let app = TestApp::start().await;
    let account = &app.organization.account_id;
    let limits = json!({ "rate": [{ "limit": 1, "window_seconds": 60 }], "uses": { "limit": 1 } });
    let (_, key) = limited(&app, account, limits).await;
    for _ in 0..3 {
        assert_eq!(app.bearer(&key).get("/v1/whoami").await.status, 200);
        let form = format!("token={key}");
        let owner = app.owner().header("content-type", "application/x-www-form-urlencoded");
        let told = owner.post_bytes("/oauth2/introspect", form).await;
        assert_eq!(
            (told.status.as_u16(), &told.json["active"]),
            (200, &json!(true)),
            "{}",
            told.text
        );
    }
    let caller = app.platform().await;
    assert_eq!(code(&caller, &key).await, "VALID");
    assert_eq!(code(&caller, &key).await, "RATE_LIMITED");
}

/// Limits are of keys and accounts, so that no address and no header gets around them; a caller that is
/// refused for wrong keys is told the same fields.
#[tokio::test]
async fn case_85_neither_addresses_nor_forwarded_headers_evade_a_rate() {
    let app = TestApp::start().await;
    let account = &app.organization.account_id;
    let limits = json!({ "rate": [{ "limit": 2, "window_seconds": 600 }] });
    let (_, key) = limited(&app, account, limits).await;
    let caller = app.platform().await;
    let mut codes = Vec::new();
    for number in 0..6 {
        let caller = caller.header("x-forwarded-for", &format!("203.0.113.{number}"));
        let ip = format!("2001:db8:{number}::1");
        codes.push(ask(&caller, json!({ "key": key, "ip": ip })).await.text_at("/code").to_owned());
    }
    assert_eq!(codes[..2], ["VALID", "VALID"]);
    assert!(codes[2..].iter().all(|code| code == "RATE_LIMITED"), "{codes:?}");
    let mut refused = None;
    for number in 0..2000 {
        let wrong =
            app.bearer("tnt_wrong").header("x-forwarded-for", &format!("198.51.100.{number}"));
        let reply = wrong.get("/v1/whoami").await;
        if reply.status == 429 {
            refused = Some(reply);
            break;
        }
    }
    let refused = refused.expect("one address guesses no further");
    assert_eq!(refused.header("ratelimit"), r#""wrong-credentials";r=0;t=1"#);
    assert_eq!(refused.header("retry-after"), "1");
}
