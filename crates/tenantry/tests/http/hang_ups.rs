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
