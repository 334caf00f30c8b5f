//! `POST /oauth2/token`: who gets what.

use crate::support::{TestApp, basic, claims_of, form_of};
use axum::http::Method;
use serde_json::json;
use std::fmt::Write as _;

const GRANT: (&str, &str) = ("grant_type", "client_credentials");

#[tokio::test]
async fn a_client_gets_an_rfc_9068_token_for_its_secret() {
    let app = TestApp::start().await;
    let machine = app.machine(&app.organization.account_id).await;
    let reply = app.ask_token(&machine, &[]).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    assert_eq!(reply.header("cache-control"), "no-store");
    assert_eq!(reply.header("pragma"), "no-cache");
    assert_eq!(reply.header("content-type"), "application/json");
    assert_eq!(reply.json["token_type"], "Bearer");
    assert_eq!(reply.json["expires_in"], 600);
    assert_eq!(reply.json["scope"], "api:read api:write");
    let (header, claims) = claims_of(reply.text_at("/access_token"));
    assert_eq!((&header["typ"], &header["alg"]), (&json!("at+jwt"), &json!("ES256")));
    let jwks = app.stranger().get("/oauth2/jwks.json").await;
    assert_eq!(jwks.json["keys"][0]["kid"], header["kid"]);
    let id = claims["jti"].as_str().expect("an id");
    assert_eq!(
        claims,
        json!({
            "iss": "http://localhost", "aud": "http://localhost",
            "sub": machine.client_id, "client_id": machine.client_id,
            "iat": app.now(), "exp": app.now() + 600, "jti": id,
            "scope": "api:read api:write",
            "account_id": app.organization.account_id,
            "client_credential": machine.secret_id,
        })
    );
}

#[tokio::test]
async fn the_secret_may_be_in_the_body_and_any_text_is_form_decoded_in_the_header() {
    let app = TestApp::start().await;
    let machine = app.machine(&app.organization.account_id).await;
    let (id, secret) = (&*machine.client_id, &*machine.secret);
    let body = form_of(&[GRANT, ("client_id", id), ("client_secret", secret)]);
    assert_eq!(app.stranger().post_bytes("/oauth2/token", body).await.status, 200);
    // Every character may be escaped, whether it has to be or not.
    let mut escaped = String::new();
    for byte in secret.bytes() {
        write!(escaped, "%{byte:02X}").expect("strings take every write");
    }
    let header = {
        use base64::Engine as _;
        let text = format!("{id}:{escaped}");
        format!("bAsIc {}", base64::engine::general_purpose::STANDARD.encode(text))
    };
    let caller = app.stranger().header("authorization", &header);
    assert_eq!(caller.post_bytes("/oauth2/token", form_of(&[GRANT])).await.status, 200);
}

#[tokio::test]
async fn a_scope_is_within_the_service_accounts_permissions() {
    let app = TestApp::start().await;
    let machine = app.machine_with(&["api:*", "tenantry.keys:read", "orders:read"]).await;
    for (scope, granted) in [
        ("api:read", "api:read"),
        ("orders:read api:read api:read", "api:read orders:read"),
        ("api:*", "api:*"),
        ("tenantry.keys:read", "tenantry.keys:read"),
    ] {
        let reply = app.ask_token(&machine, &[("scope", scope)]).await;
        assert_eq!(reply.text_at("/scope"), granted);
        let (_, claims) = claims_of(reply.text_at("/access_token"));
        assert_eq!(claims["scope"], granted);
    }
    for scope in [
        "*:*",
        "orders:*",
        "orders:write",
        "tenantry.keys:write",
        "tenantry.*:*",
        "nonsense",
        "api:read  orders:read",
        " api:read",
        "api:read\tapi:read",
        "API:read",
        "openid",
    ] {
        let reply = app.ask_token(&machine, &[("scope", scope)]).await;
        let (status, body) = reply.refusal();
        assert_eq!((status, &body["error"]), (400, &json!("invalid_scope")), "{scope}");
        assert!(!reply.text.contains("nonsense"), "no reply repeats what was refused");
    }
}

#[tokio::test]
async fn a_token_is_for_the_resources_that_are_named() {
    let app = TestApp::start().await;
    let machine = app.machine(&app.organization.account_id).await;
    let audience = async |resources: &[&str]| {
        let form: Vec<_> = resources.iter().map(|resource| ("resource", *resource)).collect();
        let reply = app.ask_token(&machine, &form).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
        claims_of(reply.text_at("/access_token")).1["aud"].clone()
    };
    let (one, other) = ("https://api.example.com/v1", "urn:example:other");
    assert_eq!(audience(&[]).await, "http://localhost");
    assert_eq!(audience(&[one]).await, one);
    assert_eq!(audience(&[one, other, one]).await, json!([one, other]));
    let long = format!("https://{}", "a".repeat(249));
    let six: Vec<String> = (0..6).map(|number| format!("urn:a:{number}")).collect();
    let mut refused: Vec<Vec<&str>> =
        ["api", "/v1", "https:", "https://a/#b", "https://a/ b", "1http://a", "https://ä", &long]
            .iter()
            .map(|one| vec![*one])
            .collect();
    refused.push(six.iter().map(String::as_str).collect());
    for resources in refused {
        let form: Vec<_> = resources.iter().map(|resource| ("resource", *resource)).collect();
        let reply = app.ask_token(&machine, &form).await;
        assert_eq!(reply.refusal().1["error"], "invalid_target", "{resources:?}");
        assert_eq!(reply.status, 400);
    }
}

/// A header, a form, and the status and error that they lead to.
type Case<'a> = (Option<&'a str>, Vec<(&'a str, &'a str)>, u16, &'a str);

#[tokio::test]
async fn case_35_a_request_that_is_not_one_of_ours_has_the_rfcs_error() {
    let app = TestApp::start().await;
    let machine = app.machine(&app.organization.account_id).await;
    let (id, secret) = (&*machine.client_id, &*machine.secret);
    let other = app.machine(&app.organization.account_id).await;
    let good = basic(id, secret);
    let jwt = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
    let wrong = basic(id, &other.secret);
    let unknown = basic("sa_client_000000000000", secret);
    let key = basic(id, &app.organization.key);
    let cases: Vec<Case<'_>> = vec![
        // Two ways at once.
        (Some(&good), vec![GRANT, ("client_id", id)], 400, "invalid_request"),
        (Some(&good), vec![GRANT, ("client_secret", secret)], 400, "invalid_request"),
        (
            Some(&good),
            vec![GRANT, ("client_assertion_type", jwt), ("client_assertion", "a.b.c")],
            400,
            "invalid_request",
        ),
        (
            None,
            vec![
                GRANT,
                ("client_id", id),
                ("client_secret", secret),
                ("client_assertion", "a.b.c"),
            ],
            400,
            "invalid_request",
        ),
        // Nobody, or not who they say.
        (None, vec![GRANT], 401, "invalid_client"),
        (None, vec![GRANT, ("client_id", id)], 401, "invalid_client"),
        (None, vec![GRANT, ("client_secret", secret)], 401, "invalid_client"),
        (Some(&wrong), vec![GRANT], 401, "invalid_client"),
        (Some(&unknown), vec![GRANT], 401, "invalid_client"),
        (Some(&key), vec![GRANT], 401, "invalid_client"),
        (Some("Basic !"), vec![GRANT], 401, "invalid_client"),
        (Some("Basic"), vec![GRANT], 401, "invalid_client"),
        (Some("Bearer x"), vec![GRANT], 401, "invalid_client"),
        (
            None,
            vec![GRANT, ("client_assertion_type", "other"), ("client_assertion", "a.b.c")],
            401,
            "invalid_client",
        ),
        // Another grant, none, or twice.
        (Some(&good), vec![], 400, "invalid_request"),
        (Some(&good), vec![("grant_type", "")], 400, "invalid_request"),
        (Some(&good), vec![("grant_type", "password")], 400, "unsupported_grant_type"),
        (Some(&good), vec![("grant_type", "refresh_token")], 400, "unsupported_grant_type"),
        (Some(&good), vec![GRANT, GRANT], 400, "invalid_request"),
        (Some(&good), vec![GRANT, ("scope", "a:b"), ("scope", "a:b")], 400, "invalid_request"),
    ];
    for (header, form, status, error) in cases {
        let mut caller = app.stranger();
        if let Some(header) = header {
            caller = caller.header("authorization", header);
        }
        let reply = caller.post_bytes("/oauth2/token", form_of(&form)).await;
        let (got, body) = reply.refusal();
        assert_eq!((got, &body["error"]), (status, &json!(error)), "{form:?}");
        assert_eq!(reply.header("cache-control"), "no-store", "{form:?}");
        let challenged = reply.headers.get("www-authenticate").is_some();
        assert_eq!(challenged, status == 401, "{form:?}");
        assert!(!reply.text.contains(secret));
    }
    let media = app.machine_client(&machine).header("content-type", "application/json");
    let reply = media.post_bytes("/oauth2/token", "{}").await;
    assert_eq!((reply.refusal().0, &reply.json["error"]), (415, &json!("invalid_request")));
    for method in [Method::GET, Method::PUT] {
        let reply = app.stranger().send(method, "/oauth2/token", Vec::new()).await;
        assert_eq!((reply.refusal().0, reply.header("allow")), (405, "POST"));
    }
    let reply = app.stranger().get("/oauth2/authorize").await;
    assert_eq!((reply.refusal().0, &reply.json["error"]), (404, &json!("not_found")));
}

#[tokio::test]
async fn nothing_is_written_for_a_token_that_a_secret_gets() {
    let app = TestApp::start().await;
    let machine = app.machine(&app.organization.account_id).await;
    app.access_token(&machine).await;
    // The file of an embedded store does not grow either.
    let pages = || (!app.is_shared()).then(|| app.count("PRAGMA page_count"));
    let before = (app.rows(), pages());
    for _ in 0..500 {
        app.access_token(&machine).await;
    }
    assert!((app.rows(), pages()) == before);
}

#[tokio::test]
async fn a_token_does_not_outlive_its_secret() {
    let app = TestApp::start().await;
    let account = &app.organization.account_id;
    let end = "2025-07-10T14:37:00Z";
    let path = format!("/v1/accounts/{account}/service-accounts");
    let reply = app.owner().post(&path, json!({ "secret_expires_at": end })).await;
    let machine = crate::support::Machine::of(&reply);
    let reply = app.ask_token(&machine, &[]).await;
    assert_eq!(reply.json["expires_in"], 120);
    let token = reply.text_at("/access_token");
    assert_eq!(app.introspect(&app.owner(), token).await["active"], true);
    app.advance(121);
    assert_eq!(app.introspect(&app.owner(), token).await, json!({ "active": false }));
    assert_eq!(app.ask_token(&machine, &[]).await.refusal().0, 401);
}

#[tokio::test]
async fn whoever_guesses_secrets_waits_and_the_client_elsewhere_does_not() {
    let app = TestApp::start().await;
    let machine = app.machine(&app.organization.account_id).await;
    let guess = |number: u32| basic(&machine.client_id, &format!("sa_secret_{number:032}"));
    let mut last = 0;
    for number in 0..1000 {
        let caller = app.stranger().from("192.0.2.1").header("authorization", &guess(number));
        let reply = caller.post_bytes("/oauth2/token", form_of(&[GRANT])).await;
        last = reply.refusal().0;
        if last == 429 {
            assert!(!reply.header("retry-after").is_empty());
            break;
        }
        assert_eq!(last, 401);
    }
    assert_eq!(last, 429);
    assert_eq!(app.ask_token(&machine, &[]).await.status, 200);
}
