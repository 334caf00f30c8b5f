//! `/livez` and `/readyz`: what a load balancer is told.

use crate::support::{Settings, TestApp};
use serde_json::json;

const TEXT: &str = "text/plain; charset=utf-8";

/// Status and body of a health reply.
async fn ask(app: &TestApp, path: &str) -> (u16, String) {
    let reply = app.stranger().get(path).await;
    assert_eq!((reply.header("content-type"), reply.header("cache-control")), (TEXT, "no-store"));
    (reply.status.as_u16(), reply.text)
}

fn answer(status: u16, text: &str) -> (u16, String) {
    (status, text.to_owned())
}

#[tokio::test]
async fn a_full_store_is_ready_for_verifications_and_not_for_changes() {
    let settings = Settings { database_bytes_max: Some(1 << 20), ..Settings::default() };
    let app = TestApp::start_with(settings).await;
    if app.is_shared() {
        return;
    }
    let good = answer(200, "ready\nwrites: accepted\n");
    assert_eq!(ask(&app, "/readyz").await, good);
    assert_eq!(ask(&app, "/readyz/writes").await, answer(200, "writes: accepted\n"));

    let large = json!({ "name": "x", "metadata": { "x": "x".repeat(15_000) } });
    let refused = loop {
        let reply = app.owner().post("/v1/accounts", large.clone()).await;
        if reply.status != 201 {
            break reply;
        }
    };
    assert_eq!((refused.refusal().0, &refused.json["code"]), (507, &json!("storage_full")));
    let full = "writes: refused (storage full)\n";
    assert_eq!(ask(&app, "/readyz").await, answer(200, &format!("ready\n{full}")));
    assert_eq!(ask(&app, "/readyz/writes").await, answer(503, full));
    assert_eq!(app.code(&app.owner(), &app.organization.key).await, "VALID");

    let emptied = "UPDATE accounts SET metadata = '{}' WHERE length(metadata) > 1000";
    app.edit(emptied);
    app.plane.probe_writes().await.expect("there is room");
    assert_eq!(ask(&app, "/readyz").await, good);
    assert_eq!(ask(&app, "/readyz/writes").await.0, 200);
}

#[tokio::test]
async fn a_server_that_stops_is_ready_for_nothing_and_lives() {
    let app = TestApp::start().await;
    app.stop();
    for path in ["/readyz", "/readyz/writes"] {
        assert_eq!(ask(&app, path).await, answer(503, "stopping\n"));
    }
    assert_eq!(ask(&app, "/livez").await, answer(200, "ok\n"));
    assert_eq!(app.code(&app.owner(), &app.organization.key).await, "VALID");
}
