//! Leases: concurrent calls in progress (cases 43, 80, 82, 83 and 84 of docs/design/security.md).

use crate::support::{Client, Reply, SubAccount, TestApp};
use futures_util::future::join_all;
use serde_json::{Value, json};
use tenantry_core::audit::{Action, AuditEvent};
use tenantry_core::commit::Commit;
use tenantry_core::ids::{AccountId, EventId};
use tenantry_core::secrets::Sealed;
use tenantry_core::store::AccountStore as _;

async fn acquire(caller: &Client<'_>, account: &str, ttl_seconds: u64) -> Reply {
    let body = json!({ "account_id": account, "ttl_seconds": ttl_seconds });
    caller.post("/v1/leases", body).await
}

/// A sub-account that may have so many calls at once.
async fn sub_account(app: &TestApp, calls: u32) -> SubAccount {
    let sub = app.sub_account("s").await;
    let path = format!("/v1/accounts/{}/limits", sub.id);
    assert_eq!(app.owner().put(&path, json!({ "concurrency": calls })).await.status, 200);
    sub
}

/// Gives a lease back, or renews it.
async fn act(caller: &Client<'_>, lease: &str, verb: &str, body: Value) -> Reply {
    caller.post(&format!("/v1/leases/{lease}/{verb}"), body).await
}

async fn verify(app: &TestApp, key: &str, lease: Value) -> Reply {
    let body = json!({ "key": key, "lease": lease });
    let reply = app.platform().await.post("/v1/keys/verify", body).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    reply
}

fn is_exceeded(reply: &Reply, available: u32, limit: u32, in_use: u32) {
    assert_eq!((reply.refusal().0, reply.header("retry-after")), (429, "1"), "{}", reply.text);
    let told = ["code", "requested", "available", "account_limit", "in_use"];
    let expected =
        [json!("concurrency_exceeded"), json!(1), available.into(), limit.into(), in_use.into()];
    assert_eq!(told.map(|name| reply.json[name].clone()), expected, "{}", reply.text);
}

#[tokio::test]
async fn a_lease_holds_a_slot_until_it_is_given_back_or_expires() {
    let app = TestApp::start().await;
    if app.is_shared() {
        // Compares with times of the store's clock, which is the server's own there.
        return;
    }
    let (caller, sub) = (app.platform().await, sub_account(&app, 2).await);
    let first = acquire(&caller, &sub.id, 60).await;
    assert_eq!(first.status, 201, "{}", first.text);
    let lease = first.text_at("/id").to_owned();
    assert!(lease.starts_with("lea_") && lease.len() == 26, "{lease}");
    let expected = json!({ "id": lease, "fencing_token": 1,
        "expires_at": "2025-07-10T14:36:00.123456Z", "in_use": 1, "limit": 2 });
    assert_eq!(first.json, expected);
    // The other spelling of the account, too.
    let second = acquire(&caller, &sub.uuid, 5).await;
    assert_eq!((&second.json["in_use"], &second.json["fencing_token"]), (&json!(2), &json!(2)));
    is_exceeded(&acquire(&caller, &sub.id, 60).await, 0, 2, 2);
    app.advance(5);
    assert_eq!(acquire(&caller, &sub.id, 60).await.json["in_use"], 2);
    is_exceeded(&acquire(&caller, &sub.id, 60).await, 0, 2, 2);
    let released = act(&caller, &lease, "release", json!({})).await;
    let expected = json!({ "id": lease, "released_at": "2025-07-10T14:35:05.123456Z" });
    assert_eq!((released.status.as_u16(), &released.json), (200, &expected));
    let again = acquire(&caller, &sub.id, 60).await;
    assert_eq!(again.json["fencing_token"], 4, "a refusal takes no token: {}", again.text);
}

#[tokio::test]
async fn two_caps_hold_at_once() {
    let app = TestApp::start().await;
    let caller = app.platform().await;
    let (a, b) = (app.sub_account("a").await, app.sub_account("b").await);
    let root = &app.organization.account_id;
    let operator = app.operator().header("tenantry-organization", root);
    let path = format!("/v1/accounts/{root}/limits");
    let set = operator.put(&path, json!({ "concurrency": 3 })).await;
    assert_eq!(set.status, 200, "{}", set.text);
    let first = acquire(&caller, &a.id, 60).await.text_at("/id").to_owned();
    for (account, in_use) in [(&a.id, 2), (&b.id, 1)] {
        let taken = acquire(&caller, account, 60).await;
        assert_eq!((&taken.json["in_use"], &taken.json["limit"]), (&json!(in_use), &json!(10)));
    }
    for account in [&a.id, &b.id, root] {
        is_exceeded(&acquire(&caller, account, 60).await, 0, 3, 3);
    }
    // A call of the organization itself counts among its tree's.
    act(&caller, &first, "release", json!({})).await;
    let own = acquire(&caller, root, 60).await;
    assert_eq!((&own.json["in_use"], &own.json["limit"]), (&json!(3), &json!(3)));
    is_exceeded(&acquire(&caller, &b.id, 60).await, 0, 3, 3);
    // What `/user/me` and the limits say is what there is.
    let calls = async |key: &str| app.bearer(key).get("/user/me").await.json["concurrency"].clone();
    assert_eq!(calls(&app.organization.key).await, json!({ "max": 3, "current": 3 }));
    assert_eq!(calls(&a.key).await, json!({ "max": 10, "current": 1 }));
    app.advance(60);
    assert_eq!(calls(&app.organization.key).await, json!({ "max": 3, "current": 0 }));
}

#[tokio::test]
async fn case_80_a_lease_ends_once_and_stays_ended() {
    let app = TestApp::start().await;
    if app.is_shared() {
        // Compares with times of the store's clock, which is the server's own there.
        return;
    }
    let (caller, sub) = (app.platform().await, app.sub_account("s").await);
    let lease = app.lease(&sub.id).await;
    let first = act(&caller, &lease, "release", json!({})).await;
    app.advance(100);
    let second = act(&caller, &lease, "release", json!({})).await;
    assert_eq!((second.status, &second.text), (first.status, &first.text));
    let renewed = act(&caller, &lease, "renew", json!({})).await;
    assert_eq!((renewed.refusal().0, &renewed.json["code"]), (410, &json!("lease_ended")));

    let lease = app.lease(&sub.id).await;
    app.advance(59);
    let renewed = act(&caller, &lease, "renew", json!({ "ttl_seconds": 10 })).await;
    assert_eq!(renewed.json["expires_at"], "2025-07-10T14:37:49.123456Z", "{}", renewed.text);
    app.advance(9);
    // As long as it was last taken for.
    let renewed = act(&caller, &lease, "renew", Value::Null).await;
    assert_eq!(renewed.status, 400, "null is no object: {}", renewed.text);
    let renewed = caller.post_bytes(&format!("/v1/leases/{lease}/renew"), "").await;
    assert_eq!(renewed.json["expires_at"], "2025-07-10T14:37:58.123456Z", "{}", renewed.text);
    app.advance(10);
    for verb in ["renew", "release"] {
        let late = act(&caller, &lease, verb, json!({})).await;
        assert_eq!((late.refusal().0, &late.json["code"]), (410, &json!("lease_ended")), "{verb}");
    }
    // Long after that it is not remembered.
    app.advance(3602);
    assert_eq!(app.plane.sweep_leases().await.expect("swept"), 2);
    assert_eq!(act(&caller, &lease, "renew", json!({})).await.refusal().0, 404);
}

/// A resource that remembers the highest fencing token it has seen, and refuses a lower one.
#[derive(Default)]
struct Resource(u64);

impl Resource {
    fn write(&mut self, token: u64) -> bool {
        let accepted = token >= self.0;
        self.0 = self.0.max(token);
        accepted
    }
}

#[tokio::test]
async fn f23_a_holder_that_was_paused_beyond_its_time_holds_nothing_and_is_fenced_off() {
    let app = TestApp::start().await;
    if app.is_shared() {
        // Moves the store's clock, which is the server's own there.
        return;
    }
    let (caller, sub) = (app.platform().await, sub_account(&app, 1).await);
    let token = |reply: &Reply| reply.json["fencing_token"].as_u64().expect("a token");
    let paused = acquire(&caller, &sub.id, 5).await;
    let mut resource = Resource::default();
    assert!(resource.write(token(&paused)));
    app.advance(4);
    is_exceeded(&acquire(&caller, &sub.id, 5).await, 0, 1, 1);
    app.advance(1);
    let next = acquire(&caller, &sub.id, 5).await;
    assert_eq!((next.status.as_u16(), &next.json["in_use"]), (201, &json!(1)), "{}", next.text);
    assert!(resource.write(token(&next)));
    // It wakes up.
    let lease = paused.text_at("/id");
    assert!(!resource.write(token(&paused)), "a lower token than one that was seen");
    for verb in ["renew", "release"] {
        let late = act(&caller, lease, verb, json!({})).await;
        assert_eq!((late.refusal().0, &late.json["code"]), (410, &json!("lease_ended")), "{verb}");
    }
    is_exceeded(&acquire(&caller, &sub.id, 5).await, 0, 1, 1);
}

#[tokio::test]
async fn case_80_the_same_request_has_the_same_lease() {
    let app = TestApp::start().await;
    let (caller, sub) = (app.platform().await, sub_account(&app, 1).await);
    let other = sub_account(&app, 1).await;
    let request = async |account: &str, id: &str| {
        let body = json!({ "account_id": account, "ttl_seconds": 60, "request_id": id });
        caller.post("/v1/leases", body).await
    };
    let first = request(&sub.id, "call-7").await;
    assert_eq!(first.status, 201);
    // At once, and many times: it is its own slot that is taken.
    for reply in join_all((0..10).map(|_| request(&sub.id, "call-7"))).await {
        assert_eq!((reply.status, &reply.text), (first.status, &first.text));
    }
    is_exceeded(&request(&sub.id, "call-8").await, 0, 1, 1);
    assert_ne!(request(&other.id, "call-7").await.json["id"], first.json["id"]);
    assert_eq!(app.count("SELECT count(*) FROM leases"), 2);
    app.advance(60);
    // An answer as if it held a slot would be one call too many.
    assert_eq!(request(&sub.id, "call-7").await.refusal().0, 410);
    assert_eq!(request(&sub.id, "call-8").await.status, 201);
}

#[tokio::test]
async fn case_43_another_tenants_lease_and_request_id_are_nobodys() {
    let app = TestApp::start().await;
    let foreign = app.organization("Other").await;
    let theirs = app.sub_account_of(&foreign, "theirs").await;
    let ours = app.sub_account("ours").await;
    let request =
        |account: &str| json!({ "account_id": account, "ttl_seconds": 60, "request_id": "r" });
    let owner = app.bearer(&foreign.key);
    let lease = owner.post("/v1/leases", request(&theirs.id)).await.text_at("/id").to_owned();
    let mine = app.owner().post("/v1/leases", request(&ours.id)).await;
    assert_eq!((mine.status.as_u16(), &mine.json["in_use"]), (201, &json!(1)));
    assert_ne!(mine.text_at("/id"), lease);
    // A key of a sibling reaches no more than one of another organization.
    let path = format!("/v1/accounts/{}/keys", ours.id);
    let strong = json!({ "permissions": ["tenantry.*:*"] });
    let sibling = app.owner().post(&path, strong).await.text_at("/secret").to_owned();
    let other = app.sub_account("other").await;
    let others = app.lease(&other.id).await;
    let rows = "SELECT expires_at || ' ' || coalesce(released_at, 0) FROM leases ORDER BY id";
    let before = app.texts(rows);
    for (caller, lease) in [
        (app.owner(), &lease),
        (app.bearer(&sibling), &lease),
        (app.bearer(&sibling), &others),
        (owner.clone(), &mine.text_at("/id").to_owned()),
    ] {
        for verb in ["renew", "release"] {
            let reply = act(&caller, lease, verb, json!({})).await;
            let unknown = act(&caller, "lea_1C9EVhR5Tth8cTGEFr9hz6", verb, json!({})).await;
            assert_eq!((reply.refusal().0, &reply.text), (404, &unknown.text), "{verb}");
        }
    }
    for account in [&theirs.id, &foreign.account_id] {
        assert_eq!(acquire(&app.owner(), account, 60).await.refusal().0, 404);
        assert_eq!(acquire(&app.bearer(&sibling), account, 60).await.refusal().0, 404);
    }
    let by_key = json!({ "key": theirs.key, "ttl_seconds": 60 });
    assert_eq!(app.owner().post("/v1/leases", by_key).await.refusal().0, 404);
    assert_eq!(app.texts(rows), before);
}

#[tokio::test]
async fn a_lease_that_somebody_wrote_by_sql_is_not_there() {
    let app = TestApp::start().await;
    let (ours, theirs) = (app.sub_account("ours").await, app.organization("Other").await);
    let lease = app.lease(&theirs.account_id).await;
    let moved = "UPDATE leases SET (root_id, account_id) =
        (SELECT parent_id, id FROM accounts WHERE name = 'ours')";
    assert_eq!(app.edit(moved), 1);
    let reply = act(&app.owner(), &lease, "release", json!({})).await;
    assert_eq!(reply.refusal().0, 404, "its id says whose it is");
    assert_eq!(acquire(&app.owner(), &ours.id, 60).await.json["in_use"], 2, "it is counted");
}

#[tokio::test]
async fn case_82_a_limit_below_what_is_in_use_ends_nothing_and_lets_nothing_begin() {
    let app = TestApp::start().await;
    let (caller, sub) = (app.platform().await, sub_account(&app, 3).await);
    let mut leases = Vec::new();
    for _ in 0..3 {
        leases.push(acquire(&caller, &sub.id, 60).await.text_at("/id").to_owned());
    }
    let path = format!("/v1/accounts/{}/limits", sub.id);
    let set = app.owner().put(&path, json!({ "concurrency": 1 })).await;
    assert_eq!((&set.json["concurrency"], &set.json["in_use"]), (&json!(1), &json!(3)));
    for (index, lease) in leases.iter().enumerate() {
        let in_use = 3 - u32::try_from(index).expect("three");
        is_exceeded(&acquire(&caller, &sub.id, 60).await, 0, 1, in_use);
        assert_eq!(act(&caller, lease, "renew", json!({})).await.status, 200);
        assert_eq!(act(&caller, lease, "release", json!({})).await.status, 200);
    }
    assert_eq!(acquire(&caller, &sub.id, 60).await.status, 201);
}

#[tokio::test]
async fn case_83_what_breaks_a_rule_takes_no_slot() {
    let app = TestApp::start().await;
    let (caller, sub) = (app.owner(), app.sub_account("s").await);
    for (body, status, pointer) in [
        (json!({ "ttl_seconds": 0 }), 422, "/ttl_seconds"),
        (json!({ "ttl_seconds": -1 }), 422, "/ttl_seconds"),
        (json!({ "ttl_seconds": 4 }), 422, "/ttl_seconds"),
        (json!({ "ttl_seconds": 3601 }), 422, "/ttl_seconds"),
        (json!({ "ttl_seconds": 1_000_000_000 }), 422, "/ttl_seconds"),
        (json!({ "ttl_seconds": 60.5 }), 422, "/ttl_seconds"),
        (json!({ "ttl_seconds": "60" }), 422, "/ttl_seconds"),
        (json!({}), 422, "/ttl_seconds"),
        (json!({ "ttl_seconds": 60, "request_id": "" }), 422, "/request_id"),
        (json!({ "ttl_seconds": 60, "request_id": "a b" }), 422, "/request_id"),
        (json!({ "ttl_seconds": 60, "request_id": "a".repeat(129) }), 422, "/request_id"),
        (json!({ "ttl_seconds": 60, "reference": "a\u{7}" }), 422, "/reference"),
        (json!({ "ttl_seconds": 60, "reference": "a".repeat(201) }), 422, "/reference"),
        (json!({ "ttl_seconds": 60, "id": "lea_1C9EVhR5Tth8cTGEFr9hz6" }), 422, "/id"),
        (json!({ "ttl_seconds": 60, "parent_id": "x" }), 422, "/parent_id"),
        (json!({ "ttl_seconds": 60, "key": "x" }), 400, ""),
    ] {
        let mut asked = body.clone();
        asked["account_id"] = json!(sub.id);
        let reply = caller.post("/v1/leases", asked).await;
        assert_eq!(reply.refusal().0, status, "{body} {}", reply.text);
        if !pointer.is_empty() {
            assert_eq!(reply.json["errors"][0]["pointer"], pointer, "{body}");
        }
    }
    let nobodys = caller.post("/v1/leases", json!({ "ttl_seconds": 60 })).await;
    assert_eq!(
        (nobodys.refusal().0, &nobodys.json["errors"][0]["pointer"]),
        (422, &json!("/account_id"))
    );
    for ttl in [5, 3600] {
        assert_eq!(acquire(&caller, &sub.id, ttl).await.status, 201, "{ttl}");
    }
    assert_eq!(app.count("SELECT count(*) FROM leases"), 2);
}

#[tokio::test]
async fn case_84_a_call_is_recorded_once_and_never_with_nonsense() {
    let app = TestApp::start().await;
    let (caller, sub) = (app.platform().await, app.sub_account("s").await);
    let lease = app.lease(&sub.id).await;
    let many: Value =
        (0..33).map(|n| (n.to_string(), json!(1))).collect::<serde_json::Map<_, _>>().into();
    for (body, pointer) in [
        (json!({ "duration_seconds": 1 }), "/status"),
        (json!({ "status": " " }), "/status"),
        (json!({ "status": "a".repeat(101) }), "/status"),
        (json!({ "status": "x", "duration_seconds": -1 }), "/duration_seconds"),
        (json!({ "status": "x", "duration_seconds": 1e9 }), "/duration_seconds"),
        (json!({ "status": "x", "duration_seconds": "1" }), "/duration_seconds"),
        (json!({ "status": "x", "costs": { "platform": -0.01 } }), "/costs/platform"),
        (json!({ "status": "x", "costs": { "telephony": 1e10 } }), "/costs/telephony"),
        (json!({ "status": "x", "costs": { "llm": { "a": -1 } } }), "/costs/llm"),
        (json!({ "status": "x", "costs": { "llm": { "": 1 } } }), "/costs/llm"),
        (json!({ "status": "x", "costs": { "synthesizer": many } }), "/costs/synthesizer"),
        (json!({ "status": "x", "account_id": sub.id }), "/account_id"),
    ] {
        let reply = act(&caller, &lease, "release", body.clone()).await;
        assert_eq!(reply.refusal().0, 422, "{body} {}", reply.text);
        assert_eq!(reply.json["errors"][0]["pointer"], pointer, "{body}");
    }
    assert_eq!(app.count("SELECT count(*) FROM call_records"), 0);
    let record = |status: &str| {
        json!({ "status": status, "duration_seconds": 61.5,
            "costs": { "platform": 2.5, "llm": { "a": 0.1, "b": 0.2 } } })
    };
    for status in ["completed", "again"] {
        assert_eq!(act(&caller, &lease, "release", record(status)).await.status, 200);
    }
    // A call that outlived its lease costs what it costs.
    let late = app.lease(&sub.id).await;
    app.advance(60);
    assert_eq!(act(&caller, &late, "release", record("late")).await.refusal().0, 410);
    assert_eq!(act(&caller, &late, "release", record("later")).await.refusal().0, 410);
    let records = "SELECT status || ' ' || duration || ' ' || platform_cost || ' ' || llm_costs
        FROM call_records ORDER BY status";
    let costs = r#"61500000 2500000 {"a":100000,"b":200000}"#;
    assert_eq!(app.texts(records), [format!("completed {costs}"), format!("late {costs}")]);
    // What is told of them is what there is, once.
    let path = format!("/sub-accounts/{}/usage", sub.uuid);
    for rolled in [2, 0] {
        let told = app.owner().get(&path).await.json;
        assert_eq!(told["status_map"], json!({ "completed": 1, "late": 1 }));
        let sums = ["total_records", "total_duration", "total_cost"].map(|name| &told[name]);
        assert_eq!(sums, [&json!(2), &json!(123), &json!(5.6)]);
        assert_eq!(app.plane.roll_calls().await.expect("rolled"), rolled);
    }
}

#[tokio::test]
async fn who_may_take_leases() {
    let app = TestApp::start().await;
    let sub = app.sub_account("s").await;
    assert_eq!(acquire(&app.owner(), &sub.id, 60).await.status, 201);
    let lease = app.lease(&sub.id).await;
    let path = format!("/v1/accounts/{}/keys", sub.id);
    for (permissions, status) in [
        (json!(["tenantry.leases:write"]), 201),
        (json!(["tenantry.leases:read", "tenantry.keys:*"]), 403),
        (json!(["*:*"]), 403),
    ] {
        let body = json!({ "permissions": permissions });
        let key = app.owner().post(&path, body).await.text_at("/secret").to_owned();
        let caller = app.bearer(&key);
        assert_eq!(acquire(&caller, &sub.id, 60).await.status, status, "{permissions}");
        let expected = if status == 201 { 200 } else { status };
        let reply = act(&caller, &lease, "release", json!({})).await;
        assert_eq!(reply.status, expected, "{permissions}");
    }
    // By a key, which is a question about it as well.
    let body = json!({ "permissions": ["tenantry.leases:write"] });
    let key = app.owner().post(&path, body).await.text_at("/secret").to_owned();
    let by_key = json!({ "key": sub.key, "ttl_seconds": 60 });
    assert_eq!(app.bearer(&key).post("/v1/leases", by_key.clone()).await.refusal().0, 403);
    let asks = json!({ "permissions": ["tenantry.keys:verify"] });
    let asks = app.owner().post(&path, asks).await.text_at("/secret").to_owned();
    let with_lease = json!({ "key": sub.key, "lease": { "ttl_seconds": 60 } });
    let reply = app.bearer(&asks).post("/v1/keys/verify", with_lease).await;
    assert_eq!((reply.refusal().0, &reply.json["code"]), (403, &json!("insufficient_permissions")));
    assert_eq!(app.code(&app.bearer(&asks), &sub.key).await, "VALID");
}

#[tokio::test]
async fn a_lease_by_key_is_for_a_key_that_verifies() {
    let app = TestApp::start().await;
    let (caller, sub) = (app.platform().await, app.sub_account("s").await);
    let by_key =
        async |key: &str| caller.post("/v1/leases", json!({ "key": key, "ttl_seconds": 60 })).await;
    assert_eq!(by_key(&sub.key).await.json["in_use"], 1);
    for unknown in ["x", "sa-00000000000000000000000000000000"] {
        assert_eq!(by_key(unknown).await.refusal().0, 404);
    }
    let keys = format!("/v1/keys/{}", sub.key_id);
    for (verb, code) in [("disable", "DISABLED"), ("revoke", "REVOKED")] {
        assert_eq!(app.owner().post(&format!("{keys}/{verb}"), json!({})).await.status, 200);
        let reply = by_key(&sub.key).await;
        assert_eq!((reply.refusal().0, &reply.json["code"]), (403, &json!("credential_refused")));
        assert_eq!(reply.text_at("/detail"), format!("forbidden: the credential is {code}"));
    }
    let platform = app.operator().post("/operator/platform-keys", json!({})).await;
    assert_eq!(by_key(platform.text_at("/secret")).await.refusal().0, 404, "it has no account");
}

#[tokio::test]
async fn an_account_that_does_not_stand_well_begins_no_call() {
    let app = TestApp::start().await;
    let caller = app.platform().await;
    for (verb, code) in [("suspend", "account_suspended"), ("close", "account_closed")] {
        let sub = app.sub_account("s").await;
        let lease = app.lease(&sub.id).await;
        let path = format!("/v1/accounts/{}/{verb}", sub.id);
        assert_eq!(app.owner().post(&path, json!({})).await.status, 200);
        let reply = acquire(&caller, &sub.id, 60).await;
        assert_eq!((reply.refusal().0, &reply.json["code"]), (409, &json!(code)), "{verb}");
        // A call that is in progress ends as it may.
        assert_eq!(act(&caller, &lease, "renew", json!({})).await.status, 200);
        assert_eq!(act(&caller, &lease, "release", json!({})).await.status, 200);
    }
}

#[tokio::test]
async fn a_verification_takes_a_lease_only_where_all_else_is_well() {
    let app = TestApp::start().await;
    if app.is_shared() {
        // Compares with times of the store's clock, which is the server's own there.
        return;
    }
    let sub = sub_account(&app, 1).await;
    let minute = json!({ "ttl_seconds": 60 });
    // Each check comes before the lease, and what it refuses takes nothing.
    let body = json!({ "key": sub.key, "permissions": ["tenantry.keys:read"], "lease": minute });
    let reply = app.owner().post("/v1/keys/verify", body).await;
    assert_eq!(reply.json["code"], "INSUFFICIENT_PERMISSIONS");
    assert!(reply.json.get("lease").is_none() && reply.json.get("limits").is_none());
    for unknown in ["x", "sa-00000000000000000000000000000000"] {
        assert_eq!(verify(&app, unknown, minute.clone()).await.json["valid"], false);
    }
    assert_eq!(app.count("SELECT count(*) FROM leases"), 0);

    let taken = verify(&app, &sub.key, minute.clone()).await;
    assert_eq!((&taken.json["valid"], &taken.json["code"]), (&json!(true), &json!("VALID")));
    let lease = taken.text_at("/lease/id").to_owned();
    let expected = json!({ "id": lease, "fencing_token": 1,
        "expires_at": "2025-07-10T14:36:00.123456Z", "in_use": 1, "limit": 1 });
    assert_eq!(taken.json["lease"], expected);
    assert_eq!(taken.json["limits"], json!({ "concurrency": { "limit": 1, "in_use": 1 } }));
    assert!(taken.text.ends_with('}') && taken.json["key_id"] == sub.key_id);

    let full = verify(&app, &sub.key, minute.clone()).await;
    assert_eq!(
        (&full.json["valid"], &full.json["code"]),
        (&json!(false), &json!("CONCURRENCY_EXCEEDED"))
    );
    assert_eq!(full.json["limits"], json!({ "concurrency": { "limit": 1, "in_use": 1 } }));
    assert!(full.json.get("lease").is_none());
    assert_eq!(full.json["account_id"], sub.id);
    // Without a lease it is as valid as ever; null asks for none.
    assert_eq!(verify(&app, &sub.key, Value::Null).await.json["code"], "VALID");

    let caller = app.platform().await;
    assert_eq!(act(&caller, &lease, "release", json!({})).await.status, 200);
    let request = json!({ "ttl_seconds": 60, "request_id": "r" });
    let first = verify(&app, &sub.key, request.clone()).await;
    let again = verify(&app, &sub.key, request.clone()).await;
    assert_eq!(first.json["lease"], again.json["lease"]);
    app.advance(60);
    let body = json!({ "key": sub.key, "lease": request });
    assert_eq!(caller.post("/v1/keys/verify", body).await.refusal().0, 410);
}

#[tokio::test]
async fn a_cached_answer_gives_no_lease_to_an_account_that_was_stopped() {
    let app = TestApp::start().await;
    let sub = app.sub_account("s").await;
    let minute = json!({ "ttl_seconds": 60 });
    assert_eq!(verify(&app, &sub.key, minute.clone()).await.json["code"], "VALID");
    suspend_behind_the_cache(&app, &sub).await;
    assert_eq!(app.code(&app.owner(), &sub.key).await, "VALID", "the cache knows nothing of it");
    assert_eq!(verify(&app, &sub.key, minute).await.json["code"], "ACCOUNT_SUSPENDED");
    assert_eq!(app.count("SELECT count(*) FROM leases"), 1);
}

/// Suspends an account as another node does, of which this one hears a moment later.
async fn suspend_behind_the_cache(app: &TestApp, sub: &SubAccount) {
    let id = |text: &str| AccountId::parse_native(text).expect("an id");
    let (root, id) = (id(&app.organization.account_id), id(&sub.id));
    let found = app.store.find_account(root, id).await.expect("a read").expect("the account");
    let mut account = found.open(&app.secrets).expect("its seal");
    let at = account.updated_at;
    assert!(account.suspend(at).expect("it was active"));
    let event = AuditEvent {
        id: EventId::from_bytes([9; 16]),
        root,
        at,
        actor: ("operator", "local".to_owned()),
        action: Action::AccountSuspended,
        target: ("account", id.to_string()),
        facts: Vec::new(),
        request_id: "test".into(),
        address: None,
    };
    let (account, event) = (Sealed::new(account, &app.secrets), Sealed::new(event, &app.secrets));
    app.store.update_account(&account, Commit::audited(event)).await.expect("suspended");
}
