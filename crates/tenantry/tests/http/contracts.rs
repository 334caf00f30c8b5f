//! The three create calls beyond their examples: what the rulings settle.

use crate::support::{Settings, TestApp};
use axum::http::Method;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tenantry_backends::tenant::dial::DialSettings;
use tenantry_backends::tenant::servers::TenantServers;

const SUB_ACCOUNTS: &str = "/sub-accounts/create";
const ACCOUNTS: &str = "/api/v1/accounts";
const SERVICE_ACCOUNTS: &str = "/api/v1/admin/service-account/create";

#[tokio::test]
async fn fields_of_a_sub_account_stand_in_the_contracts_order() {
    let app = TestApp::start().await;
    let reply = app.owner().post(SUB_ACCOUNTS, json!({ "name": "alpha-007" })).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    let mut at = 0;
    for field in [
        "id",
        "name",
        "user_id",
        "organization_id",
        "api_key",
        "multi_tenant",
        "db_host",
        "db_name",
        "db_port",
        "db_user",
        "db_password",
        "allow_concurrent_calls",
        "created_at",
        "updated_at",
    ] {
        let found = reply.text.find(&format!("\"{field}\":")).unwrap_or_else(|| panic!("{field}"));
        assert!(found > at || at == 0, "{field} in {}", reply.text);
        at = found;
    }
    assert_eq!(reply.json.as_object().map(serde_json::Map::len), Some(14));
    assert_eq!(reply.json["created_at"], "2025-07-10T14:35:00Z");
    assert_eq!(reply.json["organization_id"], app.organization.uuid);
    assert_eq!(reply.json["user_id"], app.organization.member_id);
    assert_eq!(reply.json["allow_concurrent_calls"], 10);
    assert_eq!(reply.header("cache-control"), "no-store");
}

#[tokio::test]
async fn an_account_made_in_one_dialect_is_the_same_account_in_the_native_api() {
    let app = TestApp::start().await;
    let made = app.owner().post(SUB_ACCOUNTS, json!({ "name": "one" })).await;
    let by_uuid = app.owner().get(&format!("/v1/accounts/{}", made.text_at("/id"))).await;
    assert_eq!(by_uuid.status, 200, "{}", by_uuid.text);
    assert_eq!(by_uuid.json["name"], "one");
    assert_eq!(by_uuid.json["parent_id"], app.organization.account_id);
    let by_id = app.owner().get(&format!("/v1/accounts/{}", by_uuid.text_at("/id"))).await;
    assert_eq!(by_id.json, by_uuid.json);

    let body = json!({ "data": { "type": "accounts", "attributes": { "name": "two", "vat": "NL1", "city": null } } });
    let made = app.owner().post(ACCOUNTS, body).await;
    assert_eq!(made.status, 201, "{}", made.text);
    assert_eq!(made.json["data"]["attributes"], json!({ "name": "two", "vat": "NL1" }));
    let found = app.owner().get(&format!("/v1/accounts/{}", made.text_at("/data/id"))).await;
    assert_eq!(found.json["profile"], json!({ "vat": "NL1" }));
    let own = app.bearer(made.text_at("/included/0/attributes/secret")).get("/v1/whoami").await;
    assert_eq!(own.json["account"]["id"], made.json["data"]["id"]);
}

#[tokio::test]
async fn case_38_a_sub_accounts_key_makes_no_accounts_in_any_dialect() {
    let app = TestApp::start().await;
    let key = app.sub_account("a").await.key;
    let sub = app.bearer(&key);
    let reply = sub.post(SUB_ACCOUNTS, json!({ "name": "x" })).await;
    let message = "Sub-accounts cannot create sub-accounts";
    assert_eq!(reply.refusal(), (403, &json!({ "error": 403, "message": message })));
    let body = json!({ "data": { "type": "accounts", "attributes": { "name": "x" } } });
    let reply = sub.post(ACCOUNTS, body).await;
    assert_eq!(reply.refusal().0, 403);
    assert_eq!(reply.json["errors"][0]["code"], "subaccounts_cannot_nest");
    let reply = sub.post("/v1/accounts", json!({ "name": "x" })).await;
    assert_eq!((reply.refusal().0, &reply.json["code"]), (403, &json!("subaccounts_cannot_nest")));
    let reply =
        sub.header("x-tenantid", &app.organization.uuid).post_bytes(SERVICE_ACCOUNTS, "").await;
    assert_eq!((reply.refusal().0, &reply.json["error"]), (401, &json!("UNAUTHORIZED")));
    assert_eq!(app.count("SELECT count(*) FROM accounts WHERE name = 'x'"), 0);
}

#[tokio::test]
async fn without_the_entitlement_the_sub_accounts_dialect_is_403_and_the_others_go_on() {
    let app = TestApp::start().await;
    let entitle = async |given: bool| {
        let path = format!("/operator/organizations/{}/entitlement", app.organization.uuid);
        let body = json!({ "entitlement": "sub_accounts", "given": given });
        assert_eq!(app.operator().post(&path, body).await.status, 200);
    };
    entitle(false).await;
    let reply = app.owner().post(SUB_ACCOUNTS, json!({ "name": "x" })).await;
    let message = "Sub-accounts are not enabled for this organization";
    assert_eq!(reply.refusal(), (403, &json!({ "error": 403, "message": message })));
    assert_eq!(app.owner().post("/v1/accounts", json!({ "name": "y" })).await.status, 201);
    entitle(true).await;
    assert_eq!(app.owner().post(SUB_ACCOUNTS, json!({ "name": "x" })).await.status, 200);
}

#[tokio::test]
async fn database_fields_without_multi_tenant_are_neither_checked_nor_stored() {
    let app = TestApp::start().await;
    for multi_tenant in [json!(false), Value::Null] {
        let body = json!({
            "name": "alpha", "multi_tenant": multi_tenant, "db_host": "169.254.169.254", "db_name": 7,
            "db_port": "nonsense", "db_user": ["x"], "db_password": "canary-password-1",
        });
        let reply = app.owner().post(SUB_ACCOUNTS, body).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
        for field in ["db_host", "db_name", "db_port", "db_user", "db_password"] {
            assert_eq!(reply.json[field], Value::Null);
        }
    }
    assert!(!app.stores("canary-password-1"));
    assert!(!app.stores("169.254.169.254"));
}

#[tokio::test]
async fn a_database_of_its_own_is_checked_then_dialled_and_nothing_is_stored() {
    let mut settings = Settings::default();
    settings.policy.databases.dial_budget = Duration::from_millis(50);
    let servers = TenantServers::new(DialSettings::default()).expect("servers");
    settings.database_servers = Some(Arc::new(servers));
    let app = TestApp::start_with(settings).await;
    let database = |field: &str, value: Value| {
        let mut body = json!({
            "name": "alpha-007", "multi_tenant": true, "db_host": "db.invalid",
            "db_name": "alpha-007_db", "db_port": "5432", "db_user": "alpha-007_user",
            "db_password": "canary-password-2",
        });
        body[field] = value;
        body
    };
    let rows = app.count("SELECT count(*) FROM accounts");
    for port in [json!("5432"), json!(5432), Value::Null] {
        let reply = app.owner().post(SUB_ACCOUNTS, database("db_port", port)).await;
        let (status, body) = reply.refusal();
        let message = "The database cannot be reached, or does not take db_user and db_password";
        assert_eq!((status, body), (400, &json!({ "error": 400, "message": message })));
    }
    for (field, value) in [
        ("db_host", Value::Null),
        ("db_host", json!("127.1")),
        ("db_host", json!("a,b")),
        ("db_host", json!(7)),
        ("db_name", json!("postgres")),
        ("db_name", json!("x\"; DROP")),
        ("db_user", json!("x options=-c")),
        ("db_password", json!("a\0b")),
        ("db_password", json!("")),
        ("db_port", json!(0)),
        ("db_port", json!(65536)),
        ("db_port", json!(-1)),
        ("db_port", json!("+5432")),
        ("db_port", json!("05432")),
        ("db_port", json!(" 5432")),
        ("db_port", json!("5432abc")),
        ("db_port", json!(5432.0)),
        ("db_port", json!("５４３２")),
        ("db_port", json!("1e3")),
        ("db_port", json!(true)),
    ] {
        let reply = app.owner().post(SUB_ACCOUNTS, database(field, value.clone())).await;
        let (status, body) = reply.refusal();
        assert_eq!((status, &body["error"]), (400, &json!(400)), "{field} {value}");
        let message = body["message"].as_str().unwrap_or_default();
        assert!(message.starts_with(&format!("{field} ")) && !message.contains(';'), "{message}");
    }
    assert_eq!(app.count("SELECT count(*) FROM accounts"), rows);
    assert!(!app.stores("canary-password-2"));
    // An unknown exponent form of a number is not an integer either.
    let body = r#"{"name":"a","multi_tenant":true,"db_host":"h","db_name":"d","db_user":"u","db_password":"p","db_port":1e3}"#;
    assert_eq!(app.owner().post_bytes(SUB_ACCOUNTS, body).await.refusal().0, 400);
}

#[tokio::test]
async fn the_accounts_contract_has_no_other_endpoints() {
    let app = TestApp::start().await;
    for method in [Method::GET, Method::PATCH, Method::DELETE] {
        for path in [ACCOUNTS, "/api/v1/accounts/acc_G5aNFLDZd6es1brCrj7QFi"] {
            let reply = app.owner().send(method.clone(), path, Vec::new()).await;
            assert_eq!(reply.refusal().0, 405, "{method} {path}");
            assert_eq!(reply.header("allow"), "POST", "{method} {path}");
            assert_eq!(reply.json["errors"][0]["status"], "405");
        }
    }
}
