//! A client that hangs up leaves no change half made (changes run in a task of their own).

use crate::support::TestApp;
use futures_util::FutureExt as _;
use serde_json::json;

#[tokio::test]
async fn a_change_whose_client_hung_up_is_made_whole_and_waited_for() {
    let app = TestApp::start().await;
    let owner = app.owner();
    for n in 0..20 {
        let body = json!({ "name": format!("hung up {n}") });
        // The request is begun, and its future dropped at the first wait.
        let request = owner.post("/v1/accounts", body);
        assert!(request.now_or_never().is_none(), "the change waits for the disk");
    }
    app.drain().await;
    assert_eq!(app.count("SELECT count(*) FROM accounts WHERE name LIKE 'hung up %'"), 20);
    let keys = "SELECT count(*) FROM credentials JOIN accounts ON accounts.id = account_id
                WHERE accounts.name LIKE 'hung up %'";
    assert_eq!(app.count(keys), 20);
}

#[tokio::test]
async fn a_revocation_whose_client_hung_up_holds_once_it_is_made() {
    let app = TestApp::start().await;
    let sub = app.sub_account("s").await;
    assert_eq!(app.code(&app.owner(), &sub.key).await, "VALID");
    let path = format!("/v1/keys/{}", sub.key_id);
    let owner = app.owner();
    assert!(owner.delete(&path).now_or_never().is_none(), "the change waits for the disk");
    app.drain().await;
    assert_eq!(app.code(&app.owner(), &sub.key).await, "REVOKED");
}

#[tokio::test]
async fn uses_that_were_drawn_for_a_client_who_hung_up_are_there_for_the_next() {
    let app = TestApp::start().await;
    let path = format!("/v1/accounts/{}/keys", app.organization.account_id);
    let made = app.owner().post(&path, json!({ "limits": { "uses": { "limit": 15 } } })).await;
    let question = json!({ "key": made.text_at("/secret") });
    let caller = app.platform().await;
    let ask = async || caller.post("/v1/keys/verify", question.clone()).await;
    assert_eq!(ask().await.json["code"], "VALID");
    for _ in 0..10 {
        assert!(ask().now_or_never().is_none(), "one more use is drawn: a sixteenth, at least one");
    }
    for left in (0..14).rev() {
        let reply = ask().await;
        assert_eq!(reply.json["code"], "VALID", "{left} should be left: {}", reply.text);
    }
    assert_eq!(ask().await.json["code"], "USAGE_EXCEEDED");
}
