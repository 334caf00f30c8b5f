//! `POST /oauth2/revoke` (RFC 7009)

use crate::support::{TestApp, form_of};
use serde_json::json;

#[tokio::test]
async fn case_32_a_revoked_token_is_over_at_once_and_forgotten_when_it_would_have_ended() {
    let app = TestApp::start().await;
    let machine = app.machine(&app.organization.account_id).await;
    let [token, other] = [app.access_token(&machine).await, app.access_token(&machine).await];
    assert_eq!(app.introspect(&app.owner(), &token).await["active"], true);
    let caller = app.machine_client(&machine);
    let revoke = form_of(&[("token", &token), ("token_type_hint", "refresh_token")]);
    for _ in 0..2 {
        let reply = caller.post_bytes("/oauth2/revoke", revoke.clone()).await;
        assert_eq!((reply.status.as_u16(), &*reply.text), (200, ""));
        assert_eq!(reply.header("cache-control"), "no-store");
    }
    assert_eq!(app.introspect(&app.owner(), &token).await, json!({ "active": false }));
    assert_eq!(app.code(&app.owner(), &token).await, "REVOKED");
    assert_eq!(app.bearer(&token).get("/v1/whoami").await.refusal().0, 401);
    assert_eq!(app.introspect(&app.owner(), &other).await["active"], true);
    let events = "SELECT count(*) FROM audit_events WHERE action = 'token.revoked'
                  AND actor_kind = 'service_account'";
    let rows = "SELECT count(*) FROM revoked_tokens";
    assert_eq!((app.count(events), app.count(rows)), (1, 1));
    assert!(!app.stores(token.rsplit('.').next().expect("a signature")));
    app.advance(599);
    assert_eq!(app.plane.sweep_tokens().await.expect("swept"), 0);
    app.advance(1);
    assert_eq!(app.plane.sweep_tokens().await.expect("swept"), 1);
    assert_eq!(app.count(rows), 0);
    assert_eq!(app.introspect(&app.owner(), &token).await, json!({ "active": false }));
    assert_eq!(caller.post_bytes("/oauth2/revoke", revoke).await.status, 200);
    assert_eq!(app.count(rows), 0, "what has ended is not noted again");
}

#[tokio::test]
async fn case_33_a_client_revokes_its_own_tokens_alone_and_is_not_told() {
    let app = TestApp::start().await;
    let machine = app.machine(&app.organization.account_id).await;
    let sibling = app.machine_with(&["*:*", "tenantry.*:*"]).await;
    let foreign = app.organization("Other").await;
    let theirs = app.machine_of(&foreign, &foreign.account_id).await;
    let token = app.access_token(&machine).await;
    for caller in [&sibling, &theirs] {
        for what in [&token, &app.organization.key, &machine.secret, "x", "a.b.c"] {
            let caller = app.machine_client(caller);
            let reply = caller.post_bytes("/oauth2/revoke", form_of(&[("token", what)])).await;
            assert_eq!((reply.status.as_u16(), &*reply.text), (200, ""));
        }
    }
    assert_eq!(app.count("SELECT count(*) FROM revoked_tokens"), 0);
    assert_eq!(app.introspect(&app.owner(), &token).await["active"], true);
    assert_eq!(app.code(&app.owner(), &app.organization.key).await, "VALID");
    let body = form_of(&[("token", &token)]);
    assert_eq!(app.stranger().post_bytes("/oauth2/revoke", body.clone()).await.refusal().0, 401);
    assert_eq!(app.owner().post_bytes("/oauth2/revoke", body).await.refusal().0, 401);
    let empty = app.machine_client(&machine).post_bytes("/oauth2/revoke", "").await;
    assert_eq!((empty.refusal().0, &empty.json["error"]), (400, &json!("invalid_request")));
}

#[tokio::test]
async fn all_tokens_of_a_service_account_end_together_and_later_ones_do_not() {
    let app = TestApp::start().await;
    let machine = app.machine(&app.organization.account_id).await;
    let [seen, unseen] = [app.access_token(&machine).await, app.access_token(&machine).await];
    assert_eq!(app.code(&app.owner(), &seen).await, "VALID");
    let path = format!("{}/revoke-tokens", machine.path());
    let weak = app.key(&["*:*"]).await;
    assert_eq!(weak.post(&path, json!({})).await.refusal().0, 404);
    app.advance(1);
    let reply = app.owner().post(&path, json!({})).await;
    assert!(reply.json["effective_everywhere_by"].is_string(), "{}", reply.text);
    for token in [&seen, &unseen] {
        assert_eq!(app.code(&app.owner(), token).await, "REVOKED");
    }
    app.advance(1);
    let later = app.access_token(&machine).await;
    assert_eq!(app.code(&app.owner(), &later).await, "VALID");
    // Keys that were registered stay.
    assert_eq!(app.owner().get(&format!("{}/jwks", machine.path())).await.json["keys"], json!([]));
}
