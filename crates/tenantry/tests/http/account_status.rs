//! Suspending, resuming and closing accounts.

use crate::support::{Settings, TestApp};
use serde_json::{Value, json};
use tenantry_core::plane::Policy;

const SUB_ACCOUNTS: usize = 10_000;

/// Seen failing with the changed account not entered into the cache, and with its change taking
/// the tree's credentials out of it.
#[tokio::test]
async fn suspending_an_account_of_ten_thousand_writes_a_handful_of_rows_and_resuming_refills_nothing()
 {
    let policy = Policy { cache_entries: 4 * SUB_ACCOUNTS, ..Policy::default() };
    let app = TestApp::start_with(Settings { policy, ..Settings::default() }).await;
    let organization = app.organization("Large").await;
    let owner = app.bearer(&organization.key);
    let mut keys = Vec::with_capacity(SUB_ACCOUNTS);
    for _ in 0..SUB_ACCOUNTS / 1000 {
        let accounts: Vec<Value> = (0..1000).map(|n| json!({ "name": format!("s{n}") })).collect();
        let reply = owner.post("/v1/accounts/bulk", json!({ "accounts": accounts })).await;
        let results = reply.json["results"].as_array().expect("a list");
        let key = |result: &Value| result["key"]["secret"].as_str().expect("a key").to_owned();
        keys.extend(results.iter().map(key));
    }
    assert_eq!(keys.len(), SUB_ACCOUNTS);
    let platform = app.platform().await;
    // How often the store is asked when all are verified.
    let all_are = async |code: &str| {
        let before = app.store.between.calls();
        for key in &keys {
            assert_eq!(app.code(&platform, key).await, code);
        }
        app.store.between.calls() - before
    };
    assert!(all_are("VALID").await > SUB_ACCOUNTS as u64, "each key once, and the platform's");
    let (before, look_ups) = (app.rows(), app.plane.credential_look_ups());

    let operator = app.operator().header("tenantry-organization", &organization.account_id);
    let path = format!("/v1/accounts/{}", organization.account_id);
    let reply = operator.post(&format!("{path}/suspend"), Value::Null).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    let after = app.rows();
    let written: Vec<&String> = after.difference(&before).collect();
    let of = |table: &str| written.iter().filter(|row| row.starts_with(table)).count();
    assert_eq!((of("accounts|"), of("change_log|"), of("change_head|")), (1, 1, 1), "{written:#?}");
    assert_eq!((of("audit_events|"), of("credentials|")), (1, 0), "{written:#?}");
    assert!(written.len() <= 6, "{written:#?}");
    assert_eq!(before.difference(&after).count(), 2, "the account's row and the head's");
    assert_eq!(all_are("ACCOUNT_SUSPENDED").await, 0);

    let reply = operator.post(&format!("{path}/resume"), Value::Null).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    assert_eq!(all_are("VALID").await, 0, "nothing is looked up again");
    assert_eq!(app.plane.credential_look_ups(), look_ups);
}

#[tokio::test]
async fn a_suspended_account_refuses_at_once_and_a_closed_one_for_good() {
    let app = TestApp::start().await;
    let (sub, sibling) = (app.sub_account("s").await, app.sub_account("t").await);
    let path = format!("/v1/accounts/{}", sub.id);
    let send = async |verb: &str| app.owner().post(&format!("{path}/{verb}"), Value::Null).await;
    for (verb, code, status) in [
        ("suspend", "ACCOUNT_SUSPENDED", "suspended"),
        ("suspend", "ACCOUNT_SUSPENDED", "suspended"),
        ("resume", "VALID", "active"),
        ("resume", "VALID", "active"),
        ("suspend", "ACCOUNT_SUSPENDED", "suspended"),
        ("close", "ACCOUNT_CLOSED", "closed"),
        ("close", "ACCOUNT_CLOSED", "closed"),
    ] {
        let reply = send(verb).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
        let members = reply.json.as_object().expect("an object");
        assert_eq!(members.len(), 2, "{}", reply.text);
        assert_eq!(reply.text_at("/effective_everywhere_by"), "2025-07-10T14:35:00.123456Z");
        assert!(reply.text_at("/revision").contains('-'));
        assert_eq!(app.code(&app.owner(), &sub.key).await, code, "after {verb}");
        let allowed = if code == "VALID" { 200 } else { 401 };
        assert_eq!(app.bearer(&sub.key).get("/v1/whoami").await.status, allowed);
        assert_eq!(app.owner().get(&path).await.text_at("/status"), status);
    }
    for verb in ["suspend", "resume"] {
        let reply = send(verb).await;
        assert_eq!((reply.refusal().0, &reply.json["code"]), (409, &json!("account_closed")));
    }
    let reply = app.owner().patch(&path, json!({ "name": "late" })).await;
    assert_eq!((reply.refusal().0, &reply.json["code"]), (409, &json!("account_closed")));
    // What was so already left no event.
    let events = "SELECT count(*) FROM audit_events WHERE action IN
        ('account.suspended', 'account.resumed', 'account.closed')";
    assert_eq!(app.count(events), 4);
    assert_eq!(app.code(&app.owner(), &sibling.key).await, "VALID");
}

#[tokio::test]
async fn nobody_changes_the_status_of_their_own_account() {
    let app = TestApp::start().await;
    let own = app.organization.account_id.clone();
    let able = app.key(&["tenantry.accounts:write", "tenantry.accounts:read"]).await;
    let able_id = able.get("/v1/whoami").await.text_at("/account/id").to_owned();
    let unable = app.sub_account("unable").await;
    let events = app.count("SELECT count(*) FROM audit_events");
    for verb in ["suspend", "resume", "close"] {
        let send = async |caller: &crate::support::Client<'_>, id: &str| {
            let reply = caller.post(&format!("/v1/accounts/{id}/{verb}"), Value::Null).await;
            (reply.refusal().0, reply.json["code"].as_str().unwrap_or_default().to_owned())
        };
        let refused = |status: u16, code: &str| (status, code.to_owned());
        assert_eq!(send(&app.owner(), &own).await, refused(403, "own_account"), "{verb}");
        assert_eq!(send(&able, &able_id).await, refused(403, "own_account"), "{verb}");
        let limited = app.bearer(&unable.key);
        let expected = refused(403, "insufficient_permissions");
        assert_eq!(send(&limited, &unable.id).await, expected, "{verb}");
        // Neither a sibling nor what is above is there.
        for other in [&unable.id, &own] {
            assert_eq!(send(&able, other).await, refused(404, "not_found"), "{verb}");
        }
        let nameless = send(&app.operator(), &own).await;
        assert_eq!(nameless, refused(403, "no_organization"), "{verb}");
    }
    assert_eq!(app.count("SELECT count(*) FROM audit_events"), events);
}

#[tokio::test]
async fn an_organization_that_the_operator_closed_takes_its_tree_with_it_for_good() {
    let app = TestApp::start().await;
    let platform = app.platform().await;
    let organization = app.organization("Other").await;
    let sub = app.sub_account_of(&organization, "s").await;
    let operator = app.operator().header("tenantry-organization", &organization.account_id);
    let path = format!("/v1/accounts/{}", organization.account_id);
    assert_eq!(operator.post(&format!("{path}/close"), Value::Null).await.status, 200);
    for key in [&sub.key, &organization.key] {
        assert_eq!(app.code(&platform, key).await, "ACCOUNT_CLOSED");
        assert_eq!(app.bearer(key).get("/v1/whoami").await.status, 401);
    }
    let suspended = format!("/operator/organizations/{}/suspended", organization.uuid);
    let reply = app.operator().post(&suspended, json!({ "suspended": false })).await;
    assert_eq!((reply.refusal().0, &reply.json["code"]), (409, &json!("account_closed")));
    let reply = operator.post("/v1/accounts", json!({ "name": "x" })).await;
    assert_eq!((reply.refusal().0, &reply.json["code"]), (409, &json!("organization_not_active")));
}

#[tokio::test]
async fn the_operators_own_path_reaches_organizations_alone() {
    let app = TestApp::start().await;
    let sub = app.sub_account("s").await;
    let path = format!("/operator/organizations/{}/suspended", sub.uuid);
    let operator = app.operator().header("tenantry-organization", &app.organization.account_id);
    for operator in [app.operator(), operator] {
        let reply = operator.post(&path, json!({ "suspended": true })).await;
        assert_eq!(reply.refusal().0, 404, "{}", reply.text);
    }
    assert_eq!(app.code(&app.owner(), &sub.key).await, "VALID");
}

#[tokio::test]
async fn a_change_of_status_whose_reply_was_lost_holds_and_is_told_again() {
    let app = TestApp::start().await;
    let sub = app.sub_account("s").await;
    for (verb, code) in
        [("suspend", "ACCOUNT_SUSPENDED"), ("resume", "VALID"), ("close", "ACCOUNT_CLOSED")]
    {
        app.code(&app.owner(), &sub.key).await;
        let path = format!("/v1/accounts/{}/{verb}", sub.id);
        app.store.between.lose_next();
        assert_eq!(app.owner().post(&path, Value::Null).await.refusal().0, 503);
        assert_eq!(app.code(&app.owner(), &sub.key).await, code);
        let again = app.owner().post(&path, Value::Null).await;
        assert_eq!(again.status, 200, "{}", again.text);
        assert_eq!(app.code(&app.owner(), &sub.key).await, code);
    }
    assert_eq!(app.count("SELECT version FROM accounts WHERE parent_id IS NOT NULL"), 4);
}

#[tokio::test]
async fn waiting_is_asked_for_by_a_word_that_is_read_strictly() {
    let app = TestApp::start().await;
    let sub = app.sub_account("s").await;
    for verb in ["suspend", "resume", "close"] {
        let path = format!("/v1/accounts/{}/{verb}", sub.id);
        for query in ["?wait=yes", "?wait=true&wait=true", "?now=1"] {
            let reply = app.owner().post(&format!("{path}{query}"), Value::Null).await;
            assert_eq!(reply.refusal().0, 400, "{query}");
        }
        assert_eq!(app.owner().post(&format!("{path}?wait=true"), Value::Null).await.status, 200);
    }
}
