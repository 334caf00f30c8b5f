//! Case 87: a handler that panics, with a secret in scope and in the panic's message.
//!
//! The panic comes from a store that panics where it is told to, so the product needs no way to be
//! made to panic. The hook that keeps a message out of the log is the process's, so the requests
//! are made in a process of their own, whose output is then searched.

mod panicking;

use crate::support::say;
use axum::body::Body;
use axum::http::{Method, Request};
use http_body_util::BodyExt as _;
use panicking::Panicking;
use serde_json::{Value, json};
use std::env;
use std::net::{IpAddr, Ipv4Addr};
use std::process::Command;
use std::sync::Arc;
use tenantry_backends::sqlite::{SqliteOptions, SqliteStore};
use tenantry_core::Plane;
use tenantry_core::clock::{Clock as _, SystemClock};
use tenantry_core::ids::ServiceAccountId;
use tenantry_core::plane::{Parts, Policy};
use tenantry_core::realms::Realms;
use tenantry_core::rng::SystemRng;
use tenantry_core::secrets::{Secrets, SecretsMaterial};
use tenantry_core::store::Interposed;
use tenantry_http::{Access, App, Family, Options, Peer, ROUTES, Route};

/// Set in the process that panics.
const CHILD: &str = "TENANTRY_FAULTS_PANICS";
/// What every panic's message holds, beside the key of the request.
const CANARY: &str = "canary-of-a-panics-message";
/// Calls of the store before the one that panics: no route makes more.
const CALLS_MAX: usize = 8;

/// Seen failing with the panic's message added to what the hook logs.
#[test]
fn case_87_a_panic_in_a_handler_is_a_500_and_tells_nothing() {
    let own = env::current_exe().expect("these tests");
    let mut command = Command::new(own);
    command.args(["--exact", "panics::requests_that_panic", "--nocapture", "--test-threads=1"]);
    let output = command.env(CHILD, "1").output().expect("these tests");
    let log = String::from_utf8_lossy(&output.stderr);
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{printed}\n{log}");
    let panics = log.matches(r#""alarm":"panic""#).count();
    assert!(panics >= ROUTES.len(), "{panics} panics were logged:\n{log}");
    assert!(!log.contains(CANARY) && !printed.contains(CANARY), "a message was repeated");
    for format in ["tnt_", "sa_secret_", "eyJ"] {
        assert!(!log.contains(format), "{format}… in the log");
    }
    say(&format!("87: {panics} panics, none of them told"));
}

/// What the other test runs in a process of its own; here alone it does nothing.
#[tokio::test]
async fn requests_that_panic() {
    if env::var_os(CHILD).is_none() {
        return;
    }
    tenantry::logging::start(tracing::Level::TRACE);
    let folder = tempfile::tempdir().expect("a directory");
    let store = SqliteStore::open(&SqliteOptions::new(folder.path(), SystemClock.now()));
    let store = store.expect("a store");
    let store = Arc::new(Interposed { store: Arc::new(store), between: Panicking::saying(CANARY) });
    let app = app(store.clone());
    let organization = json!({ "organization": "o", "name": "n", "email": "e@example.com" });
    let created = send(&app, Peer::Operator, "POST", "/operator/initialize", &[], &organization);
    let (_, created) = created.await;
    let text = |name: &str| created[name].as_str().expect("a text").to_owned();
    let (master, tenant) = (text("api_key"), text("organization_id"));
    let wanted = json!({ "tenant": tenant, "role": "tenant_admin", "ttl_seconds": 600 });
    let token = send(&app, Peer::Operator, "POST", "/operator/tokens", &[], &wanted).await.1;
    let token = token["token"].as_str().expect("a token").to_owned();

    for route in ROUTES {
        let machine = machine(&app, route, &master, &tenant).await;
        let caller = Caller { master: &master, token: &token, tenant: &tenant, machine: &machine };
        let mut panics = 0;
        for calls in 0..CALLS_MAX {
            store.between.panic_after(calls);
            let (status, body) = perform(&app, route, caller).await;
            if store.between.disarm() {
                continue;
            }
            panics += 1;
            let shown = body.to_string();
            assert_eq!(status, 500, "{} {}: {shown}", route.method, route.path);
            for secret in [CANARY, &master, &token, "panick", ".rs"] {
                assert!(!shown.contains(secret), "{}: {shown}", route.path);
            }
        }
        let asks_no_store = ["/livez", "/openapi.json", "/docs", "/operator/signing-keys"]
            .contains(&route.path)
            || route.family == Family::OAuth && route.access == Access::Open;
        assert!(panics > 0 || asks_no_store, "{} never panicked", route.path);
        let (status, body) = perform(&app, route, caller).await;
        assert!(status < 500, "{} afterwards: {body}", route.path);
    }
}

fn app(store: Arc<Interposed<SqliteStore, Panicking>>) -> App {
    let material = SecretsMaterial::generate(&SystemRng).expect("secrets");
    let realms = Realms::new(&material, false, Vec::new()).expect("the built-in realm");
    let plane = Plane::new(Parts {
        meters: None,
        database_servers: None,
        store,
        clock: Arc::new(SystemClock),
        rng: Arc::new(SystemRng),
        secrets: Secrets::new(&material),
        realms,
        policy: Policy { cache_entries: 1000, ..Policy::default() },
    });
    App::new(Arc::new(plane), Options::default())
}

/// Who calls, and on what.
#[derive(Clone, Copy)]
struct Caller<'a> {
    master: &'a str,
    token: &'a str,
    tenant: &'a str,
    machine: &'a Machine,
}

/// A service account.
#[derive(Default)]
struct Machine {
    uuid: String,
    /// Its client id and secret, as a form.
    form: String,
}

/// A service account for a route that names one, or is called by one; elsewhere nothing.
async fn machine(app: &App, route: &Route, master: &str, tenant: &str) -> Machine {
    let named = route.path.contains("/service-account") && route.path.contains("{id}");
    if !named && route.access != Access::Client {
        return Machine::default();
    }
    let bearer = format!("Bearer {master}");
    let peer = Peer::Network(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let path = format!("/v1/accounts/{tenant}/service-accounts");
    let headers = [("authorization", &*bearer)];
    let (status, made) = send(app, peer, "POST", &path, &headers, &Value::Null).await;
    assert_eq!(status, 201, "{made}");
    let text = |pointer| made.pointer(pointer).and_then(Value::as_str).expect("a text");
    let id = ServiceAccountId::parse_native(text("/service_account/id")).expect("an id");
    let (client, secret) = (text("/service_account/client_id"), text("/secret/secret"));
    Machine {
        uuid: id.to_uuid(),
        form: format!("grant_type=client_credentials&client_id={client}&client_secret={secret}"),
    }
}

/// A request that the route carries out, or would.
async fn perform(app: &App, route: &Route, caller: Caller<'_>) -> (u16, Value) {
    let Caller { master, token, tenant, machine } = caller;
    let body = match route.path {
        "/v1/accounts" | "/v1/accounts/{id}/keys" | "/sub-accounts/create" => {
            json!({ "name": "x" })
        }
        _ if route.method == Method::PATCH => json!({ "name": "x" }),
        "/v1/accounts/bulk" => json!({ "accounts": [{ "name": "x" }] }),
        "/api/v1/accounts" => {
            json!({ "data": { "type": "accounts", "attributes": { "name": "x" } } })
        }
        "/v1/keys/{id}/rotate" => json!({ "grace_seconds": 0 }),
        // Not the caller's own key, which the look-up of the caller has put into the cache.
        "/v1/keys/verify" => json!({ "key": "sa-b33f4fbf011d4661a273a46b11d185f8" }),
        "/operator/initialize" | "/operator/organizations" => {
            json!({ "organization": "o", "name": "n", "email": "e@example.com" })
        }
        "/v1/keys/import" => {
            let hash = json!({ "algorithm": "sha256", "value": "5e".repeat(32) });
            json!({ "keys": [{ "hash": hash }] })
        }
        "/operator/tokens" => json!({ "tenant": tenant, "role": "r", "ttl_seconds": 60 }),
        "/operator/platform-keys" | "/operator/databases/rewrap" => json!({}),
        "/operator/organizations/{id}/suspended" => json!({ "suspended": false }),
        "/operator/organizations/{id}/entitlement" => {
            json!({ "entitlement": "sub_accounts", "given": true })
        }
        _ if route.access == Access::Client => json!(format!("{}&token=x", machine.form)),
        _ => Value::Null,
    };
    let of_keys = ["/v1/keys", "/api/v1/api_keys"].iter().any(|path| route.path.starts_with(path));
    let id = match route.path {
        path if path.starts_with("/v1/service-accounts/") => machine.uuid.clone(),
        path if path.starts_with("/api/v1/admin/service-account/") => {
            format!("sa-{}", machine.uuid)
        }
        _ if of_keys => "key_PD5omomyAxXscwKde4mpUS".to_owned(),
        _ => tenant.to_owned(),
    };
    let path = route.path.replace("{id}", &id);
    let path = path.replace("{secret}", "sec_PD5omomyAxXscwKde4mpUS");
    let bearer = match route.access {
        Access::Member => format!("Bearer {token}"),
        _ => format!("Bearer {master}"),
    };
    let peer = match route.access {
        Access::Operator => Peer::Operator,
        _ => Peer::Network(IpAddr::V4(Ipv4Addr::LOCALHOST)),
    };
    let media = match route.family {
        Family::OAuth => "application/x-www-form-urlencoded",
        Family::Accounts => "application/vnd.api+json",
        _ => "application/json",
    };
    let mut headers = vec![("authorization", &*bearer)];
    if route.access == Access::Client {
        headers = vec![("content-type", media)];
    } else if route.access == Access::Member {
        headers.push(("x-tenantid", tenant));
    } else {
        headers.push(("content-type", media));
    }
    send(app, peer, route.method.as_str(), &path, &headers, &body).await
}

async fn send(
    app: &App,
    peer: Peer,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &Value,
) -> (u16, Value) {
    let mut request = Request::builder().method(method).uri(path).header("host", "localhost");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let body = match body {
        Value::Null => String::new(),
        Value::String(form) => form.clone(),
        body => body.to_string(),
    };
    let request = request.body(Body::from(body)).expect("a request");
    let response = app.handle(request, peer).await;
    let status = response.status().as_u16();
    let bytes = response.into_body().collect().await.expect("a body").to_bytes();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}
