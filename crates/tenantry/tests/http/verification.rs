//! `POST /v1/keys/verify`: every code, and when an answer changes.

use crate::support::{START, TestApp};
use serde_json::{Value, json};
use tenantry_api::keys::Verdict;
use tenantry_core::audit::{Action, AuditEvent};
use tenantry_core::clock::Timestamp;
use tenantry_core::commit::{Change, Commit, Subject};
use tenantry_core::credentials::CredentialStatus;
use tenantry_core::ids::{AccountId, CredentialId, EventId};
use tenantry_core::rng::SeededRng;
use tenantry_core::secrets::Sealed;
use tenantry_core::store::CredentialStore as _;

#[tokio::test]
async fn a_key_of_each_dialect_and_a_client_secret_verify_with_the_right_account_and_parent() {
    let app = TestApp::start().await;
    let owner = app.owner();
    let sub = owner.post("/sub-accounts/create", json!({ "name": "s" })).await;
    let body = json!({ "data": { "type": "accounts", "attributes": { "name": "a" } } });
    let account = owner.post("/api/v1/accounts", body).await;
    let native = owner.post("/v1/accounts", json!({ "name": "n" })).await;
    let (client_id, client_secret) = app.client().await;
    let organization = &app.organization.account_id;
    let asked = [
        (json!({ "key": sub.text_at("/api_key") }), sub.text_at("/id"), Some(organization)),
        (
            json!({ "key": account.text_at("/included/0/attributes/secret") }),
            account.text_at("/data/id"),
            Some(organization),
        ),
        (
            json!({ "key": native.text_at("/key/secret") }),
            native.text_at("/account/id"),
            Some(organization),
        ),
        (json!({ "key": app.organization.key }), organization, None),
        (json!({ "client_id": client_id, "client_secret": client_secret }), organization, None),
    ];
    let other = app.organization("Other").await;
    for verifier in [owner, app.platform().await] {
        for (question, id, parent) in &asked {
            let reply = verifier.post("/v1/keys/verify", question.clone()).await;
            assert_eq!(reply.status, 200, "{}", reply.text);
            assert_eq!(
                (&reply.json["valid"], &reply.json["code"]),
                (&json!(true), &json!("VALID"))
            );
            let account = [&reply.json["account_id"], &reply.json["account_uuid"]];
            assert!(account.iter().any(|found| found.as_str() == Some(*id)), "{} {id}", reply.text);
            assert_eq!(reply.json["parent_id"].as_str(), parent.map(|id| &**id), "{}", reply.text);
            let members: Vec<&str> = [
                "valid",
                "code",
                "kind",
                "key_id",
                "account_id",
                "account_uuid",
                "parent_id",
                "name",
                "permissions",
                "expires_at",
                "metadata",
            ]
            .into_iter()
            .filter(|name| reply.json.get(name).is_none())
            .collect();
            assert!(members.is_empty(), "{members:?}");
        }
    }
    let stranger = app.bearer(&other.key);
    for (question, _, _) in &asked {
        let reply = stranger.post("/v1/keys/verify", question.clone()).await;
        assert_eq!(
            (&reply.json["valid"], &reply.json["code"]),
            (&json!(false), &json!("NOT_FOUND"))
        );
        for field in ["kind", "key_id", "account_id", "parent_id", "name", "metadata"] {
            assert_eq!(reply.json[field], Value::Null, "{field}");
        }
    }
}

#[tokio::test]
async fn after_a_revoke_is_answered_the_next_verify_is_revoked_and_the_key_401() {
    let app = TestApp::start().await;
    for path in ["revoke", "delete"] {
        let sub = app.sub_account("s").await;
        assert_eq!(app.code(&app.owner(), &sub.key).await, "VALID");
        let own = app.bearer(&sub.key);
        assert_eq!(own.get("/v1/whoami").await.status, 200);
        let reply = match path {
            "revoke" => {
                app.owner()
                    .post(&format!("/v1/keys/{}/revoke?wait=true", sub.key_id), json!({}))
                    .await
            }
            _ => app.owner().delete(&format!("/v1/keys/{}", sub.key_id)).await,
        };
        assert_eq!(reply.status, 200, "{}", reply.text);
        assert_eq!(reply.json["effective_everywhere_by"], "2025-07-10T14:35:00.123456Z");
        assert!(!reply.text_at("/revision").is_empty());
        assert_eq!(app.code(&app.owner(), &sub.key).await, "REVOKED");
        assert_eq!(app.code(&app.platform().await, &sub.key).await, "REVOKED");
        assert_eq!(own.get("/v1/whoami").await.status, 401);
        assert_eq!(own.post("/v1/accounts", json!({ "name": "x" })).await.status, 401);
        assert_eq!(own.post("/sub-accounts/create", json!({ "name": "x" })).await.status, 401);
        assert_eq!(own.post("/api/v1/accounts", json!({})).await.status, 401);
        assert_eq!(own.post("/v1/keys/verify", json!({ "key": "x" })).await.status, 401);
    }
}

#[tokio::test]
async fn revoking_twice_answers_the_same_and_changes_nothing() {
    let app = TestApp::start().await;
    let sub = app.sub_account("s").await;
    let path = format!("/v1/keys/{}/revoke", sub.key_id);
    let first = app.owner().post(&path, json!({})).await;
    let second = app.owner().post(&path, json!({})).await;
    assert_eq!((second.status, &second.json), (first.status, &first.json));
    assert_eq!(app.count("SELECT count(*) FROM audit_events WHERE action = 'key.revoked'"), 1);
}

#[tokio::test]
async fn a_revoke_that_finds_the_key_revoked_holds_before_it_answers() {
    let app = TestApp::start().await;
    let sub = app.sub_account("s").await;
    assert_eq!(app.code(&app.owner(), &sub.key).await, "VALID");
    // Another request's revocation, committed and not yet applied to this node's cache.
    let root = AccountId::parse_native(&app.organization.account_id).expect("an id");
    let id = CredentialId::parse_native(&sub.key_id).expect("an id");
    let found = app.store.find_credential(root, id).await.expect("a read").expect("the key");
    let mut key = found.open(&app.secrets).expect("its seal");
    key.status = CredentialStatus::Revoked { at: Timestamp::from_micros(START) };
    key.version += 1;
    let rng = SeededRng::new(99);
    let change = Change::new(&rng, root, [Subject::Credential(key.tag)]);
    let event = AuditEvent {
        id: EventId::from_bytes([9; 16]),
        root,
        at: Timestamp::from_micros(START),
        actor: ("operator", "test".to_owned()),
        action: Action::KeyRevoked,
        target: ("key", sub.key_id.clone()),
        facts: Vec::new(),
        request_id: "test".into(),
        address: None,
    };
    let commit = Commit::changing(Sealed::new(event, &app.secrets), change);
    let committed = app.store.update_credential(&Sealed::new(key, &app.secrets), commit).await;
    let committed = committed.expect("committed").expect("a revision");
    assert_eq!(app.code(&app.owner(), &sub.key).await, "VALID", "nothing was applied yet");
    let reply = app.owner().delete(&format!("/v1/keys/{}", sub.key_id)).await;
    assert_eq!((reply.status.as_u16(), reply.text_at("/revision")), (200, &*committed.to_string()));
    assert_eq!(app.code(&app.owner(), &sub.key).await, "REVOKED");
}

#[tokio::test]
async fn case_40_a_platform_key_may_revoke_itself_and_no_other() {
    let app = TestApp::start().await;
    let make = async || {
        let reply = app.operator().post("/operator/platform-keys", json!({})).await;
        (reply.text_at("/id").to_owned(), reply.text_at("/secret").to_owned())
    };
    let ((own, key), (other, other_key)) = (make().await, make().await);
    let caller = app.bearer(&key);
    assert_eq!(caller.delete(&format!("/v1/keys/{other}")).await.refusal().0, 403);
    assert_eq!(caller.delete(&format!("/v1/keys/{own}")).await.status, 200);
    assert_eq!(caller.get("/v1/whoami").await.status, 401);
    assert_eq!(app.bearer(&other_key).get("/v1/whoami").await.status, 200);
    assert_eq!(app.operator().delete(&format!("/v1/keys/{other}")).await.status, 200);
    assert_eq!(app.bearer(&other_key).get("/v1/whoami").await.status, 401);
}

#[tokio::test]
async fn a_verification_leaves_when_its_key_was_last_used() {
    let app = TestApp::start().await;
    let sub = app.sub_account("s").await;
    let used = "SELECT coalesce(max(last_used_at), 0) FROM credentials WHERE account_id <> root_id";
    app.code(&app.owner(), &sub.key).await;
    assert_eq!(app.count(used), 0, "nothing is written by a verification");
    app.plane.flush_last_used().await.expect("written");
    assert_eq!(app.count(used), START);
    assert_eq!(app.code(&app.owner(), &sub.key).await, "VALID");
}

#[tokio::test]
async fn the_reply_is_what_the_apis_struct_prints() {
    let app = TestApp::start().await;
    let metadata = json!({ "n": 1.2345e20, "t": "\u{1f680}\"\n" });
    let body = json!({
        "name": "x", "metadata": metadata,
        "key": {
            "name": "na\"me \u{e9}", "permissions": ["api:read", "z:*"],
            "expires_at": "2030-01-02T03:04:05.678Z",
        },
    });
    let made = app.owner().post("/v1/accounts", body).await;
    let (client_id, client_secret) = app.client().await;
    for question in [
        json!({ "key": made.text_at("/key/secret") }),
        json!({ "key": app.organization.key }),
        json!({ "client_id": client_id, "client_secret": client_secret }),
        json!({ "key": "sa-00000000000000000000000000000000" }),
        json!({ "key": "x" }),
    ] {
        let reply = app.owner().post("/v1/keys/verify", question.clone()).await;
        let text = |name: &str| reply.json[name].as_str();
        let owned = |name: &str| text(name).map(str::to_owned);
        let known = reply.json["kind"].is_string();
        let kinds = ["api_key", "client_secret"];
        let codes = ["VALID", "NOT_FOUND", "MALFORMED"];
        let word = |words: &[&'static str], name: &str| {
            words.iter().copied().find(|word| text(name) == Some(word))
        };
        let permissions = reply.json["permissions"].as_array().expect("a list");
        let raw = serde_json::value::RawValue::from_string("{}".to_owned()).expect("JSON");
        let verdict = Verdict {
            valid: reply.json["valid"] == true,
            code: word(&codes, "code").expect("a code"),
            kind: word(&kinds, "kind"),
            key_id: owned("key_id"),
            account_id: owned("account_id"),
            account_uuid: owned("account_uuid"),
            parent_id: owned("parent_id"),
            name: text("name"),
            permissions: permissions.iter().filter_map(Value::as_str).collect(),
            expires_at: owned("expires_at"),
            metadata: known.then_some(&*raw),
            service_account_id: owned("service_account_id"),
            token_id: owned("token_id"),
            client_id: owned("client_id"),
            audience: reply.json["audience"].as_array().map(|list| {
                list.iter().map(|one| one.as_str().expect("a text").to_owned()).collect()
            }),
            limits: None,
            lease: None,
        };
        assert_eq!(serde_json::to_string(&verdict).expect("JSON"), reply.text, "{question}");
        assert_eq!(reply.header("content-type"), "application/json");
        assert_eq!(reply.header("cache-control"), "no-store");
    }
}

#[tokio::test]
async fn numbers_that_no_float_holds_exactly_do_not_break_an_account() {
    let app = TestApp::start().await;
    let platform = app.platform().await;
    for number in ["123456789012345678901", "1e300", "-2.2250738585072014e-308", "0.1", "1e22"] {
        let body = format!(r#"{{"name":"x","metadata":{{"a":{number}}}}}"#);
        let made = app.owner().post_bytes("/v1/accounts", body).await;
        let key = made.text_at("/key/secret").to_owned();
        assert_eq!(app.code(&platform, &key).await, "VALID", "{number}");
        assert_eq!(app.bearer(&key).get("/v1/whoami").await.status, 200, "{number}");
    }
}

#[tokio::test]
async fn case_40_every_key_may_revoke_itself() {
    let app = TestApp::start().await;
    let sub = app.sub_account("s").await;
    let own = app.bearer(&sub.key);
    assert_eq!(own.delete(&format!("/v1/keys/{}", sub.key_id)).await.status, 200);
    assert_eq!(own.get("/v1/whoami").await.status, 401);
}

#[tokio::test]
async fn a_key_expires_at_its_end_without_anything_being_written() {
    let app = TestApp::start().await;
    let body = json!({ "name": "x", "key": { "expires_at": "2025-07-10T14:35:30Z" } });
    let key = app.owner().post("/v1/accounts", body).await.text_at("/key/secret").to_owned();
    let before = app.rows();
    assert_eq!(app.code(&app.owner(), &key).await, "VALID");
    app.advance(29);
    assert_eq!(app.code(&app.owner(), &key).await, "VALID");
    app.advance(1);
    assert_eq!(app.code(&app.owner(), &key).await, "EXPIRED");
    assert_eq!(app.bearer(&key).get("/v1/whoami").await.status, 401);
    assert_eq!(app.rows(), before);
}

#[tokio::test]
async fn a_suspended_organization_stops_its_whole_tree_and_resuming_lets_it_go_on() {
    let app = TestApp::start().await;
    let platform = app.platform().await;
    let organization = app.organization("Other").await;
    let sub = app.sub_account_of(&organization, "s").await;
    let path = format!("/operator/organizations/{}/suspended", organization.uuid);
    for _ in 0..2 {
        for key in [&sub.key, &organization.key] {
            assert_eq!(app.code(&platform, key).await, "VALID");
        }
        let reply = app.operator().post(&path, json!({ "suspended": true })).await;
        assert_eq!(reply.json["status"], "suspended");
        for key in [&sub.key, &organization.key] {
            assert_eq!(app.code(&platform, key).await, "ACCOUNT_SUSPENDED");
            assert_eq!(app.bearer(key).get("/v1/whoami").await.status, 401);
            assert_eq!(app.bearer(key).post("/v1/keys/verify", json!({})).await.status, 401);
        }
        let reply = app.operator().post(&path, json!({ "suspended": false })).await;
        assert_eq!(reply.json["status"], "active");
    }
    assert_eq!(app.code(&platform, &app.organization.key).await, "VALID");
}

#[tokio::test]
async fn a_suspension_whose_reply_was_lost_holds_at_the_next_verify() {
    let app = TestApp::start().await;
    let platform = app.platform().await;
    let organization = app.organization("Other").await;
    let sub = app.sub_account_of(&organization, "s").await;
    let path = format!("/operator/organizations/{}/suspended", organization.uuid);
    for (suspended, code) in
        [(true, "ACCOUNT_SUSPENDED"), (false, "VALID"), (true, "ACCOUNT_SUSPENDED")]
    {
        for key in [&sub.key, &organization.key] {
            app.code(&platform, key).await;
        }
        app.store.between.lose_next();
        let reply = app.operator().post(&path, json!({ "suspended": suspended })).await;
        assert_eq!(reply.refusal().0, 503);
        for key in [&sub.key, &organization.key] {
            assert_eq!(app.code(&platform, key).await, code);
        }
    }
}

#[tokio::test]
async fn a_revocation_whose_reply_was_lost_holds_at_the_next_verify() {
    let app = TestApp::start().await;
    let sub = app.sub_account("s").await;
    assert_eq!(app.code(&app.owner(), &sub.key).await, "VALID");
    app.store.between.lose_next();
    let reply = app.owner().delete(&format!("/v1/keys/{}", sub.key_id)).await;
    assert_eq!(reply.refusal().0, 503);
    assert_eq!(app.code(&app.owner(), &sub.key).await, "REVOKED");
}

#[tokio::test]
async fn a_suspended_tenant_gets_no_service_accounts() {
    let app = TestApp::start().await;
    let organization = app.organization("Other").await;
    let path = format!("/operator/organizations/{}/suspended", organization.uuid);
    app.operator().post(&path, json!({ "suspended": true })).await;
    assert_eq!(app.service_account(&organization.uuid).await.refusal().0, 403);
}

#[tokio::test]
async fn permissions_are_checked_as_they_were_granted() {
    let app = TestApp::start().await;
    let body = json!({ "name": "x", "key": { "permissions": ["api:read", "reports:*"] } });
    let key = app.owner().post("/v1/accounts", body).await.text_at("/key/secret").to_owned();
    for (wanted, code) in [
        (json!([]), "VALID"),
        (json!(["api:read"]), "VALID"),
        (json!(["api:read", "reports:write"]), "VALID"),
        (json!(["api:write"]), "INSUFFICIENT_PERMISSIONS"),
        (json!(["api:read", "other:read"]), "INSUFFICIENT_PERMISSIONS"),
        (json!(["tenantry.keys:write"]), "INSUFFICIENT_PERMISSIONS"),
    ] {
        let question = json!({ "key": key, "permissions": wanted });
        let reply = app.owner().post("/v1/keys/verify", question).await;
        assert_eq!(reply.json["code"], code, "{wanted}");
        assert_eq!(reply.json["permissions"], json!(["api:read", "reports:*"]));
    }
}

#[tokio::test]
async fn what_has_not_the_form_of_a_credential_is_malformed_without_a_look_up() {
    let app = TestApp::start().await;
    for key in [
        "",
        "x",
        "sa-B33F4FBF011D4661A273A46B11D185F8",
        "sa-550e8400-e29b-41d4-a716-446655440001",
        "tnt_00000000000000000000000000000000000000",
        "sa_secret_9k2m5n8p1q4r7t0w3x6y",
    ] {
        assert_eq!(app.code(&app.owner(), key).await, "MALFORMED", "{key}");
    }
    let unknown = "sa-00000000000000000000000000000000";
    assert_eq!(app.code(&app.owner(), unknown).await, "NOT_FOUND");
    let (client_id, client_secret) = app.client().await;
    for (id, secret, code) in [
        ("sa_client_000000000000", &*client_secret, "NOT_FOUND"),
        (&*client_id, "sa_secret_00000000000000000000000000000000", "NOT_FOUND"),
        ("client", &*client_secret, "MALFORMED"),
        (&*client_id, "secret", "MALFORMED"),
        (&*client_id, &*client_secret, "VALID"),
    ] {
        let question = json!({ "client_id": id, "client_secret": secret });
        let reply = app.owner().post("/v1/keys/verify", question).await;
        assert_eq!(reply.json["code"], code, "{id} {secret}");
    }
    assert_eq!(app.code(&app.owner(), &client_secret).await, "MALFORMED");
}

#[tokio::test]
async fn a_platform_key_is_no_customers_key() {
    let app = TestApp::start().await;
    let reply = app.operator().post("/operator/platform-keys", json!({ "name": "edge" })).await;
    let key = reply.text_at("/secret").to_owned();
    let platform = app.bearer(&key);
    assert_eq!(app.code(&platform, &key).await, "NOT_FOUND");
    assert_eq!(app.code(&app.owner(), &key).await, "NOT_FOUND");
    let own = platform.get("/v1/whoami").await;
    assert_eq!((&own.json["kind"], &own.json["account"]), (&json!("platform_key"), &Value::Null));
    for (path, body) in [
        ("/v1/accounts", json!({ "name": "x" })),
        ("/sub-accounts/create", json!({ "name": "x" })),
        (
            "/api/v1/accounts",
            json!({ "data": { "type": "accounts", "attributes": { "name": "x" } } }),
        ),
    ] {
        assert_eq!(platform.post(path, body).await.refusal().0, 403, "{path}");
    }
}

#[tokio::test]
async fn only_a_key_with_the_permission_may_ask() {
    let app = TestApp::start().await;
    let sub = app.sub_account("s").await;
    let reply = app.bearer(&sub.key).post("/v1/keys/verify", json!({ "key": sub.key })).await;
    assert_eq!((reply.refusal().0, &reply.json["code"]), (403, &json!("insufficient_permissions")));
    // A sub-account's key with the permission asks about its own account and no other.
    let verifier = app.key(&["tenantry.keys:verify"]).await;
    assert_eq!(app.code(&verifier, &sub.key).await, "NOT_FOUND");
    assert_eq!(app.code(&verifier, &app.organization.key).await, "NOT_FOUND");
}

#[tokio::test]
async fn a_question_that_is_not_understood_is_an_error_and_no_verdict() {
    let app = TestApp::start().await;
    for (body, status, pointer) in [
        (json!({}), 422, "/key"),
        (json!({ "key": null }), 422, "/key"),
        (json!({ "key": 7 }), 422, "/key"),
        (json!({ "client_id": "x" }), 422, "/client_secret"),
        (json!({ "client_secret": "x" }), 422, "/client_id"),
        (json!({ "key": "x", "permissions": ["API:read"] }), 422, "/permissions"),
        (json!({ "key": "x", "permissions": vec!["a:b"; 65] }), 422, "/permissions"),
        (json!({ "key": "x", "permissions": [7] }), 422, "/permissions/0"),
        (json!({ "key": "x", "ip": "1.2.3" }), 422, "/ip"),
        (json!({ "key": "x", "client_id": "y" }), 400, ""),
        (json!([]), 400, ""),
        (json!({ "key": "x", "lease": {} }), 422, "/lease/ttl_seconds"),
        (json!({ "key": "x", "lease": { "ttl_seconds": 4 } }), 422, "/lease/ttl_seconds"),
        (json!({ "key": "x", "lease": { "ttl_seconds": "30" } }), 422, "/lease/ttl_seconds"),
        (json!({ "key": "x", "lease": true }), 422, "/lease"),
        (json!({ "key": "x", "lease": [30] }), 422, "/lease"),
    ] {
        let reply = app.owner().post("/v1/keys/verify", body.clone()).await;
        assert_eq!(reply.refusal().0, status, "{body} {}", reply.text);
        if !pointer.is_empty() {
            assert_eq!(reply.json["errors"][0]["pointer"], pointer, "{body}");
        }
    }
}

#[tokio::test]
async fn an_unknown_key_is_looked_up_once_a_second_and_never_kept_longer() {
    let app = TestApp::start().await;
    // A key that does not exist yet: its row is taken out and put back by SQL, seal and all.
    let sub = app.sub_account("s").await;
    app.edit(
            "CREATE TABLE kept AS SELECT * FROM credentials WHERE kind = 'api_key' AND format = 'native'
               AND account_id <> root_id;
             DELETE FROM credentials WHERE id IN (SELECT id FROM kept);",
        );
    assert_eq!(app.code(&app.owner(), &sub.key).await, "NOT_FOUND");
    app.edit("INSERT INTO credentials SELECT * FROM kept");
    assert_eq!(app.code(&app.owner(), &sub.key).await, "NOT_FOUND");
    app.advance(1);
    assert_eq!(app.code(&app.owner(), &sub.key).await, "VALID");
}
