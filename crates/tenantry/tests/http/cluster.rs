//! One node of several, as its callers see it. What nodes know of each other's changes is tested
//! where the planes are.

use crate::support::{Settings, TestApp};
use serde_json::{Value, json};
use tenantry_core::cluster::{Marks, Poll};
use tenantry_core::leads::NodeId;
use tenantry_core::limits;

/// The app's clock once it has started; it stands still.
const NOW: &str = "2025-07-10T14:35:05.123456Z";
/// The bound later.
const LATER: &str = "2025-07-10T14:35:10.123456Z";

/// A node that has known its store's server for so long that what nodes note counts.
async fn start() -> TestApp {
    let max_staleness = Some(limits::MAX_STALENESS);
    let app = TestApp::start_with(Settings { max_staleness, ..Settings::default() }).await;
    app.advance(limits::MAX_STALENESS.as_secs());
    for _ in 0..2 {
        app.plane.follow_changes().await.expect("the log");
    }
    app
}

/// Another node, which notes what it has applied.
struct Other(Option<Marks>);

impl Other {
    /// Reads the change log once.
    async fn poll(&mut self, app: &TestApp) {
        let poll = Poll {
            node: NodeId::from_bytes([2; 16]),
            name: "other".into(),
            max_staleness: limits::MAX_STALENESS,
            now: app.plane.clock().now(),
            applied: self.0,
            rows_max: 100,
        };
        let polled = app.store.store.poll_changes(&poll).await.expect("the log");
        self.0 = Some(std::array::from_fn(|shard| polled.tails[shard].head));
    }

    /// Reads it again and again while `reply` is waited for.
    async fn poll_until<T>(&mut self, app: &TestApp, reply: impl Future<Output = T>) -> T {
        let mut reply = std::pin::pin!(reply);
        loop {
            tokio::select! {
                biased;
                reply = &mut reply => return reply,
                () = self.poll(app) => {}
            }
        }
    }
}

/// What the other node has noted.
async fn noted(app: &TestApp) -> [u64; 16] {
    let listed = app.store.store.list_nodes(app.plane.clock().now(), 10).await.expect("a list");
    listed.nodes.iter().find(|node| &*node.name == "other").expect("the node").applied
}

#[tokio::test]
async fn a_node_that_is_not_fresh_refuses_to_verify_and_nothing_else() {
    let app = start().await;
    let sub = app.sub_account("s").await;
    assert_eq!(app.code(&app.owner(), &sub.key).await, "VALID");
    app.advance(5);
    for by in [app.owner(), app.platform().await] {
        let reply = by.post("/v1/keys/verify", json!({ "key": sub.key })).await;
        assert_eq!((reply.refusal().0, &reply.json["code"]), (503, &json!("unavailable")));
    }
    for path in ["/readyz", "/readyz/writes"] {
        let reply = app.stranger().get(path).await;
        assert_eq!((reply.status.as_u16(), &*reply.text), (503, "not ready\n"), "{path}");
    }
    assert_eq!(app.stranger().get("/livez").await.status, 200);
    // Management asks the store.
    assert_eq!(app.owner().get("/v1/whoami").await.status, 200);
    app.sub_account("t").await;
    for _ in 0..2 {
        app.plane.follow_changes().await.expect("the log");
    }
    assert_eq!(app.code(&app.owner(), &sub.key).await, "VALID");
    // F24: the app's clock stands in another year than a database server's.
    let ready = if app.is_shared() { 503 } else { 200 };
    assert_eq!(app.stranger().get("/readyz").await.status, ready);
}

#[tokio::test]
async fn a_change_says_by_when_it_holds_and_with_wait_it_does() {
    let app = start().await;
    let mut other = Other(None);
    other.poll(&app).await;
    let machine = app.machine(&app.organization.account_id).await;
    let (sub, second) = (app.sub_account("s").await, app.sub_account("t").await);
    let key = format!("/v1/keys/{}", sub.key_id);
    let account = format!("/v1/accounts/{}", second.uuid);
    let paths = [
        ("POST", format!("{key}/disable")),
        ("POST", format!("{key}/enable")),
        ("POST", format!("{key}/revoke")),
        ("DELETE", key),
        ("POST", format!("{account}/suspend")),
        ("POST", format!("{account}/resume")),
        ("POST", format!("{account}/close")),
        ("POST", format!("{}/disable", machine.path())),
        ("POST", format!("{}/enable", machine.path())),
        ("DELETE", format!("{}/secrets/{}", machine.path(), machine.secret_id)),
        ("DELETE", machine.path()),
    ];
    for (method, path) in paths {
        let owner = app.owner();
        let change = async |path: &str| match method {
            "DELETE" => owner.delete(path).await,
            _ => owner.post(path, Value::Null).await,
        };
        let reply = change(&path).await;
        assert_eq!(
            (reply.status.as_u16(), reply.text_at("/effective_everywhere_by")),
            (200, LATER)
        );
        if path == machine.path() {
            continue;
        }
        // The same again changes nothing; it is waited for as the first time.
        let waited = format!("{path}?wait=true");
        let reply = other.poll_until(&app, change(&waited)).await;
        assert_eq!((reply.status.as_u16(), reply.text_at("/effective_everywhere_by")), (200, NOW));
        let (shard, number) = reply.text_at("/revision").split_once('-').expect("a revision");
        let shard: usize = shard.parse().expect("a shard");
        assert!(noted(&app).await[shard] >= number.parse().expect("a number"), "{path}");
    }
}

#[tokio::test]
async fn a_rotation_is_waited_for_as_often_as_it_is_asked_for() {
    let app = start().await;
    let mut other = Other(None);
    other.poll(&app).await;
    let sub = app.sub_account("s").await;
    let path = format!("/v1/keys/{}/rotate?wait=true", sub.key_id);
    let owner = app.owner().header("idempotency-key", "0123456789abcdef");
    let rotate = async || owner.post(&path, json!({ "grace_seconds": 0 })).await;
    let mut first = None;
    for _ in 0..2 {
        let reply = other.poll_until(&app, rotate()).await;
        assert_eq!(reply.status, 201, "{}", reply.text);
        assert_eq!(*first.get_or_insert_with(|| reply.text.clone()), reply.text);
        assert_eq!(noted(&app).await.iter().sum::<u64>(), 1);
    }
}

#[tokio::test]
async fn the_operator_lists_the_nodes() {
    let alone = TestApp::start().await;
    let reply = alone.operator().get("/operator/nodes").await;
    assert_eq!((reply.status.as_u16(), &reply.json), (200, &json!({ "data": [] })));

    let app = start().await;
    app.advance(2);
    Other(None).poll(&app).await;
    let reply = app.operator().get("/operator/nodes").await;
    let node = |id: &str, name: &str, seen_at: &str, silent_seconds: u64| {
        json!({ "id": id.repeat(16), "name": name, "seen_at": seen_at,
                "silent_seconds": silent_seconds, "applied": vec![0; 16] })
    };
    let later = "2025-07-10T14:35:07.123456Z";
    let mut expected = [node("01", "this", NOW, 2), node("02", "other", later, 0)];
    if app.is_shared() {
        // By the clock of the server that they share.
        for (place, node) in expected.iter_mut().enumerate() {
            let seen_at = reply.text_at(&format!("/data/{place}/seen_at"));
            assert_ne!(seen_at, later);
            node["seen_at"] = json!(seen_at);
            let silent = &reply.json["data"][place]["silent_seconds"];
            assert!(silent.as_u64().is_some_and(|silent| silent < 100), "{silent}");
            node["silent_seconds"] = silent.clone();
        }
    }
    assert_eq!(reply.json, json!({ "data": expected }), "{}", reply.text);
}
