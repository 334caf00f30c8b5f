//! Usage: what verifications and calls come to (case 84 of docs/design/security.md is in `leases`).

use crate::support::TestApp;
use serde_json::{Value, json};

/// Makes a call of an account and gives its lease back with what it took.
async fn call(app: &TestApp, account: &str, record: Value) {
    let lease = app.lease(account).await;
    let path = format!("/v1/leases/{lease}/release");
    let released = app.owner().post(&path, record).await;
    assert_eq!(released.status, 200, "{}", released.text);
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
