//! `GET /api/v1/api_keys/{id}` of the accounts dialect.

use crate::support::{Reply, TestApp};
use axum::http::Method;
use serde_json::{Value, json};

const MEDIA: &str = "application/vnd.api+json";

fn path(id: &str) -> String {
    format!("/api/v1/api_keys/{id}")
}

/// Asserts the family's error document.
fn assert_refused(reply: &Reply, status: u16, what: &str) {
    assert_eq!(reply.refusal().0, status, "{what}: {}", reply.text);
    assert_eq!(reply.header("content-type"), MEDIA, "{what}");
    assert_eq!(reply.json["errors"][0]["status"], status.to_string(), "{what}");
}

#[tokio::test]
async fn a_key_is_a_json_api_resource_without_its_secret() {
    let app = TestApp::start().await;
    let document = json!({ "data": { "type": "accounts", "attributes": { "name": "a" } } });
    let made = app.owner().post("/api/v1/accounts", document).await;
    let id = made.text_at("/included/0/id").to_owned();
    let secret = made.text_at("/included/0/attributes/secret").to_owned();
    let mut expected = json!({
        "data": {
            "type": "api_keys",
            "id": id,
            "attributes": {
                "name": null,
                "last_used_at": null,
                "revoked_at": null,
                "inserted_at": "2025-07-10T14:35:00.123456Z",
            },
        },
    });
    let attributes = ["name", "last_used_at", "revoked_at", "inserted_at"];
    let read = async |key: &str| {
        let reply = app.bearer(key).get(&path(&id)).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
        assert_eq!(reply.header("content-type"), MEDIA);
        assert_eq!(reply.header("cache-control"), "no-store");
        assert!(!reply.text.contains(&secret[27..]));
        let places = attributes.map(|name| reply.text.find(&format!("\"{name}\":")));
        assert!(places.is_sorted() && places[0].is_some(), "the contract's order");
        reply.json
    };
    // By the account above it, and by itself: which is a use.
    assert_eq!(read(&app.organization.key).await, expected);
    app.advance(1);
    assert_eq!(read(&secret).await, expected);
    app.plane.flush_last_used().await.expect("written");
    expected["data"]["attributes"]["last_used_at"] = json!("2025-07-10T14:35:01.123456Z");
    assert_eq!(read(&app.organization.key).await, expected);
    app.advance(1);
    let native = format!("/v1/keys/{id}");
    let name = json!({ "name": "Night Watch" }).to_string().into_bytes();
    assert_eq!(app.owner().send(Method::PATCH, &native, name).await.status, 200);
    assert_eq!(app.owner().delete(&native).await.status, 200);
    expected["data"]["attributes"]["name"] = json!("Night Watch");
    expected["data"]["attributes"]["revoked_at"] = json!("2025-07-10T14:35:02.123456Z");
    assert_eq!(read(&app.organization.key).await, expected);
}

#[tokio::test]
async fn a_key_of_any_dialect_is_found_by_its_own_spelling_alone() {
    let app = TestApp::start().await;
    let sub = app.owner().post("/sub-accounts/create", json!({ "name": "s" })).await;
    let question = json!({ "key": sub.text_at("/api_key") });
    let verdict = app.owner().post("/v1/keys/verify", question).await;
    let id = verdict.text_at("/key_id");
    assert_eq!(app.owner().get(&path(id)).await.json["data"]["id"], id);
    let unknown = app.owner().get(&path("key_1C9EVhR5Tth8cTGEFr9hz6")).await;
    assert_refused(&unknown, 404, "unknown");
    let uuid = tenantry_core::ids::CredentialId::parse_native(id).expect("an id").to_uuid();
    let (_, client_secret) = app.client().await;
    assert!(client_secret.starts_with("sa_secret_"));
    let secret_id = app.bytes("SELECT id FROM credentials WHERE kind = 'client_secret'");
    let of_service_account =
        tenantry_core::ids::CredentialId::from_bytes(secret_id.try_into().expect("16 bytes"));
    let account = app.organization.account_id.clone();
    let foreign = app.organization("Other").await;
    let theirs = app.sub_account_of(&foreign, "theirs").await.key_id;
    let platform = app.operator().post("/operator/platform-keys", json!({})).await;
    for other in [
        &uuid,
        &of_service_account.to_string(),
        &account,
        &theirs,
        platform.text_at("/id"),
        &id[4..],
        "key_",
        "x",
    ] {
        let reply = app.owner().get(&path(other)).await;
        assert_refused(&reply, 404, other);
        assert_eq!(reply.text, unknown.text, "{other}");
    }
}

#[tokio::test]
async fn other_methods_and_media_types_are_refused_as_ruled() {
    let app = TestApp::start().await;
    let path = path(&app.sub_account("a").await.key_id);
    for method in [Method::POST, Method::PATCH, Method::PUT, Method::DELETE, Method::OPTIONS] {
        let reply = app.owner().send(method.clone(), &path, Vec::new()).await;
        assert_refused(&reply, 405, method.as_str());
        assert_eq!(reply.header("allow"), "GET, HEAD");
    }
    let head = app.owner().send(Method::HEAD, &path, Vec::new()).await;
    assert_eq!((head.status.as_u16(), &head.json), (200, &Value::Null));
    for (accept, status) in [
        ("*/*", 200),
        ("application/json", 200),
        (MEDIA, 200),
        ("text/html", 406),
        ("application/vnd.api+json; ext=\"x\"", 406),
    ] {
        let reply = app.owner().header("accept", accept).get(&path).await;
        assert_eq!(reply.status, status, "{accept}");
    }
    for (media, status) in [
        (MEDIA, 200),
        ("application/vnd.api+json; profile=\"p\"", 200),
        ("application/json", 415),
        ("application/vnd.api+json; charset=utf-8", 415),
    ] {
        let reply = app.owner().header("content-type", media).get(&path).await;
        assert_eq!(reply.status, status, "{media}");
    }
    for query in ["include=account", "fields[api_keys]=name", "x=1"] {
        let query = query.replace('[', "%5B").replace(']', "%5D");
        let reply = app.owner().get(&format!("{path}?{query}")).await;
        assert_refused(&reply, 400, &query);
    }
    assert_refused(&app.stranger().get(&path).await, 401, "nobody");
}
