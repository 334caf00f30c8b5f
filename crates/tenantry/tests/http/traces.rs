//! A client's trace in the log: with and without the feature `otel`.

use crate::support::{Log, TestApp};
use axum::http::StatusCode;
use serde_json::{Value, json};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

/// The traces that the lines of a request name, by the lines' targets.
fn traces(log: &Log, request: &str) -> Vec<(String, Value)> {
    let text = log.text();
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let of_request = lines.filter(|line| line["fields"]["request_id"] == request);
    let named = |line: Value| {
        (line["target"].as_str().unwrap_or_default().to_owned(), line["fields"]["trace_id"].clone())
    };
    of_request.map(named).collect()
}

#[tokio::test]
async fn a_valid_traceparent_is_named_in_every_log_line_of_its_request_and_no_other_is() {
    let app = TestApp::start().await;
    let sub = app.sub_account("s").await;
    let log = Log::capture();
    let good = format!("00-{TRACE}-b7ad6b7169203331-00");
    let other = format!("00-{TRACE}-{}-00", "0".repeat(16));
    for (id, traceparent, wanted) in
        [("traced", &good, json!(TRACE)), ("untraced", &other, Value::Null)]
    {
        let caller = app.owner().header("x-request-id", id).header("traceparent", traceparent);
        app.store.between.lose_next();
        let reply = caller.post("/v1/accounts", json!({ "name": "a" })).await;
        assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE);
        let failed = ("tenantry_http::refusal".to_owned(), wanted.clone());
        let answered = ("tenantry::access".to_owned(), wanted.clone());
        assert_eq!(traces(&log, id), [failed, answered.clone()]);
        // And on the way past the router.
        let id = &format!("{id}-verify");
        let caller = app.owner().header("x-request-id", id).header("traceparent", traceparent);
        assert_eq!(app.code(&caller, &sub.key).await, "VALID");
        assert_eq!(traces(&log, id), [answered]);
    }
}
