//! Access tokens as bearers of the native API, and in verifications.

use crate::support::{Machine, TestApp, basic, form_of};
use axum::http::Method;
use serde_json::json;

#[tokio::test]
async fn a_token_may_what_was_granted_and_its_service_account_may() {
    let app = TestApp::start().await;
    let machine = app.machine_with(&["tenantry.keys:*", "tenantry.accounts:read"]).await;
    let all = app.access_token(&machine).await;
    let some = app.ask_token(&machine, &[("scope", "tenantry.accounts:read")]).await;
    let some = some.text_at("/access_token").to_owned();
    let keys = format!("/v1/accounts/{}/keys", app.organization.account_id);
    assert_eq!(app.bearer(&all).get("/v1/accounts").await.status, 200);
    assert_eq!(app.bearer(&all).get(&keys).await.status, 200);
    assert_eq!(app.bearer(&some).get("/v1/accounts").await.status, 200);
    assert_eq!(app.bearer(&some).get(&keys).await.refusal().0, 403);
    let whoami = app.bearer(&some).get("/v1/whoami").await;
    assert_eq!(whoami.json["kind"], "access_token");
    assert_eq!(whoami.json["permissions"], json!(["tenantry.accounts:read"]));
    assert_eq!(whoami.text_at("/account/id"), app.organization.account_id);

    // What the service account loses, its tokens lose.
    let less = json!({ "permissions": ["tenantry.keys:read"] });
    assert_eq!(app.owner().patch(&machine.path(), less).await.status, 200);
    assert_eq!(app.bearer(&all).get(&keys).await.status, 200);
    assert_eq!(app.bearer(&all).get("/v1/accounts").await.refusal().0, 403);
    let verdict = app.owner().post("/v1/keys/verify", json!({ "key": all })).await;
    assert_eq!(verdict.json["permissions"], json!(["tenantry.keys:read"]));
    let verdict = app.owner().post("/v1/keys/verify", json!({ "key": some })).await;
    assert_eq!(verdict.json["permissions"], json!([]));
    // What it gets, they do not.
    let more = json!({ "permissions": ["*:*", "tenantry.*:*"] });
    assert_eq!(app.owner().patch(&machine.path(), more).await.status, 200);
    assert_eq!(app.bearer(&some).get(&keys).await.refusal().0, 403);
}

#[tokio::test]
async fn case_41_a_token_that_reads_does_not_write_and_grants_nothing_that_it_lacks() {
    let app = TestApp::start().await;
    let machine = app.machine(&app.organization.account_id).await;
    let reading = app.bearer(&app.access_token(&machine).await);
    let accounts = format!("/v1/accounts/{}/service-accounts", app.organization.account_id);
    assert_eq!(reading.post("/v1/accounts", json!({ "name": "x" })).await.refusal().0, 403);
    assert_eq!(reading.post(&accounts, json!({})).await.refusal().0, 403);
    let machine =
        app.machine_with(&["tenantry.service_accounts:*", "api:read", "orders:write"]).await;
    let token = app.ask_token(&machine, &[("scope", "tenantry.service_accounts:* api:read")]).await;
    let writing = app.bearer(token.text_at("/access_token"));
    for (permissions, status) in [(json!(["api:read"]), 201), (json!(["orders:write"]), 403)] {
        let reply = writing.post(&accounts, json!({ "permissions": permissions })).await;
        assert_eq!(reply.status, status, "{}", reply.text);
    }
    let event = "SELECT count(*) FROM audit_events
                 WHERE action = 'service_account.created' AND actor_kind = 'service_account'";
    assert_eq!(app.count(event), 1);
}

#[tokio::test]
async fn a_token_of_a_sub_account_stays_in_it() {
    let app = TestApp::start().await;
    let (own, other) = (app.sub_account("own").await, app.sub_account("other").await);
    let path = format!("/v1/accounts/{}/service-accounts", own.id);
    let new = json!({ "permissions": ["tenantry.*:*", "*:*"] });
    let machine = Machine::of(&app.owner().post(&path, new).await);
    let token = app.bearer(&app.access_token(&machine).await);
    assert_eq!(token.get(&format!("/v1/accounts/{}", own.id)).await.status, 200);
    for foreign in [&other.id, &app.organization.account_id] {
        assert_eq!(token.get(&format!("/v1/accounts/{foreign}")).await.refusal().0, 404);
    }
    let nested = token.post("/v1/accounts", json!({ "name": "x" })).await;
    assert_eq!((nested.refusal().0, nested.text_at("/code")), (403, "subaccounts_cannot_nest"));
}

#[tokio::test]
async fn a_token_for_somebody_else_is_none_for_the_native_api() {
    let app = TestApp::start().await;
    let machine = app.machine_with(&["tenantry.*:*"]).await;
    for resources in [
        &["https://api.example.com"][..],
        &["http://localhost", "https://api.example.com"],
        &["http://localhost/"],
    ] {
        let form: Vec<_> = resources.iter().map(|one| ("resource", *one)).collect();
        let reply = app.ask_token(&machine, &form).await;
        let token = reply.text_at("/access_token");
        assert_eq!(app.bearer(token).get("/v1/whoami").await.refusal().0, 401, "{resources:?}");
        let question = json!({ "key": app.organization.key });
        let reply = app.bearer(token).post("/v1/keys/verify", question).await;
        assert_eq!(reply.refusal().0, 401, "{resources:?}");
        // Whoever was shown it may ask, and is told whom it is for.
        let verdict = app.owner().post("/v1/keys/verify", json!({ "key": token })).await;
        assert_eq!(verdict.json["code"], "VALID");
        assert_eq!(verdict.json["audience"], json!(resources));
    }
    let own = app.ask_token(&machine, &[("resource", "http://localhost")]).await;
    assert_eq!(app.bearer(own.text_at("/access_token")).get("/v1/whoami").await.status, 200);
}

#[tokio::test]
async fn a_verification_says_of_a_token_what_it_says_of_a_key() {
    let app = TestApp::start().await;
    let machine = app.machine(&app.organization.account_id).await;
    let token = app.access_token(&machine).await;
    let verifying = app.machine_with(&["tenantry.keys:verify"]).await;
    let verifying = app.bearer(&app.access_token(&verifying).await);
    for caller in [app.owner(), verifying, app.operator(), app.platform().await] {
        // Once as one that was not seen, once as one that was.
        for _ in 0..2 {
            let question = json!({ "key": token, "permissions": ["api:read"] });
            let verdict = caller.post("/v1/keys/verify", question).await.json;
            let id = verdict["token_id"].clone();
            assert_eq!(
                verdict,
                json!({
                    "valid": true, "code": "VALID", "kind": "access_token", "key_id": null,
                    "account_id": app.organization.account_id,
                    "account_uuid": app.organization.uuid, "parent_id": null,
                    "name": verdict["name"], "permissions": ["api:read", "api:write"],
                    "expires_at": "2025-07-10T14:45:00.000000Z", "metadata": {},
                    "service_account_id": machine.id, "token_id": id,
                    "client_id": machine.client_id, "audience": ["http://localhost"],
                })
            );
        }
        let question = json!({ "key": token, "permissions": ["api:fly"] });
        let verdict = caller.post("/v1/keys/verify", question).await;
        assert_eq!(verdict.json["code"], "INSUFFICIENT_PERMISSIONS");
    }
    let foreign = app.organization("Other").await;
    assert_eq!(app.code(&app.bearer(&foreign.key), &token).await, "NOT_FOUND");
    app.advance(599);
    assert_eq!(app.code(&app.owner(), &token).await, "VALID");
    app.advance(1);
    assert_eq!(app.code(&app.owner(), &token).await, "EXPIRED");
    assert_eq!(app.bearer(&token).get("/v1/whoami").await.refusal().0, 401);
}

#[tokio::test]
async fn case_32_what_ends_a_service_account_ends_its_tokens_at_the_next_request() {
    let app = TestApp::start().await;
    let account = app.sub_account("a").await;
    let path = format!("/v1/accounts/{}/service-accounts", account.id);
    let new = json!({ "permissions": ["tenantry.keys:verify", "api:read"] });
    let suspend = format!("/v1/accounts/{}/suspend", account.id);
    let resume = format!("/v1/accounts/{}/resume", account.id);
    let check = async |token: &str, expected: &str| {
        assert_eq!(app.code(&app.owner(), token).await, expected);
        let good = expected == "VALID";
        let active = app.introspect(&app.owner(), token).await;
        assert_eq!(active["active"], good);
        assert!(good || active == json!({ "active": false }), "{active}");
        let status = app.bearer(token).get("/v1/whoami").await.status;
        assert_eq!(status, if good { 200 } else { 401 }, "{expected}");
        let question = json!({ "key": account.key });
        let status = app.bearer(token).post("/v1/keys/verify", question).await.status;
        assert_eq!(status, if good { 200 } else { 401 }, "{expected}");
    };
    // Tokens that this node has seen, and one that it has not.
    for seen in [true, false] {
        let machine = Machine::of(&app.owner().post(&path, new.clone()).await);
        let token = app.access_token(&machine).await;
        if seen {
            check(&token, "VALID").await;
        }
        let off = app.owner().post(&format!("{}/disable", machine.path()), json!({})).await;
        assert_eq!(off.status, 200);
        assert_eq!(app.ask_token(&machine, &[]).await.refusal().0, 401);
        check(&token, "DISABLED").await;
        app.owner().post(&format!("{}/enable", machine.path()), json!({})).await;
        check(&token, "VALID").await;
        app.owner().post(&suspend, json!({})).await;
        check(&token, "ACCOUNT_SUSPENDED").await;
        assert_eq!(app.ask_token(&machine, &[]).await.refusal().0, 401);
        app.owner().post(&resume, json!({})).await;
        check(&token, "VALID").await;
        let all = format!("{}/revoke-tokens", machine.path());
        assert_eq!(app.owner().post(&all, json!({})).await.status, 200);
        check(&token, "REVOKED").await;
        app.advance(1);
        let token = app.access_token(&machine).await;
        check(&token, "VALID").await;
        // A further secret, and the tokens of the first end with it.
        let secrets = format!("{}/secrets", machine.path());
        let second = app.owner().post(&secrets, json!({})).await.text_at("/secret").to_owned();
        let caller = app
            .stranger()
            .header("authorization", &basic(&machine.client_id, &second))
            .post_bytes("/oauth2/token", form_of(&[("grant_type", "client_credentials")]))
            .await;
        let of_second = caller.text_at("/access_token").to_owned();
        check(&of_second, "VALID").await;
        assert_eq!(
            app.owner().delete(&format!("{secrets}/{}", machine.secret_id)).await.status,
            200
        );
        check(&token, "REVOKED").await;
        check(&of_second, "VALID").await;
        assert_eq!(app.owner().delete(&machine.path()).await.status, 200);
        check(&of_second, "REVOKED").await;
    }
}

#[tokio::test]
async fn a_rotated_secrets_tokens_end_with_its_grace() {
    let app = TestApp::start().await;
    let machine = app.machine(&app.organization.account_id).await;
    let token = app.access_token(&machine).await;
    let path = format!("{}/rotate", machine.dialect_path());
    let admin = app.admin().await;
    let reply = admin.post(&path, json!({ "gracePeriodSeconds": 60 })).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    assert_eq!(app.code(&app.owner(), &token).await, "VALID");
    app.advance(61);
    assert_eq!(app.code(&app.owner(), &token).await, "EXPIRED");
}

#[tokio::test]
async fn case_8_credentials_are_good_for_what_they_are_alone() {
    let app = TestApp::start().await;
    let machine = app.machine_with(&["tenantry.*:*"]).await;
    let token = app.access_token(&machine).await;
    let admin = app.token(&app.organization.uuid, "tenant_admin").await;
    // A client secret as a bearer; an admin's JWT on a key's routes.
    for wrong in [&machine.secret, &admin, &machine.client_id] {
        for path in ["/v1/whoami", "/user/me", "/sub-accounts/all"] {
            assert_eq!(app.bearer(wrong).get(path).await.refusal().0, 401, "{path}");
        }
        let verdict = app.bearer(wrong).post("/v1/keys/verify", json!({ "key": "x" })).await;
        assert_eq!(verdict.refusal().0, 401);
        let body = form_of(&[("token", &token)]);
        let reply = app.bearer(wrong).post_bytes("/oauth2/introspect", body).await;
        assert_eq!(reply.refusal().0, 401);
    }
    assert_eq!(app.code(&app.owner(), &machine.secret).await, "MALFORMED");
    assert_eq!(app.code(&app.owner(), &admin).await, "NOT_FOUND");
    // An access token on an administrator's route, and in the dialects, which know keys alone.
    let list = "/api/v1/admin/service-account";
    let as_admin = app.bearer(&token).header("x-tenantid", &app.organization.uuid);
    assert_eq!(as_admin.get(list).await.refusal().0, 401);
    for path in ["/user/me", "/sub-accounts/all", "/api/v1/api_keys/key_1C9EVhR5Tth8cTGEFr9hz6"] {
        assert_eq!(app.bearer(&token).get(path).await.refusal().0, 401, "{path}");
    }
    // An API key, and a token, as a client's secret.
    for wrong in [&app.organization.key, &token, &admin] {
        let caller = app.stranger().header("authorization", &basic(&machine.client_id, wrong));
        let body = form_of(&[("grant_type", "client_credentials")]);
        assert_eq!(caller.post_bytes("/oauth2/token", body).await.refusal().0, 401);
        assert_eq!(app.client_code(&machine.client_id, wrong).await, "MALFORMED");
    }
    // A token in a URL is no credential anywhere.
    let reply =
        app.stranger().send(Method::GET, &format!("/v1/whoami?t={token}"), Vec::new()).await;
    assert_eq!(reply.refusal().0, 400);
}
