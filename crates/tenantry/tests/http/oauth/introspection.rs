//! `POST /oauth2/introspect` (RFC 7662)

use crate::support::{TestApp, claims_of, form_of};
use axum::http::Method;
use serde_json::json;

#[tokio::test]
async fn an_active_token_is_described() {
    let app = TestApp::start().await;
    let machine = app.machine(&app.organization.account_id).await;
    let token = app.access_token(&machine).await;
    let (_, claims) = claims_of(&token);
    for _ in 0..2 {
        let told = app.introspect(&app.machine_client(&machine), &token).await;
        assert_eq!(
            told,
            json!({
                "active": true, "scope": "api:read api:write", "client_id": machine.client_id,
                "token_type": "Bearer", "exp": claims["exp"], "iat": claims["iat"],
                "sub": machine.client_id, "aud": "http://localhost", "iss": "http://localhost",
                "jti": claims["jti"], "kind": "access_token",
                "account_id": app.organization.account_id,
            })
        );
    }
}

#[tokio::test]
async fn an_api_key_is_described_alike() {
    let app = TestApp::start().await;
    let account = app.sub_account("a").await;
    let told = app.introspect(&app.owner(), &account.key).await;
    assert_eq!(
        told,
        json!({
            "active": true, "scope": "*:*", "token_type": "Bearer", "sub": account.key_id,
            "iss": "http://localhost", "kind": "api_key", "account_id": account.id,
        })
    );
    let path = format!("/v1/keys/{}/revoke", account.key_id);
    assert_eq!(app.owner().post(&path, json!({})).await.status, 200);
    assert_eq!(app.introspect(&app.owner(), &account.key).await, json!({ "active": false }));
}

#[tokio::test]
async fn case_33_what_is_anothers_is_as_inactive_as_what_is_nothing() {
    let app = TestApp::start().await;
    let machine = app.machine(&app.organization.account_id).await;
    let sibling = app.machine(&app.organization.account_id).await;
    let token = app.access_token(&machine).await;
    let foreign = app.organization("Other").await;
    let theirs = app.machine_of(&foreign, &foreign.account_id).await;
    let inactive = json!({ "active": false });
    // A client without the permission: its own tokens, and nothing else.
    for caller in [app.machine_client(&sibling), app.machine_client(&theirs)] {
        for about in [&token, &app.organization.key, &machine.secret, "x", "a.b.c", "eyJ.a.b"] {
            assert_eq!(app.introspect(&caller, about).await, inactive, "{about}");
        }
    }
    assert_eq!(app.introspect(&app.bearer(&foreign.key), &token).await, inactive);
    // With it, those of its tree.
    let verifying = app.machine_with(&["tenantry.keys:verify"]).await;
    let their_token = app.access_token(&theirs).await;
    for caller in [
        app.machine_client(&verifying),
        app.bearer(&app.access_token(&verifying).await),
        app.owner(),
    ] {
        assert_eq!(app.introspect(&caller, &token).await["active"], true);
        assert_eq!(app.introspect(&caller, &app.organization.key).await["active"], true);
        assert_eq!(app.introspect(&caller, &their_token).await, inactive);
        assert_eq!(app.introspect(&caller, &machine.secret).await, inactive);
    }
    let platform = app.platform().await;
    for about in [&token, &their_token] {
        assert_eq!(app.introspect(&platform, about).await["active"], true);
    }
}

#[tokio::test]
async fn case_34_nobody_introspects_unknown_and_no_token_is_in_a_url() {
    let app = TestApp::start().await;
    let machine = app.machine(&app.organization.account_id).await;
    let token = app.access_token(&machine).await;
    let body = form_of(&[("token", &token)]);
    let reply = app.stranger().post_bytes("/oauth2/introspect", body.clone()).await;
    assert_eq!((reply.refusal().0, &reply.json["error"]), (401, &json!("invalid_client")));
    let challenges: Vec<_> = reply.headers.get_all("www-authenticate").iter().collect();
    assert_eq!(challenges, ["Basic realm=\"tenantry\"", "Bearer realm=\"tenantry\""]);
    for bearer in ["sa-00000000000000000000000000000000", "x", "eyJ.a.b"] {
        let reply = app.bearer(bearer).post_bytes("/oauth2/introspect", body.clone()).await;
        assert_eq!(reply.refusal().0, 401, "{bearer}");
    }
    let weak = app.key(&["api:read"]).await;
    let reply = weak.post_bytes("/oauth2/introspect", body.clone()).await;
    assert_eq!((reply.refusal().0, &reply.json["error"]), (403, &json!("insufficient_scope")));
    let owner = app.owner();
    let reply = owner.send(Method::GET, "/oauth2/introspect", Vec::new()).await;
    assert_eq!((reply.refusal().0, reply.header("allow")), (405, "POST"));
    // Case 12: wherever a URL has a credential, that is said first.
    for method in [Method::GET, Method::POST] {
        let path = format!("/oauth2/introspect?token={token}");
        let reply = owner.send(method, &path, body.clone()).await;
        assert_eq!(reply.refusal().0, 400);
        assert!(!reply.text.contains(&token));
    }
    let reply = owner.post_bytes("/oauth2/introspect", form_of(&[("x", "y")])).await;
    assert_eq!((reply.refusal().0, &reply.json["error"]), (400, &json!("invalid_request")));
}

#[tokio::test]
async fn a_token_with_a_bad_signature_is_paid_for_by_whoever_asks() {
    let app = TestApp::start().await;
    let machine = app.machine_with(&["tenantry.keys:verify"]).await;
    let token = app.access_token(&machine).await;
    let wrong = |number: u32| format!("{}{number:06}", &token[..token.len() - 6]);
    let mut last = None;
    for number in 0..20_000 {
        let body = form_of(&[("token", &wrong(number))]);
        let reply = app.owner().post_bytes("/oauth2/introspect", body).await;
        if reply.status != 200 {
            last = Some(reply.refusal().0);
            break;
        }
    }
    assert_eq!(last, Some(429));
    // Good ones go on, and so does whoever else asks.
    assert_eq!(app.introspect(&app.owner(), &token).await["active"], true);
    assert_eq!(
        app.introspect(&app.machine_client(&machine), &wrong(1)).await,
        json!({ "active": false })
    );
}
