//! Nobody grants what they lack: case 42.

use crate::support::TestApp;
use serde_json::json;
use std::sync::Arc;
use tenantry_core::accounts::{AccountLimits, FirstKey, NewAccount, NewPlacement, Profile};
use tenantry_core::actor::{Actor, Context, KeyActor, Scope};
use tenantry_core::error::{Denial, Error};
use tenantry_core::ids::{AccountId, CredentialId};
use tenantry_core::permissions::{Grants, PermissionSet};
use tenantry_core::replay::Once;
use tenantry_core::secrets::KeyFormat;
use tenantry_core::text::{Metadata, Name};

#[tokio::test]
async fn case_42_a_first_key_gets_no_more_than_its_maker_has() {
    let app = TestApp::start().await;
    let create = async |permissions: serde_json::Value| {
        let body = json!({ "name": "grant", "key": { "permissions": permissions } });
        app.owner().post("/v1/accounts", body).await
    };
    for known in
        [json!([]), json!(["*:*"]), json!(["tenantry.*:*", "api:read"]), json!(["admin:*"])]
    {
        assert_eq!(create(known.clone()).await.status, 201, "{known}");
    }
    let many: Vec<String> = (0..65).map(|i| format!("r{i}:read")).collect();
    for unknown in [
        json!(["Admin:read"]),
        json!(["admin"]),
        json!([""]),
        json!(["tenantry.nothing:read"]),
        json!(["tenantry.keys:fly"]),
        json!(["a:b:c"]),
        json!(many),
    ] {
        let reply = create(unknown.clone()).await;
        assert_eq!(reply.refusal().0, 422, "{unknown}");
        assert_eq!(reply.json["errors"][0]["pointer"], "/key/permissions", "{unknown}");
    }
    assert_eq!(app.count("SELECT count(*) FROM accounts WHERE name = 'grant'"), 4);
}

#[tokio::test]
async fn case_42_the_default_grant_is_a_grant_too() {
    let app = TestApp::start().await;
    // A platform key acts in no organization; a sub-account's key makes no accounts at all. What
    // remains is the operator, who lacks nothing, and the master key, which has everything.
    let organization = app.organization.account_id.clone();
    let operator = app.operator().header("tenantry-organization", &organization);
    let body =
        json!({ "name": "by the operator", "key": { "permissions": ["*:*", "tenantry.*:*"] } });
    let reply = operator.post("/v1/accounts", body).await;
    assert_eq!(reply.status, 201, "{}", reply.text);
    assert_eq!(reply.json["account"]["parent_id"], organization);
    let reply = app.operator().post("/v1/accounts", json!({ "name": "x" })).await;
    assert_eq!((reply.refusal().0, &reply.json["code"]), (403, &json!("no_organization")));
}

#[tokio::test]
async fn case_42_whoever_lacks_a_permission_cannot_grant_it() {
    let app = TestApp::start().await;
    let root = AccountId::parse_native(&app.organization.account_id).expect("an id");
    let own = PermissionSet::parse(["tenantry.accounts:write", "api:read", "reports:*"]);
    let actor = KeyActor {
        limited: false,
        id: CredentialId::from_bytes([1; 16]),
        lineage: CredentialId::from_bytes([1; 16]),
        name: None,
        member: None,
        scope: Scope::Account { account: root, root },
        grants: Arc::new(Grants::new(own.expect("permissions"))),
        expires_at: None,
        organization: None,
    };
    let context = Context { actor: Actor::Key(actor), request_id: "test".into(), address: None };
    let create = async |permissions: &[&str]| {
        let permissions = PermissionSet::parse(permissions.iter().copied()).expect("permissions");
        let new = NewAccount {
            name: Name::parse("granted").expect("a name"),
            profile: Profile::default(),
            metadata: Metadata::empty(),
            limits: AccountLimits::default(),
            placement: NewPlacement::Shared,
            key: FirstKey { permissions, ..FirstKey::usual(KeyFormat::Native) },
            entitlement: None,
        };
        app.plane.create_account(&context, new, Once::unkept()).await
    };
    for permissions in [&["api:read"][..], &["reports:read", "reports:write"], &[]] {
        assert!(create(permissions).await.is_ok(), "{permissions:?}");
    }
    for permissions in [
        &["*:*"][..],
        &["api:write"],
        &["api:*"],
        &["*:read"],
        &["api:read", "other:read"],
        &["tenantry.keys:verify"],
        &["tenantry.*:*"],
    ] {
        let refused =
            matches!(create(permissions).await, Err(Error::Forbidden(Denial::GrantExceedsOwn)));
        assert!(refused, "{permissions:?}");
    }
    assert_eq!(app.count("SELECT count(*) FROM accounts WHERE name = 'granted'"), 3);
}

#[tokio::test]
async fn nothing_is_made_under_an_organization_that_is_not_active() {
    let app = TestApp::start().await;
    let organization = app.organization.account_id.clone();
    let path = format!("/operator/organizations/{organization}/suspended");
    assert_eq!(app.operator().post(&path, json!({ "suspended": true })).await.status, 200);
    let operator = app.operator().header("tenantry-organization", &organization);
    let reply = operator.post("/v1/accounts", json!({ "name": "x" })).await;
    assert_eq!((reply.refusal().0, &reply.json["code"]), (409, &json!("organization_not_active")));
    assert_eq!(app.count("SELECT count(*) FROM accounts WHERE name = 'x'"), 0);
}

#[tokio::test]
async fn a_key_that_ends_in_the_past_is_not_made() {
    let app = TestApp::start().await;
    for (text, pointer) in [
        ("2025-07-10T14:35:00Z", "/key/expires_at"),
        ("tomorrow", "/key/expires_at"),
        ("2025-07-10", "/key/expires_at"),
    ] {
        let body = json!({ "name": "x", "key": { "expires_at": text } });
        let reply = app.owner().post("/v1/accounts", body).await;
        assert_eq!(reply.refusal().0, 422, "{text}");
        assert_eq!(reply.json["errors"][0]["pointer"], pointer, "{text}");
    }
    assert_eq!(app.count("SELECT count(*) FROM accounts WHERE name = 'x'"), 0);
}
