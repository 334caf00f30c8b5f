//! The published description says what the routes do, and the page shows it offline.

use crate::support::TestApp;
use axum::http::StatusCode;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use tenantry_http::openapi::{document, document_of, schema_names};
use tenantry_http::{Access, Effect, Family, ROUTES};

/// Method and path of each described call, and its description.
fn described(document: &Value) -> BTreeMap<(String, String), &Value> {
    let paths = document["paths"].as_object().expect("paths");
    let calls = paths.iter().flat_map(|(path, item)| {
        let methods = item.as_object().expect("methods").iter();
        methods.map(move |(method, call)| ((method.to_uppercase(), path.clone()), call))
    });
    calls.collect()
}

fn as_json(document: &impl serde::Serialize) -> Value {
    serde_json::to_value(document).expect("JSON")
}

#[test]
fn every_route_is_described_and_nothing_else_is() {
    let public = ROUTES.iter().filter(|route| route.access != Access::Operator);
    let routes: BTreeSet<_> =
        public.map(|route| (route.method.to_string(), route.path.to_owned())).collect();
    let whole = as_json(&document());
    let calls: BTreeSet<_> = described(&whole).into_keys().collect();
    assert_eq!(calls, routes);
    for family in Family::ALL {
        let part = as_json(&document_of(family));
        for (method, path) in described(&part).into_keys() {
            assert_eq!(Family::of(&path), family, "{method} {path}");
        }
    }
}

#[test]
fn a_description_says_who_may_call_and_what_may_be_repeated() {
    let whole = as_json(&document());
    let calls = described(&whole);
    for route in ROUTES.iter().filter(|route| route.access != Access::Operator) {
        let call = calls[&(route.method.to_string(), route.path.to_owned())];
        let scheme = call["security"][0].as_object().and_then(|scheme| scheme.keys().next());
        let expected = match route.access {
            Access::Open | Access::Operator => None,
            Access::Key => Some("api_key"),
            Access::Member => Some("admin_token"),
            Access::Client => Some("client"),
        };
        assert_eq!(scheme.map(String::as_str), expected, "{} {}", route.method, route.path);
        let parameters = call["parameters"].as_array().map_or(&[][..], Vec::as_slice);
        let repeatable = parameters.iter().any(|parameter| parameter["name"] == "Idempotency-Key");
        assert_eq!(repeatable, route.effect == Effect::Creates, "{} {}", route.method, route.path);
        // What no call of its kind is spared.
        let told = |status: &str| !call["responses"][status].is_null();
        assert!(told("500") && told("503"), "{} {}", route.method, route.path);
        assert_eq!(told("401"), route.access != Access::Open, "{} {}", route.method, route.path);
        // A verification may take a lease, a lease names its account in the body, and usage in the
        // query.
        let changes = route.effect != Effect::Reads || route.path == "/v1/keys/verify";
        assert_eq!(told("507"), changes, "{} {}", route.method, route.path);
        let names = route.path.contains('{') || ["/v1/leases", "/v1/usage"].contains(&route.path);
        assert_eq!(told("404"), names, "{} {}", route.method, route.path);
    }
}

#[test]
fn no_two_schemas_share_a_name() {
    let mut owners: BTreeMap<String, Family> = BTreeMap::new();
    for family in Family::ALL {
        for name in schema_names(family) {
            if let Some(other) = owners.insert(name.clone(), family) {
                assert_eq!(other, family, "{name}");
            }
        }
    }
    // What is referred to is there.
    let whole = as_json(&document());
    let text = whole.to_string();
    let references = text.split("#/components/schemas/").skip(1);
    for name in references.map(|rest| rest.split('"').next().expect("a name")) {
        assert!(owners.contains_key(name), "{name} is not described");
    }
    // Within a family an equal name is an equal schema: `Part::refer` asserts it in this build.
    assert!(owners.len() > 20, "{owners:?}");
}

#[tokio::test]
async fn the_document_is_served_to_anybody() {
    let app = TestApp::start().await;
    let reply = app.stranger().get("/openapi.json").await;
    assert_eq!(reply.status, StatusCode::OK);
    assert_eq!(reply.header("content-type"), "application/json");
    assert_eq!(reply.json, as_json(&document()));
    assert_eq!(reply.json["openapi"], "3.1.0");
}

#[tokio::test]
async fn the_page_shows_every_call_and_asks_no_other_host_for_anything() {
    let app = TestApp::start().await;
    let reply = app.stranger().get("/docs").await;
    assert_eq!(reply.status, StatusCode::OK);
    assert_eq!(reply.header("content-type"), "text/html; charset=utf-8");
    assert!(reply.header("content-security-policy").starts_with("default-src 'none'"));
    let whole = as_json(&document());
    for ((method, path), call) in described(&whole) {
        let id = call["operationId"].as_str().expect("an id");
        assert!(reply.text.contains(&format!("id=\"{id}\"")), "{method} {path}");
        // And what it takes and answers, by links that lead somewhere.
        for name in call.to_string().split("#/components/schemas/").skip(1) {
            let name = name.split('"').next().expect("a name");
            assert!(reply.text.contains(&format!("href=\"#schema-{name}\"")), "{name}");
            assert!(reply.text.contains(&format!("id=\"schema-{name}\"")), "{name}");
        }
    }
    for foreign in ["http:", "https:", "//", "src=", "@import", "url("] {
        assert!(!reply.text.contains(foreign), "{foreign} in the page");
    }
}
