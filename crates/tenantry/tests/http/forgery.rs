//! Whoever can write the database still cannot make, alter or move a credential (case 100).

use crate::support::{Log, TestApp};
use serde_json::json;

/// Edits one row by SQL before the key was ever verified, then asks.
async fn verdict_after(sql: &str) -> (String, u16, String) {
    let app = TestApp::start().await;
    let log = Log::capture();
    let platform = app.platform().await;
    let sub = app.sub_account("victim").await;
    app.sub_account("other").await;
    app.edit(sql);
    let code = app.code(&platform, &sub.key).await;
    let status = app.bearer(&sub.key).get("/v1/whoami").await.status.as_u16();
    let text = log.text();
    assert!(!text.contains(&sub.key), "the log has the key");
    (code, status, text)
}

#[tokio::test]
async fn an_untouched_key_verifies() {
    let (code, status, log) = verdict_after("SELECT 1").await;
    assert_eq!((&*code, status), ("VALID", 200));
    assert!(!log.contains("row_integrity"));
}

#[tokio::test]
async fn case_100_an_altered_row_does_not_verify_and_raises_an_alarm() {
    let account = "name = 'victim'";
    let victim = "account_id = (SELECT id FROM accounts WHERE name = 'victim')";
    let other = "(SELECT id FROM accounts WHERE name = 'other')";
    for sql in [
        format!("UPDATE credentials SET status = 'disabled' WHERE {victim}"),
        format!("UPDATE credentials SET permissions = '[\"*:*\",\"tenantry.*:*\"]' WHERE {victim}"),
        format!("UPDATE credentials SET expires_at = 99999999999999999 WHERE {victim}"),
        format!("UPDATE credentials SET account_id = {other} WHERE {victim}"),
        format!("UPDATE credentials SET account_id = root_id WHERE {victim}"),
        format!("UPDATE credentials SET version = version + 1 WHERE {victim}"),
        format!("UPDATE credentials SET metadata = '{{\"plan\":\"pro\"}}' WHERE {victim}"),
        format!("UPDATE credentials SET allowed_ips = '[\"10.0.0.0/8\"]' WHERE {victim}"),
        format!("UPDATE credentials SET name = 'other' WHERE {victim}"),
        format!("UPDATE credentials SET row_mac = zeroblob(32) WHERE {victim}"),
        format!("UPDATE accounts SET status = 'closed' WHERE {account}"),
        format!("UPDATE accounts SET version = version + 1 WHERE {account}"),
        format!("UPDATE accounts SET concurrent_calls = 1000000 WHERE {account}"),
        "UPDATE accounts SET status = 'suspended' WHERE parent_id IS NULL".to_owned(),
        "UPDATE accounts SET entitlements = '' WHERE parent_id IS NULL".to_owned(),
        // A word, JSON or seal that no release writes is a refusal and no crash.
        format!("UPDATE credentials SET status = 'golden' WHERE {victim}"),
        format!("UPDATE credentials SET permissions = 'nonsense' WHERE {victim}"),
        format!("UPDATE accounts SET status = 'golden' WHERE {account}"),
    ] {
        let (code, status, log) = verdict_after(&sql).await;
        assert_eq!((&*code, status), ("NOT_FOUND", 401), "{sql}");
        assert!(log.contains("row_integrity"), "no alarm after {sql}");
    }
}

#[tokio::test]
async fn case_100_a_sub_account_moved_to_another_organization_does_not_verify() {
    let app = TestApp::start().await;
    let other = app.organization("Other").await;
    let sub = app.sub_account("s").await;
    let moved = app.edit(
        "UPDATE accounts SET parent_id = (SELECT id FROM accounts WHERE name = 'Other') WHERE name = 's'",
    );
    assert_eq!(moved, 1);
    for verifier in [app.platform().await, app.bearer(&other.key), app.owner()] {
        assert_eq!(app.code(&verifier, &sub.key).await, "NOT_FOUND");
    }
    assert_eq!(app.bearer(&sub.key).get("/v1/whoami").await.status, 401);
}

#[tokio::test]
async fn case_100_a_row_with_somebody_elses_tag_opens_nothing() {
    let app = TestApp::start().await;
    let platform = app.platform().await;
    let (weak, strong) = (app.sub_account("weak").await, app.organization.key.clone());
    // The master key's row gets the weak key's tag, and with it, so the attacker hopes, its holder.
    let moved = app.edit(
        "CREATE TABLE taken AS SELECT tag FROM credentials WHERE account_id <> root_id;
         DELETE FROM credentials WHERE tag = (SELECT tag FROM taken);
         UPDATE credentials SET tag = (SELECT tag FROM taken)
         WHERE kind = 'api_key' AND account_id = root_id",
    );
    assert_eq!(moved, 1);
    assert_eq!(app.code(&platform, &weak.key).await, "NOT_FOUND");
    assert_eq!(app.bearer(&weak.key).get("/v1/whoami").await.status, 401);
    assert_eq!(app.bearer(&strong).get("/v1/whoami").await.status, 401);
}

#[tokio::test]
async fn case_100_a_row_transplanted_under_another_id_or_account_opens_nothing() {
    let app = TestApp::start().await;
    let platform = app.platform().await;
    let (sub, _) = (app.sub_account("s").await, app.sub_account("t").await);
    // The whole row, seal included, first under a new id and then under another account.
    let victim = "account_id = (SELECT id FROM accounts WHERE name = 's')";
    for change in [
        format!("UPDATE credentials SET id = zeroblob(16) WHERE {victim}"),
        format!(
            "UPDATE credentials SET account_id = (SELECT id FROM accounts WHERE name = 't')
             WHERE {victim} OR id = zeroblob(16)"
        ),
    ] {
        app.edit(&change);
        assert_eq!(app.code(&platform, &sub.key).await, "NOT_FOUND", "{change}");
        assert_eq!(app.bearer(&sub.key).get("/v1/whoami").await.status, 401, "{change}");
        app.advance(2);
    }
    // The seal of one account's row beside the columns of another.
    let app = TestApp::start().await;
    let platform = app.platform().await;
    let (sub, _) = (app.sub_account("s").await, app.sub_account("t").await);
    let seal = "UPDATE accounts SET row_mac = (SELECT row_mac FROM accounts WHERE name = 't')
                WHERE name = 's'";
    app.edit(seal);
    assert_eq!(app.code(&platform, &sub.key).await, "NOT_FOUND");
}

#[tokio::test]
async fn an_account_row_that_is_damaged_after_its_key_was_cached_refuses_once_it_is_read_again() {
    for change in [
        "UPDATE accounts SET status = 'golden' WHERE name = 'Other'",
        "UPDATE accounts SET name = 'Other2' WHERE name = 'Other'",
        "DELETE FROM accounts WHERE name = 'Other'",
    ] {
        let app = TestApp::start().await;
        let platform = app.platform().await;
        let other = app.organization("Other").await;
        let sub = app.sub_account_of(&other, "s").await;
        assert_eq!(app.code(&app.bearer(&other.key), &sub.key).await, "VALID");
        // An outcome that is not known makes the node look the account up again.
        app.store.between.lose_next();
        let path = format!("/operator/organizations/{}/entitlement", other.uuid);
        let taken = json!({ "entitlement": "sub_accounts", "given": false });
        assert_eq!(app.operator().post(&path, taken).await.refusal().0, 503);
        app.edit(change);
        assert_eq!(app.code(&platform, &sub.key).await, "NOT_FOUND", "{change}");
        let own = app.bearer(&other.key).post("/v1/keys/verify", json!({ "key": sub.key })).await;
        assert_eq!(own.refusal().0, 401, "{change}");
    }
}

#[tokio::test]
async fn one_damaged_organization_does_not_hide_the_others() {
    let app = TestApp::start().await;
    app.organization("Other").await;
    let damage = "UPDATE accounts SET status = 'golden' WHERE name = 'Other'";
    app.edit(damage);
    let reply = app.operator().get("/operator/organizations").await;
    assert_eq!(reply.json["data"].as_array().map(Vec::len), Some(1), "{}", reply.text);
    assert!(app.plane.is_initialized().await.expect("a read"));
}

#[tokio::test]
async fn case_100_a_revocation_is_not_undone_by_sql() {
    let app = TestApp::start().await;
    let platform = app.platform().await;
    let sub = app.sub_account("s").await;
    // The revoked state is undone by putting another row's status and version in its place.
    app.owner().delete(&format!("/v1/keys/{}", sub.key_id)).await;
    let changed = app.edit(
        "UPDATE credentials SET status = 'active', revoked_at = NULL, version = 1 WHERE status = 'revoked'",
    );
    assert_eq!(changed, 1);
    assert_eq!(app.code(&platform, &sub.key).await, "NOT_FOUND");
}

#[tokio::test]
async fn a_forged_service_account_does_not_verify() {
    let app = TestApp::start().await;
    let (client_id, client_secret) = app.client().await;
    let sql = "UPDATE service_accounts SET permissions = '[\"*:*\"]'";
    assert_eq!(app.edit(sql), 1);
    let question = json!({ "client_id": client_id, "client_secret": client_secret });
    let reply = app.owner().post("/v1/keys/verify", question).await;
    assert_eq!(reply.json["code"], "NOT_FOUND");
}

#[tokio::test]
async fn the_store_holds_no_plaintext() {
    let app = TestApp::start().await;
    let sub = app.sub_account("s").await;
    let (_, client_secret) = app.client().await;
    for secret in [&app.organization.key, &sub.key, &client_secret] {
        assert!(!app.stores(secret));
    }
    assert!(app.stores("service-account-20250710143500"), "the search finds what is there");
}
