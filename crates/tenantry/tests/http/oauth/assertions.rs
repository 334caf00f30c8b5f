//! `private_key_jwt` (RFC 7523), and the keys that clients register for it.

use crate::support::{ClientKeyPair, TestApp, claims_of, form_of};
use axum::http::Method;
use serde_json::{Value, json};
use tenantry_core::error::Error;
use tenantry_core::oauth::ClientAuthentication;

const HEADER_KIND: &str = "JWT";

fn header(pair: &ClientKeyPair) -> Value {
    json!({ "alg": pair.algorithm(), "typ": HEADER_KIND })
}

#[tokio::test]
async fn a_client_gets_a_token_for_a_jwt_that_it_signed_with_a_registered_key() {
    let app = TestApp::start().await;
    for algorithm in ["ES256", "EdDSA", "RS256"] {
        let machine = app.machine(&app.organization.account_id).await;
        let pair = ClientKeyPair::of(algorithm);
        let registered = app.register(&machine, &[pair.jwk()]).await;
        assert_eq!(registered.status, 200, "{}", registered.text);
        let kid = registered.text_at("/keys/0/kid").to_owned();
        let claims = app.assertion_claims(&machine, algorithm);
        let mut named = header(&pair);
        named["kid"] = json!(kid);
        let mut renamed = header(&pair);
        if algorithm == "EdDSA" {
            // RFC 9864 §2.2 names the curve alone.
            renamed["alg"] = json!("Ed25519");
        }
        for (jti, header) in [("1", header(&pair)), ("2", named), ("3", renamed)] {
            let mut claims = claims.clone();
            claims["jti"] = json!(jti);
            let reply = app.ask_with_assertion(&pair.jwt(&header, &claims)).await;
            assert_eq!(reply.status, 200, "{algorithm} {}", reply.text);
            let token = reply.text_at("/access_token");
            assert_eq!(claims_of(token).1["client_credential"], format!("jwk_{kid}"));
            assert_eq!(app.introspect(&app.owner(), token).await["active"], true);
        }
    }
}

#[tokio::test]
async fn case_36_an_assertion_is_for_the_issuer_alone_and_for_one_use() {
    let app = TestApp::start().await;
    let machine = app.machine(&app.organization.account_id).await;
    let pair = ClientKeyPair::of("ES256");
    app.register(&machine, &[pair.jwk()]).await;
    let good = app.assertion_claims(&machine, "0");
    let with = |name: &str, value: Value| {
        let mut claims = good.clone();
        if value.is_null() {
            claims.as_object_mut().expect("claims").remove(name);
        } else {
            claims[name] = value;
        }
        pair.jwt(&header(&pair), &claims)
    };
    let now = app.now();
    let other = app.machine(&app.organization.account_id).await;
    let refused = [
        with("aud", json!("http://localhost/")),
        with("aud", json!("https://localhost")),
        with("aud", json!("http://other")),
        with("aud", json!(["http://localhost", "http://other"])),
        with("aud", json!("http://localhost/oauth2/token")),
        with("aud", json!([])),
        with("aud", json!(1)),
        with("aud", Value::Null),
        with("iss", json!(other.client_id)),
        with("sub", json!(other.client_id)),
        with("sub", Value::Null),
        with("jti", Value::Null),
        with("jti", json!("")),
        with("jti", json!(1)),
        with("jti", json!("j".repeat(257))),
        with("exp", Value::Null),
        with("exp", json!(now)),
        with("exp", json!(-1)),
        with("exp", json!(now + 60).to_string().into()),
        with("exp", json!(1.5)),
        with("iat", json!(now + 31)),
        with("nbf", json!(now + 31)),
        with("iat", json!(now - 271)),
        {
            let mut claims = good.clone();
            claims.as_object_mut().expect("claims").remove("iat");
            claims["exp"] = json!(now + 271);
            pair.jwt(&header(&pair), &claims)
        },
        ClientKeyPair::of("ES256").jwt(&header(&pair), &good),
        pair.jwt(&json!({ "alg": "none" }), &good),
        pair.jwt(&json!({ "alg": "HS256" }), &good),
        pair.jwt(&json!({ "alg": "ES256", "kid": "../../dev/null" }), &good),
        pair.jwt(&json!({ "alg": "ES256", "kid": 1 }), &good),
        pair.jwt(&json!({ "alg": "ES256", "typ": "at+jwt" }), &good),
        pair.jwt(&json!({ "alg": "ES256", "jwk": pair.jwk() }), &good),
        pair.jwt(&json!({ "alg": "ES256", "crit": ["x"], "x": 1 }), &good),
    ];
    for assertion in &refused {
        let reply = app.ask_with_assertion(assertion).await;
        assert_eq!(reply.refusal().0, 401, "{:?}", claims_of(assertion));
        assert_eq!(reply.json["error"], "invalid_client");
    }
    assert_eq!(app.count("SELECT count(*) FROM used_assertions"), 0, "only good ones are noted");

    let assertion = pair.jwt(&header(&pair), &good);
    assert_eq!(app.ask_with_assertion(&assertion).await.status, 200);
    let again = app.ask_with_assertion(&assertion).await;
    assert_eq!((again.refusal().0, &again.json["error"]), (401, &json!("invalid_client")));
    // The same id in another assertion is the same use.
    assert_eq!(app.ask_with_assertion(&with("exp", json!(now + 61))).await.refusal().0, 401);
    // The id is the client's own: another client may use the same.
    app.register(&other, &[pair.jwk()]).await;
    let theirs = pair.jwt(&header(&pair), &app.assertion_claims(&other, "0"));
    assert_eq!(app.ask_with_assertion(&theirs).await.status, 200);
    // It is kept for as long as it could be used again, and five minutes at most.
    let kept = "SELECT count(*) FROM used_assertions";
    assert_eq!(app.count(kept), 2);
    app.advance(59);
    app.plane.sweep_tokens().await.expect("swept");
    assert_eq!(app.count(kept), 2);
    app.advance(1);
    app.plane.sweep_tokens().await.expect("swept");
    assert_eq!(app.count(kept), 0);
    assert_eq!(app.ask_with_assertion(&assertion).await.refusal().0, 401, "it has ended");
}

#[tokio::test]
async fn case_36_an_assertion_that_one_node_has_taken_is_taken_nowhere_else() {
    let app = TestApp::start().await;
    let machine = app.machine(&app.organization.account_id).await;
    let pair = ClientKeyPair::of("ES256");
    app.register(&machine, &[pair.jwk()]).await;
    let other = app.another_node();
    let assertion = |jti: &str| pair.jwt(&header(&pair), &app.assertion_claims(&machine, jti));
    let there = async |jwt: &str| {
        let presented = ClientAuthentication::Assertion { jwt, id: None };
        other.authenticate_client(presented, None).await.map(|_| ())
    };
    let (here_first, there_first) = (assertion("1"), assertion("2"));
    assert_eq!(app.ask_with_assertion(&here_first).await.status, 200);
    assert!(matches!(there(&here_first).await, Err(Error::NotAuthenticated(_))));
    assert!(matches!(there(&there_first).await, Ok(())));
    assert_eq!(app.ask_with_assertion(&there_first).await.refusal().0, 401);
}

#[tokio::test]
async fn an_assertion_that_ends_in_an_hour_is_good_for_minutes() {
    let app = TestApp::start().await;
    let machine = app.machine(&app.organization.account_id).await;
    let pair = ClientKeyPair::of("EdDSA");
    app.register(&machine, &[pair.jwk()]).await;
    let mut claims = app.assertion_claims(&machine, "0");
    claims["exp"] = json!(app.now() + 3600);
    let assertion = |jti: &str| {
        let mut claims = claims.clone();
        claims["jti"] = json!(jti);
        pair.jwt(&header(&pair), &claims)
    };
    assert_eq!(app.ask_with_assertion(&assertion("1")).await.status, 200);
    app.advance(269);
    assert_eq!(app.ask_with_assertion(&assertion("2")).await.status, 200);
    app.advance(1);
    app.plane.sweep_tokens().await.expect("swept");
    assert_eq!(app.count("SELECT count(*) FROM used_assertions"), 0);
    assert_eq!(app.ask_with_assertion(&assertion("3")).await.refusal().0, 401);
    assert_eq!(app.ask_with_assertion(&assertion("1")).await.refusal().0, 401);
}

#[tokio::test]
async fn case_36_the_token_endpoint_is_an_audience_for_clients_that_opted_in() {
    let app = TestApp::start().await;
    let machine = app.machine(&app.organization.account_id).await;
    let pair = ClientKeyPair::of("ES256");
    let assertion = |jti: &str, audience: &str| {
        let mut claims = app.assertion_claims(&machine, jti);
        claims["aud"] = json!(audience);
        pair.jwt(&header(&pair), &claims)
    };
    let endpoint = "http://localhost/oauth2/token";
    let path = format!("{}/jwks", machine.path());
    for (opted_in, status) in [(false, 401), (true, 200), (false, 401)] {
        let body = json!({ "keys": [pair.jwk()], "token_endpoint_audience": opted_in });
        let reply = app.owner().send(Method::PUT, &path, body.to_string().into_bytes()).await;
        assert_eq!(reply.json["token_endpoint_audience"], opted_in, "{}", reply.text);
        let jti = format!("{opted_in}{status}{}", app.now());
        assert_eq!(app.ask_with_assertion(&assertion(&jti, endpoint)).await.status, status);
        let other = assertion(&format!("{jti}-"), "http://localhost/oauth2/introspect");
        assert_eq!(app.ask_with_assertion(&other).await.status, 401);
        let issuer = assertion(&format!("{jti}+"), "http://localhost");
        assert_eq!(app.ask_with_assertion(&issuer).await.status, 200);
        app.advance(1);
    }
}

#[tokio::test]
async fn of_several_keys_the_named_one_is_taken_and_a_key_that_is_gone_takes_its_tokens_along() {
    let app = TestApp::start().await;
    let machine = app.machine(&app.organization.account_id).await;
    let (one, other) = (ClientKeyPair::of("ES256"), ClientKeyPair::of("EdDSA"));
    let named = |pair: &ClientKeyPair, kid: &str| {
        let mut jwk = pair.jwk();
        jwk["kid"] = json!(kid);
        jwk
    };
    let keys = [named(&one, "one"), named(&other, "other")];
    assert_eq!(app.register(&machine, &keys).await.status, 200);
    let ask = async |pair: &ClientKeyPair, kid: Option<&str>, jti: &str| {
        let mut header = header(pair);
        if let Some(kid) = kid {
            header["kid"] = json!(kid);
        }
        let claims = app.assertion_claims(&machine, jti);
        app.ask_with_assertion(&pair.jwt(&header, &claims)).await
    };
    assert_eq!(ask(&one, None, "1").await.refusal().0, 401, "which of the two is not said");
    assert_eq!(ask(&one, Some("other"), "2").await.refusal().0, 401);
    let of_one = ask(&one, Some("one"), "3").await.text_at("/access_token").to_owned();
    let of_other = ask(&other, Some("other"), "4").await.text_at("/access_token").to_owned();

    assert_eq!(app.register(&machine, &keys[1..]).await.status, 200);
    assert_eq!(app.introspect(&app.owner(), &of_one).await, json!({ "active": false }));
    assert_eq!(app.introspect(&app.owner(), &of_other).await["active"], true);
    assert_eq!(ask(&one, Some("one"), "5").await.refusal().0, 401);
    let shown = app.owner().get(&format!("{}/jwks", machine.path())).await;
    assert_eq!(shown.json["keys"].as_array().map(Vec::len), Some(1));
    assert_eq!(shown.text_at("/keys/0/kid"), "other");
}

#[tokio::test]
async fn keys_that_are_private_weak_or_too_many_are_not_registered() {
    let app = TestApp::start().await;
    let machine = app.machine(&app.organization.account_id).await;
    let key = ClientKeyPair::of("ES256").jwk();
    let with = |name: &str, value: Value| {
        let mut jwk = key.clone();
        jwk[name] = value;
        jwk
    };
    let refused: Vec<Vec<Value>> = vec![
        vec![with("d", json!("AAAA"))],
        vec![json!({ "kty": "oct", "k": "AAAA" })],
        vec![with("alg", json!("ES384"))],
        vec![with("use", json!("enc"))],
        vec![with("kid", json!(""))],
        vec![with("kid", json!(7))],
        vec![with("x", json!("AAAA"))],
        vec![json!("key")],
        vec![with("kid", json!("a")), with("kid", json!("a"))],
        (0..5).map(|number| with("kid", json!(number.to_string()))).collect(),
    ];
    for keys in refused {
        let reply = app.register(&machine, &keys).await;
        let (status, body) = reply.refusal();
        assert_eq!((status, &body["code"]), (422, &json!("validation_failed")), "{keys:?}");
        let pointer = body["errors"][0]["pointer"].as_str().expect("a pointer");
        assert!(pointer.starts_with("/keys"), "{pointer}");
        assert!(!reply.text.contains("AAAA"));
    }
    assert_eq!(app.count("SELECT count(*) FROM client_settings"), 0);
}

#[tokio::test]
async fn nobody_registers_a_key_for_more_than_they_have() {
    let app = TestApp::start().await;
    let strong = app.machine_with(&["api:*", "orders:write"]).await;
    let body = json!({ "keys": [ClientKeyPair::of("EdDSA").jwk()] }).to_string();
    let path = format!("{}/jwks", strong.path());
    let keys = format!("/v1/accounts/{}/keys", app.organization.account_id);
    for (permissions, expected) in [
        (vec!["tenantry.service_accounts:*"], "grant_exceeds_own"),
        (vec!["tenantry.service_accounts:read", "*:*"], "insufficient_permissions"),
    ] {
        let weak = app.owner().post(&keys, json!({ "permissions": permissions })).await;
        let weak = app.bearer(weak.text_at("/secret"));
        let reply = weak.send(Method::PUT, &path, body.clone().into_bytes()).await;
        assert_eq!((reply.refusal().0, reply.text_at("/code")), (403, expected));
    }
    // A key that ends cannot give what does not end.
    let ending = json!({
        "permissions": ["*:*", "tenantry.*:*"], "expires_at": "2025-07-11T00:00:00Z",
    });
    let ending = app.owner().post(&keys, ending).await;
    let ending = app.bearer(ending.text_at("/secret"));
    let reply = ending.send(Method::PUT, &path, body.into_bytes()).await;
    assert_eq!((reply.refusal().0, reply.text_at("/code")), (403, "grant_exceeds_own"));
    // Taking keys away takes no more than the right to.
    let none = json!({ "keys": [] }).to_string().into_bytes();
    assert_eq!(ending.send(Method::PUT, &path, none).await.status, 200);
}

#[tokio::test]
async fn assertions_authenticate_at_introspection_and_revocation_too() {
    let app = TestApp::start().await;
    let machine = app.machine(&app.organization.account_id).await;
    let pair = ClientKeyPair::of("ES256");
    app.register(&machine, &[pair.jwk()]).await;
    let token = app.access_token(&machine).await;
    let call = async |path: &str, jti: &str| {
        let assertion = pair.jwt(&header(&pair), &app.assertion_claims(&machine, jti));
        let form = form_of(&[
            ("token", &token),
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ("client_assertion", &assertion),
            ("client_id", &machine.client_id),
        ]);
        app.stranger().post_bytes(path, form).await
    };
    assert_eq!(call("/oauth2/introspect", "1").await.json["active"], true);
    assert_eq!(call("/oauth2/revoke", "2").await.status, 200);
    assert_eq!(call("/oauth2/introspect", "3").await.json, json!({ "active": false }));
}
