//! A credential of each dialect verifies, for those who may ask, and its account is one account.

use crate::support::forms::{account_id, key_id, uuid};
use crate::support::{Site, Tree};
use crate::{accounts, service_accounts, sub_accounts};

/// What an asker of another tree is told, whatever it asks about.
const UNKNOWN: &str = r#"{"valid":false,"code":"NOT_FOUND","kind":null,"key_id":null,
    "account_id":null,"account_uuid":null,"parent_id":null,"name":null,"permissions":[],
    "expires_at":null,"metadata":null}"#;

fn assert_valid(verdict: &Tree, kind: &str, permissions: &[&str]) {
    assert_eq!(verdict.at("valid"), &Tree::Bool(true), "{verdict:?}");
    assert_eq!(verdict.text("code"), "VALID");
    assert_eq!(verdict.text("kind"), kind);
    let permissions = permissions.iter().map(|text| Tree::Text((*text).to_owned())).collect();
    assert_eq!(verdict.at("permissions"), &Tree::Array(permissions));
    assert!(account_id(verdict.text("account_id")), "{verdict:?}");
    assert!(uuid(verdict.text("account_uuid")), "{verdict:?}");
}

#[test]
fn a_key_of_the_sub_accounts_contract_verifies_with_its_account_and_parent() {
    let Some(site) = Site::start(&[]) else { return };
    let created = sub_accounts::create(&site);
    let key = created.text("api_key");
    for asker in [site.master_key(), &site.platform_key()] {
        let verdict = site.verify(asker, key);
        assert_valid(&verdict, "api_key", &["*:*"]);
        assert!(key_id(verdict.text("key_id")), "{verdict:?}");
        assert_eq!(verdict.text("account_uuid"), created.text("id"));
        assert_eq!(verdict.text("parent_id"), site.root_account());
    }
    assert_eq!(site.verify(&site.strangers_key(), key), Tree::parse(UNKNOWN));
}

#[test]
fn a_key_of_the_accounts_contract_verifies_with_its_account_and_parent() {
    let Some(site) = Site::start(&[]) else { return };
    let created = accounts::create(&site);
    let key = created.text("included.0.attributes.secret");
    for asker in [site.master_key(), &site.platform_key()] {
        let verdict = site.verify(asker, key);
        assert_valid(&verdict, "api_key", &["*:*"]);
        assert_eq!(verdict.text("key_id"), created.text("included.0.id"));
        assert_eq!(verdict.text("account_id"), created.text("data.id"));
        assert_eq!(verdict.text("parent_id"), site.root_account());
    }
    assert_eq!(site.verify(&site.strangers_key(), key), Tree::parse(UNKNOWN));
}

#[test]
fn a_client_secret_of_the_service_accounts_contract_verifies_with_its_tenant() {
    let Some(site) = Site::start(&[]) else { return };
    let created = service_accounts::create(&site);
    let (id, secret) = (created.text("data.clientId"), created.text("data.clientSecret"));
    for asker in [site.master_key(), &site.platform_key()] {
        let verdict = site.verify_client(asker, id, secret);
        assert_valid(&verdict, "client_secret", &["api:read", "api:write"]);
        assert_eq!(verdict.text("account_uuid"), site.tenant());
        assert_eq!(verdict.text("account_id"), site.root_account());
        assert_eq!(verdict.at("parent_id"), &Tree::Null);
        assert_eq!(verdict.text("name"), created.text("data.name"));
    }
    let stranger = site.strangers_key();
    assert_eq!(site.verify_client(&stranger, id, secret), Tree::parse(UNKNOWN));
    let other = service_accounts::create(&site);
    let verdict = site.verify_client(site.master_key(), other.text("data.clientId"), secret);
    assert_eq!(verdict, Tree::parse(UNKNOWN), "a secret opens its own client id alone");
}

#[test]
fn a_permission_that_a_service_account_lacks_is_a_refusal_by_name() {
    let Some(site) = Site::start(&[]) else { return };
    let created = service_accounts::create(&site);
    for (permission, code) in [
        ("api:write", "VALID"),
        ("api:delete", "INSUFFICIENT_PERMISSIONS"),
        ("tenantry.keys:verify", "INSUFFICIENT_PERMISSIONS"),
    ] {
        let question = format!(
            r#"{{"client_id":"{}","client_secret":"{}","permissions":["{permission}"]}}"#,
            created.text("data.clientId"),
            created.text("data.clientSecret"),
        );
        let reply = site.native("POST", "/v1/keys/verify", site.master_key(), &question);
        assert_eq!(reply.expect(200, "application/json").text("code"), code, "{permission}");
    }
}

#[test]
fn an_account_of_each_dialect_is_the_same_account_in_the_native_api() {
    let Some(site) = Site::start(&[]) else { return };
    let (plain, json_api) = (sub_accounts::create(&site), accounts::create(&site));
    let find = |id: &str| {
        let reply = site.native("GET", &format!("/v1/accounts/{id}"), site.master_key(), "");
        reply.expect(200, "application/json")
    };
    for (account, name) in [
        (find(plain.text("id")), plain.text("name")),
        (find(json_api.text("data.id")), json_api.text("data.attributes.name")),
    ] {
        assert_eq!(account.text("name"), name);
        assert_eq!(account.text("parent_id"), site.root_account());
        assert_eq!(account.text("status"), "active");
        assert_eq!(find(account.text("id")), account);
        assert_eq!(find(account.text("account_uuid")), account);
    }
    assert_eq!(find(plain.text("id")).text("account_uuid"), plain.text("id"));
    assert_eq!(find(json_api.text("data.id")).text("id"), json_api.text("data.id"));
}

#[test]
fn a_strangers_account_and_one_that_does_not_exist_are_the_same_answer() {
    let Some(site) = Site::start(&[]) else { return };
    let stranger = site.strangers_key();
    let created = accounts::create(&site);
    let find = |id: &str| {
        let reply = site.native("GET", &format!("/v1/accounts/{id}"), &stranger, "");
        reply.expect(404, "application/problem+json");
        reply.body
    };
    let unknown = find("acc_G5aNFLDZd6es1brCrj7QFi");
    assert_eq!(find(created.text("data.id")), unknown);
    assert_eq!(find(site.root_account()), unknown);
}
