//! Access tokens on several nodes.

use crate::nodes::{BOUND, Machine, Nodes, assert_code, assert_refused};
use std::time::Duration;
use tenantry_core::service_accounts::Switch;
use tenantry_core::verify::Code::{Disabled, NotFound, Revoked, Valid};

const SECOND: Duration = Duration::from_secs(1);

/// A machine, its token, and every node knowing both.
async fn seen_everywhere(nodes: &Nodes) -> (Machine, String) {
    let machine = nodes.machine().await;
    let token = nodes.planes[0].token(&machine).await.expect("a token");
    for node in &nodes.planes {
        assert_code(&node.verify_text(&token).await, Valid);
    }
    (machine, token)
}

#[tokio::test]
async fn a_token_of_one_node_is_good_on_all_and_so_is_its_revocation() {
    let nodes = Nodes::start(3).await;
    let (machine, token) = seen_everywhere(&nodes).await;
    let other = nodes.planes[2].token(&machine).await.expect("a token");
    let [first, second, third] = &*nodes.planes else { panic!("three nodes") };
    second.revoke_token(&machine, &token).await;
    assert_code(&second.verify_text(&token).await, Revoked);
    assert_code(&first.verify_text(&token).await, Valid);
    first.catch_up().await;
    assert_code(&first.verify_text(&token).await, Revoked);
    // Who has not seen the token asks the store.
    second.revoke_token(&machine, &other).await;
    assert_code(&first.verify_text(&other).await, Revoked);
    third.catch_up().await;
    assert_code(&third.verify_text(&token).await, Revoked);
}

#[tokio::test]
async fn all_tokens_of_a_client_end_everywhere() {
    let nodes = Nodes::start(2).await;
    let (machine, token) = seen_everywhere(&nodes).await;
    let [first, second] = &*nodes.planes else { panic!("two nodes") };
    first.plane.revoke_client_tokens(&nodes.context(), machine.id).await.expect("revoked");
    assert_code(&first.verify_text(&token).await, Revoked);
    assert_code(&second.verify_text(&token).await, Valid);
    second.catch_up().await;
    assert_code(&second.verify_text(&token).await, Revoked);
    nodes.pass(SECOND);
    let next = second.token(&machine).await.expect("a token");
    assert_code(&first.verify_text(&next).await, Valid);
}

#[tokio::test]
async fn a_client_that_is_switched_off_gets_no_token_anywhere() {
    let nodes = Nodes::start(2).await;
    let (machine, token) = seen_everywhere(&nodes).await;
    let [first, second] = &*nodes.planes else { panic!("two nodes") };
    let context = nodes.context();
    first.plane.switch_service_account(&context, machine.id, Switch::Off).await.expect("off");
    assert!(first.token(&machine).await.is_err());
    assert_code(&first.verify_text(&token).await, Disabled);
    second.catch_up().await;
    assert!(second.token(&machine).await.is_err());
    assert_code(&second.verify_text(&token).await, Disabled);
    second.plane.delete_service_account(&context, machine.id).await.expect("deleted");
    first.catch_up().await;
    assert_code(&first.verify_text(&token).await, Revoked);
}

/// Seen failing without `require_fresh` in `find_token` and `find_client`.
#[tokio::test]
async fn a_node_that_cannot_read_the_log_refuses_tokens_once_the_bound_has_passed() {
    let nodes = Nodes::start(2).await;
    let (machine, token) = seen_everywhere(&nodes).await;
    let [first, second] = &*nodes.planes else { panic!("two nodes") };
    second.cut(true);
    first.revoke_token(&machine, &token).await;
    for _ in 0..4 {
        nodes.pass(SECOND);
        assert_code(&second.verify_text(&token).await, Valid);
    }
    nodes.pass(BOUND);
    assert_refused(&second.verify_text(&token).await);
    assert!(second.token(&machine).await.is_err());
    second.cut(false);
    second.catch_up().await;
    assert_code(&second.verify_text(&token).await, Revoked);
}

/// What was acknowledged is lost with the failover. Seen failing with tokens and clients that outlive
/// the cache of credentials.
#[tokio::test]
async fn after_a_failover_tokens_and_clients_are_as_the_store_has_them() {
    let nodes = Nodes::start(2).await;
    let (machine, token) = seen_everywhere(&nodes).await;
    let [first, second] = &*nodes.planes else { panic!("two nodes") };
    nodes.copy();
    let late = nodes.machine().await;
    let lost = first.token(&late).await.expect("a token");
    assert_code(&second.verify_text(&lost).await, Valid);
    first.revoke_token(&machine, &token).await;
    nodes.catch_up().await;
    assert_code(&second.verify_text(&token).await, Revoked);
    nodes.fail_over();
    nodes.catch_up().await;
    for node in &nodes.planes {
        assert_code(&node.verify_text(&lost).await, NotFound);
        assert_code(&node.verify_text(&token).await, Valid);
    }
}
