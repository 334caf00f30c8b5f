//! Who is let in: cases 1 to 9 and 12, in every family.

use crate::support::{Log, Reply, TestApp};
use axum::http::Method;
use serde_json::{Value, json};
use tenantry_http::{Access, Family, ROUTES};

/// What a refusal of authentication looks like in a family: status, and the family's own word.
fn shape(family: Family, reply: &Reply) -> (u16, String) {
    let (status, body) = reply.refusal();
    let word = match family {
        Family::Native => body["code"].as_str(),
        Family::SubAccounts => body["message"].as_str(),
        Family::Accounts => body["errors"][0]["code"].as_str(),
        Family::ServiceAccounts | Family::OAuth => body["error"].as_str(),
    };
    (status, word.unwrap_or_default().to_owned())
}

fn words(family: Family) -> (&'static str, &'static str, &'static str) {
    match family {
        Family::Native | Family::Accounts => {
            ("missing_credentials", "invalid_credentials", "ambiguous_credentials")
        }
        Family::SubAccounts => ("Access denied", "Access denied", "Ambiguous credentials"),
        Family::ServiceAccounts => ("UNAUTHORIZED", "UNAUTHORIZED", "INVALID_REQUEST"),
        Family::OAuth => ("invalid_client", "invalid_client", "invalid_request"),
    }
}

/// Every route that asks for a credential, as method, path and family.
fn guarded() -> impl Iterator<Item = (Method, String, Family)> {
    ROUTES
        .iter()
        .filter(|route| matches!(route.access, Access::Key | Access::Member))
        .map(|route| (route.method.clone(), route.path.replace("{id}", "x"), route.family))
}

#[tokio::test]
async fn case_1_no_credential_is_401_in_every_family() {
    let app = TestApp::start().await;
    for (method, path, family) in guarded() {
        let reply = app.stranger().send(method, &path, b"{}".to_vec()).await;
        assert_eq!(shape(family, &reply), (401, words(family).0.to_owned()), "{path}");
        assert_eq!(reply.header("www-authenticate"), "Bearer", "{path}");
    }
}

#[tokio::test]
async fn case_2_other_schemes_and_spacings_are_401() {
    let app = TestApp::start().await;
    let key = app.organization.key.clone();
    for (method, path, family) in guarded() {
        for value in [
            "Basic dXNlcjpwYXNz".to_owned(),
            format!("Bearer  {key}"),
            format!("Bearer\t{key}"),
            format!("Bearer {key} x"),
            format!("Bearer {key}\t"),
            "Bearer".to_owned(),
            "Bearer ".to_owned(),
            key.clone(),
        ] {
            let caller = app.stranger().header("authorization", &value);
            let reply = caller.send(method.clone(), &path, b"{}".to_vec()).await;
            assert_eq!(shape(family, &reply), (401, words(family).1.to_owned()), "{path} {value}");
        }
        let caller = app.stranger().raw_header("authorization", "Bearer k\u{e9}y".as_bytes());
        let reply = caller.send(method, &path, b"{}".to_vec()).await;
        assert_eq!(shape(family, &reply).0, 401, "{path}");
    }
}

#[tokio::test]
async fn case_2_the_schemes_name_has_no_case() {
    let app = TestApp::start().await;
    for scheme in ["bearer", "BEARER", "Bearer"] {
        let value = format!("{scheme} {}", app.organization.key);
        let reply = app.stranger().header("authorization", &value).get("/v1/whoami").await;
        assert_eq!(reply.status, 200, "{scheme}");
    }
}

#[tokio::test]
async fn case_3_two_credentials_are_400_in_every_family() {
    let app = TestApp::start().await;
    let key = format!("Bearer {}", app.organization.key);
    for (method, path, family) in guarded() {
        let twice = app.owner().header("authorization", &key);
        let beside = app.owner().header("x-api-key", &app.organization.key);
        for (caller, path) in [
            (&twice, path.clone()),
            (&beside, path.clone()),
            (&app.owner(), format!("{path}?api_key=x")),
            (&app.owner(), format!("{path}?a=b&access_token=x")),
        ] {
            let reply = caller.send(method.clone(), &path, b"{}".to_vec()).await;
            assert_eq!(shape(family, &reply), (400, words(family).2.to_owned()), "{path}");
        }
    }
}

#[tokio::test]
async fn cases_4_to_8_whatever_does_not_open_gets_the_same_bytes() {
    let app = TestApp::start().await;
    let revoked = app.sub_account("revoked").await;
    let reply = app.owner().post(&format!("/v1/keys/{}/revoke", revoked.key_id), json!({})).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    let body = json!({ "name": "x", "key": { "expires_at": "2025-07-10T14:36:00Z" } });
    let expired = app.owner().post("/v1/accounts", body).await.text_at("/key/secret").to_owned();
    let suspended = app.organization("Suspended").await;
    let path = format!("/operator/organizations/{}/suspended", suspended.uuid);
    app.operator().post(&path, json!({ "suspended": true })).await;
    let account_key = |name: &str| {
        let owner = app.owner();
        let body = json!({ "data": { "type": "accounts", "attributes": { "name": name } } });
        async move {
            let reply = owner.post("/api/v1/accounts", body).await;
            reply.text_at("/included/0/attributes/secret").to_owned()
        }
    };
    let (a, b) = (account_key("a").await, account_key("b").await);
    let secret_of = |key: &str| key.split_once(':').expect("id and secret").1.to_owned();
    let (client_id, client_secret) = app.client().await;
    let token = app.token(&app.organization.uuid, "tenant_admin").await;
    app.advance(120);

    let unknown = "sa-00000000000000000000000000000000".to_owned();
    let with_secret = |secret: &str| format!("{}:{secret}", &a[..26]);
    let presented = [
        ("unknown", unknown),
        ("revoked", revoked.key),
        ("expired", expired),
        ("suspended", suspended.key),
        ("id of one key, secret of another", with_secret(&secret_of(&b))),
        ("right id, wrong secret", with_secret(&"A".repeat(43))),
        ("client id", client_id),
        ("client secret", client_secret),
        ("admin token", token),
        ("garbage", "garbage".to_owned()),
        ("very long", "x".repeat(20_000)),
        ("percent-encoded", "sa-%30".repeat(5)),
    ];
    for (method, path, family) in guarded().filter(|(_, _, f)| *f != Family::ServiceAccounts) {
        // An address's budget for wrong credentials is for one route's worth of them a second.
        app.advance(1);
        let mut first: Option<String> = None;
        for (what, token) in &presented {
            // Where a token has characters that no token has, it is sent raw.
            let caller = app.bearer(token);
            let reply = caller.send(method.clone(), &path, b"{}".to_vec()).await;
            assert_eq!(shape(family, &reply), (401, words(family).1.to_owned()), "{path} {what}");
            let challenge = reply.header("www-authenticate").to_owned();
            assert_eq!(challenge, "Bearer error=\"invalid_token\"", "{path} {what}");
            assert_eq!(*first.get_or_insert(reply.text.clone()), reply.text, "{path} {what}");
        }
    }
    assert_eq!(app.bearer(&a).get("/v1/whoami").await.status, 200);
}

#[tokio::test]
async fn case_8_a_key_is_no_admin_token() {
    let app = TestApp::start().await;
    let caller = app.owner().header("x-tenantid", &app.organization.uuid);
    let reply = caller.post_bytes("/api/v1/admin/service-account/create", "").await;
    let (status, body) = reply.refusal();
    assert_eq!((status, &body["message"]), (401, &json!("Authentication failed")));
}

#[tokio::test]
async fn case_12_a_key_in_the_url_is_400_and_not_in_the_log() {
    let app = TestApp::start().await;
    let log = Log::capture();
    let sub_account = app.sub_account("a").await;
    let key = &sub_account.key;
    let encoded: Vec<String> = key.bytes().map(|byte| format!("%{byte:02x}")).collect();
    let encoded = encoded.concat();
    for path in [
        format!("/v1/keys/{key}/revoke"),
        format!("/v1/accounts?name={key}"),
        format!("/v1/accounts?x&{key}"),
        format!("/nothing/{key}"),
        format!("/sub-accounts/{key}"),
        format!("/v1/accounts?name={encoded}"),
        format!("/{encoded}"),
        "/v1/accounts?API_KEY=x".to_owned(),
        "/v1/accounts?api%5Fkey=x".to_owned(),
        "/v1/keys/eyJhbGciOiJub25lIn0.e30.x/revoke".to_owned(),
    ] {
        let reply = app.owner().post_bytes(&path, "{}").await;
        assert_eq!(reply.refusal().0, 400, "{path}");
    }
    let text = log.text();
    assert!(text.contains("tenantry::access"), "nothing was logged");
    for secret in [key, &encoded, &app.organization.key] {
        assert!(!text.contains(&**secret), "a key is in the log");
    }
}

#[tokio::test]
async fn a_request_id_is_taken_over_where_it_is_sane() {
    let app = TestApp::start().await;
    let sane = app.stranger().header("x-request-id", "req-1.a_B").get("/livez").await;
    assert_eq!(sane.header("x-request-id"), "req-1.a_B");
    let long = "a".repeat(129);
    for value in ["", "a b", "{\"level\":\"admin\"}", "${jndi:x}", &long, &app.organization.key] {
        let reply = app.stranger().header("x-request-id", value).get("/livez").await;
        let id = reply.header("x-request-id");
        assert_eq!(id.len(), 32, "{value} gave {id}");
        assert!(id.bytes().all(|b| b.is_ascii_hexdigit()));
    }
}

#[tokio::test]
async fn a_request_needs_exactly_one_host() {
    let app = TestApp::start().await;
    let caller = app.stranger().header("host", "a").header("host", "b");
    assert_eq!(caller.get("/livez").await.refusal().0, 400);
}

#[tokio::test]
async fn case_45_other_spellings_of_a_path_and_method_reach_no_handler() {
    let app = TestApp::start().await;
    for path in [
        "/v1/whoami/",
        "/V1/whoami",
        "/v1/./whoami",
        "/v1//whoami",
        "/v1/whoami;a=b",
        "/v1/%77hoami",
    ] {
        assert_eq!(app.owner().get(path).await.refusal().0, 404, "{path}");
    }
    for method in [Method::OPTIONS, Method::TRACE, Method::PUT, Method::PATCH] {
        let reply = app.owner().send(method.clone(), "/v1/whoami", Vec::new()).await;
        assert_eq!(reply.refusal().0, 405, "{method}");
        assert_eq!(reply.header("allow"), "GET, HEAD", "{method}");
    }
    let overridden = app.owner().header("x-http-method-override", "GET");
    assert_eq!(overridden.post("/v1/whoami", json!({})).await.status, 405);
    let head = app.owner().send(Method::HEAD, "/v1/whoami", Vec::new()).await;
    assert_eq!((head.status.as_u16(), &*head.text), (200, ""));
    let head = app.stranger().send(Method::HEAD, "/v1/whoami", Vec::new()).await;
    assert_eq!(head.status, 401);
}

#[tokio::test]
async fn unknown_paths_answer_in_their_familys_shape() {
    let app = TestApp::start().await;
    let get = async |path: &str| app.owner().get(path).await;
    assert_eq!(get("/v1/nothing").await.json["code"], "not_found");
    assert_eq!(
        get("/sub-accounts/nothing/at/all").await.json,
        json!({"error":404,"message":"Not found"})
    );
    assert_eq!(get("/api/v1/nothing").await.json["errors"][0]["status"], "404");
    let reply = get("/api/v1/admin/service-account/nothing/at/all").await;
    assert_eq!(reply.json["success"], Value::Bool(false));
}
