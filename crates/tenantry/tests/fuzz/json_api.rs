//! Bodies of the create calls, through the whole surface on a real store.

use crate::fuzz;
use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use std::net::{IpAddr, Ipv4Addr};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use tenantry_backends::sqlite::{SqliteOptions, SqliteStore};
use tenantry_core::Plane;
use tenantry_core::clock::{Clock as _, SystemClock};
use tenantry_core::plane::{Parts, Policy};
use tenantry_core::realms::Realms;
use tenantry_core::rng::SystemRng;
use tenantry_core::secrets::{Secrets, SecretsMaterial};
use tenantry_http::{App, Options, Peer};

const CALLS: [(&str, &str); 4] = [
    ("/api/v1/accounts", "application/vnd.api+json"),
    ("/sub-accounts/create", "application/json"),
    ("/v1/accounts", "application/json"),
    ("/v1/keys/verify", "application/json"),
];

/// A surface on a store.
pub(crate) fn app(folder: &std::path::Path) -> App {
    let store = SqliteStore::open(&SqliteOptions::new(folder, SystemClock.now()));
    let material = SecretsMaterial::generate(&SystemRng).expect("secrets");
    let plane = Plane::new(Parts {
        meters: None,
        database_servers: None,
        store: Arc::new(store.expect("a store")),
        clock: Arc::new(SystemClock),
        rng: Arc::new(SystemRng),
        realms: Realms::new(&material, false, Vec::new()).expect("the built-in realm"),
        secrets: Secrets::new(&material),
        policy: Policy { cache_entries: 1000, ..Policy::default() },
    });
    App::new(Arc::new(plane), Options::default())
}

async fn post(app: &App, peer: Peer, call: (&str, &str), key: &str, body: &[u8]) -> (u16, Value) {
    let request = Request::post(call.0)
        .header("host", "localhost")
        .header("content-type", call.1)
        .header("authorization", format!("Bearer {key}"))
        .body(Body::from(body.to_vec()))
        .expect("a request");
    let response = app.handle(request, peer).await;
    let status = response.status().as_u16();
    let bytes = response.into_body().collect().await.expect("a body").to_bytes();
    (status, serde_json::from_slice(&bytes).expect("every reply is JSON"))
}

#[test]
fn json_api() {
    let folder = tempfile::tempdir().expect("a directory");
    let app = AssertUnwindSafe(app(folder.path()));
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let body = json!({ "organization": "o", "name": "n", "email": "e@example.com" }).to_string();
    let operator = ("/operator/initialize", "application/json");
    let created = post(&app, Peer::Operator, operator, "-", body.as_bytes());
    let key = runtime.block_on(created).1["api_key"].as_str().expect("a key").to_owned();
    let runtime = AssertUnwindSafe(runtime);
    fuzz("json_api", 2, |input| {
        for call in CALLS {
            let peer = Peer::Network(IpAddr::V4(Ipv4Addr::LOCALHOST));
            let (status, reply) = runtime.block_on(post(&app, peer, call, &key, input));
            // 503 is the honest answer of a plane that dials no databases.
            assert!(status < 500 || status == 503, "{status} of {}: {reply}", call.0);
            if (200..300).contains(&status) {
                tenantry_core::json::parse(input).expect("what is obeyed is strict JSON");
            }
        }
    });
}
