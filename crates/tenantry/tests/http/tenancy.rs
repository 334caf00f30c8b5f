//! What belongs to one organization does not exist for another: cases 37 and 39, over the whole
//! table of routes.

use crate::support::{Reply, TestApp, realm_body};
use axum::http::Method;
use serde_json::json;
use tenantry_core::ids::AccountId;
use tenantry_http::{Access, Family, ROUTES};

/// Bytes of a reply but for its request id.
fn bytes(reply: &Reply) -> (u16, String, String) {
    (reply.status.as_u16(), reply.header("content-type").to_owned(), reply.text.clone())
}

/// The ids that a route's `{id}` may be, by the path before it.
fn other(path: &str, account: &str, key: &str, (lease, realm): (&str, &str)) -> String {
    match path {
        path if path.starts_with("/v1/accounts/") => account.to_owned(),
        path if path.starts_with("/v1/keys/") => key.to_owned(),
        path if path.starts_with("/api/v1/api_keys/") => key.to_owned(),
        path if path.starts_with("/v1/realms/") => realm.to_owned(),
        path if path.starts_with("/v1/leases/") => lease.to_owned(),
        path if path.starts_with("/sub-accounts/") => {
            AccountId::parse_native(account).expect("an id").to_uuid()
        }
        path => panic!("{path} has an id and no case here"),
    }
}

#[tokio::test]
async fn case_37_another_organizations_things_are_not_there() {
    let app = TestApp::start().await;
    let foreign = app.organization("Other").await;
    let theirs = app.sub_account_of(&foreign, "theirs").await;
    let ours = app.sub_account("ours").await;
    let unknown_account = "acc_1C9EVhR5Tth8cTGEFr9hz6";
    let unknown_key = "key_1C9EVhR5Tth8cTGEFr9hz6";
    let unknown_realm = "rlm_1C9EVhR5Tth8cTGEFr9hz6";
    let their_realm = app.bearer(&foreign.key).post("/v1/realms", realm_body("theirs")).await;
    let their_realm = their_realm.text_at("/id");
    let unknown_lease = "lea_1C9EVhR5Tth8cTGEFr9hz6";
    let leases = [app.lease(&theirs.id).await, app.lease(&foreign.account_id).await];
    // Service accounts have a test of their own below.
    let with_id = ROUTES.iter().filter(|route| {
        route.access == Access::Key
            && route.path.contains("{id}")
            && !route.path.starts_with("/v1/service-accounts/")
    });
    let mut seen = 0;
    for route in with_id {
        seen += 1;
        let send = async |caller: &str, id: &str| {
            let path = route.path.replace("{id}", id);
            // A body that the route takes, of those that take one.
            let body = match path.rsplit('/').next() {
                Some("rotate") => "{\"grace_seconds\":0}",
                _ => "{\"name\":\"changed\"}",
            };
            let body = if route.family == Family::Accounts { "" } else { body };
            app.bearer(caller).send(route.method.clone(), &path, body.into()).await
        };
        let unknown =
            other(route.path, unknown_account, unknown_key, (unknown_lease, unknown_realm));
        let master_of_theirs = app.bearer(&foreign.key).get("/v1/whoami").await;
        let master_key = master_of_theirs.text_at("/key_id").to_owned();
        let targets = [
            other(route.path, &theirs.id, &theirs.key_id, (&leases[0], their_realm)),
            other(route.path, &foreign.account_id, &master_key, (&leases[1], their_realm)),
        ];
        for caller in [&app.organization.key, &ours.key] {
            let expected = bytes(&send(caller, &unknown).await);
            assert_eq!(expected.0, 404, "{}", route.path);
            for target in &targets {
                assert_eq!(bytes(&send(caller, target).await), expected, "{} {target}", route.path);
            }
            // Whatever is no id at all is no different either.
            assert_eq!(bytes(&send(caller, "nonsense").await), expected, "{}", route.path);
        }
    }
    assert!(seen >= 3);
    for changed in [
        "SELECT count(*) FROM credentials WHERE status <> 'active' OR version <> 1",
        "SELECT count(*) FROM accounts WHERE status <> 'active' OR version <> 1",
        "SELECT count(*) FROM leases WHERE released_at IS NOT NULL OR expires_at <> acquired_at + ttl",
    ] {
        assert_eq!(app.count(changed), 0, "{changed}");
    }
    let keys = "SELECT count(*) FROM credentials WHERE kind = 'api_key'";
    assert_eq!(app.count(keys), 4);
}

#[tokio::test]
async fn case_37_another_organizations_service_accounts_are_not_there() {
    let app = TestApp::start().await;
    let foreign = app.organization("Other").await;
    let theirs = app.machine_of(&foreign, &foreign.account_id).await;
    let sub_account = app.sub_account_of(&foreign, "theirs").await;
    let below = app.machine_of(&foreign, &sub_account.id).await;
    let ours = app.sub_account("ours").await;
    let mut seen = 0;
    for route in ROUTES.iter().filter(|route| route.path.starts_with("/v1/service-accounts/")) {
        seen += 1;
        let send = async |caller: &str, id: &str, secret: &str| {
            let path = route.path.replace("{id}", id).replace("{secret}", secret);
            let body = json!({ "name": "changed", "keys": [] }).to_string().into_bytes();
            app.bearer(caller).send(route.method.clone(), &path, body).await
        };
        for caller in [&app.organization.key, &ours.key] {
            let unknown = "svc_1C9EVhR5Tth8cTGEFr9hz6";
            let expected = bytes(&send(caller, unknown, &theirs.secret_id).await);
            assert_eq!(expected.0, 404, "{}", route.path);
            for machine in [&theirs, &below] {
                let reply = send(caller, &machine.id, &machine.secret_id).await;
                assert_eq!(bytes(&reply), expected, "{}", route.path);
            }
            // Whatever is no id at all is no different either.
            let reply = send(caller, "nonsense", &theirs.secret_id).await;
            assert_eq!(bytes(&reply), expected, "{}", route.path);
        }
    }
    assert!(seen >= 7);
    for changed in [
        "SELECT count(*) FROM credentials WHERE status <> 'active' OR version <> 1",
        "SELECT count(*) FROM service_accounts WHERE status <> 'active' OR version <> 1",
    ] {
        assert_eq!(app.count(changed), 0, "{changed}");
    }
}

#[tokio::test]
async fn case_39_a_sub_accounts_key_sees_neither_its_master_nor_a_sibling() {
    let app = TestApp::start().await;
    let (own, sibling) = (app.sub_account("own").await, app.sub_account("sibling").await);
    let master = app.owner().get("/v1/whoami").await.text_at("/key_id").to_owned();
    let caller = app.bearer(&own.key);
    let permissions = json!(["*:*", "tenantry.*:*"]);
    let path = format!("/v1/accounts/{}/keys", own.id);
    let strong = app.owner().post(&path, json!({ "permissions": permissions })).await;
    // Whatever it may do, it may do in its own account.
    for caller in [caller.clone(), app.bearer(strong.text_at("/secret"))] {
        for key in [&sibling.key_id, &master] {
            let path = format!("/v1/keys/{key}");
            for end in ["revoke", "revoke?lineage=true", "disable", "enable", "rotate"] {
                let body = json!({ "grace_seconds": 0 });
                let reply = caller.post(&format!("{path}/{end}"), body).await;
                assert_eq!(reply.refusal().0, 404, "{end}");
            }
            assert_eq!(caller.get(&path).await.refusal().0, 404);
            assert_eq!(caller.delete(&path).await.refusal().0, 404);
            let changes = json!({ "name": "x" }).to_string().into_bytes();
            assert_eq!(caller.send(Method::PATCH, &path, changes).await.refusal().0, 404);
            assert_eq!(caller.get(&format!("/api/v1/api_keys/{key}")).await.refusal().0, 404);
        }
        for account in [&sibling.id, &app.organization.account_id] {
            let path = format!("/v1/accounts/{account}");
            assert_eq!(caller.get(&path).await.refusal().0, 404);
            let keys = format!("{path}/keys");
            assert_eq!(caller.get(&keys).await.refusal().0, 404);
            assert_eq!(caller.post(&keys, json!({})).await.refusal().0, 404);
        }
    }
    assert_eq!(caller.get(&format!("/v1/accounts/{}", own.id)).await.status, 200);
    assert_eq!(app.code(&app.owner(), &sibling.key).await, "VALID");
}

#[tokio::test]
async fn a_client_secret_is_no_key_to_revoke() {
    let app = TestApp::start().await;
    let (client_id, client_secret) = app.client().await;
    let question = json!({ "client_id": client_id, "client_secret": client_secret });
    let verdict = app.owner().post("/v1/keys/verify", question).await;
    let digits = verdict.text_at("/key_id").strip_prefix("sec_").expect("a secret's id").to_owned();
    for id in [format!("key_{digits}"), format!("sec_{digits}")] {
        let reply = app.owner().send(Method::DELETE, &format!("/v1/keys/{id}"), Vec::new()).await;
        assert_eq!(reply.refusal().0, 404);
    }
}
