//! What a node answers while others make changes.

use crate::nodes::{BOUND, Nodes, assert_code, assert_refused};
use std::time::Duration;
use tenantry_core::cluster::Followed;
use tenantry_core::limits;
use tenantry_core::verify::Code::{AccountSuspended, Revoked, Valid};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test]
async fn a_revocation_reaches_the_others_by_the_log_alone() {
    let nodes = Nodes::start(3).await;
    let (key, other) = (nodes.key().await, nodes.key().await);
    for node in &nodes.planes {
        assert_code(&node.verify(&key).await, Valid);
        assert_code(&node.verify(&other).await, Valid);
    }
    let [first, second, third] = &*nodes.planes else { panic!("three nodes") };
    first.plane.revoke_key(&nodes.context(), key.id).await.expect("revoked");
    assert_code(&first.verify(&key).await, Revoked);
    assert_code(&second.verify(&key).await, Valid);
    assert_eq!(second.follow().await, Followed::More);
    assert_code(&second.verify(&key).await, Revoked);
    assert_code(&third.verify(&key).await, Valid);
    third.catch_up().await;
    assert_code(&third.verify(&key).await, Revoked);
    // What did not change stays in the cache.
    let look_ups = third.plane.credential_look_ups();
    assert_code(&third.verify(&other).await, Valid);
    assert_eq!(third.plane.credential_look_ups(), look_ups);
}

#[tokio::test]
async fn an_account_is_suspended_and_goes_on_everywhere() {
    let nodes = Nodes::start(2).await;
    let key = nodes.key().await;
    let [first, second] = &*nodes.planes else { panic!("two nodes") };
    for node in &nodes.planes {
        assert_code(&node.verify(&key).await, Valid);
    }
    let (context, id) = (nodes.context(), nodes.organization);
    first.plane.suspend_account(&context, id).await.expect("suspended");
    second.catch_up().await;
    assert_code(&second.verify(&key).await, AccountSuspended);
    second.plane.resume_account(&context, id).await.expect("resumed");
    assert_code(&second.verify(&key).await, Valid);
    assert_code(&first.verify(&key).await, AccountSuspended);
    first.catch_up().await;
    assert_code(&first.verify(&key).await, Valid);
    assert_eq!(first.plane.caches_dropped() + second.plane.caches_dropped(), 0);
}

/// Seen failing without `require_fresh` in `find_known`.
#[tokio::test]
async fn a_node_that_cannot_read_the_log_refuses_once_the_bound_has_passed() {
    let nodes = Nodes::start(2).await;
    let key = nodes.key().await;
    let [first, second] = &*nodes.planes else { panic!("two nodes") };
    assert_code(&second.verify(&key).await, Valid);
    second.cut(true);
    first.plane.revoke_key(&nodes.context(), key.id).await.expect("revoked");
    for _ in 0..4 {
        nodes.pass(SECOND);
        assert!(second.plane.follow_changes().await.is_err());
        assert_code(&second.verify(&key).await, Valid);
        second.plane.check_ready().await.expect("ready");
    }
    nodes.pass(SECOND);
    assert_refused(&second.verify(&key).await);
    assert!(second.plane.check_ready().await.is_err());
    let bearer = second.plane.authenticate_verifier("tnt_", None).await;
    assert!(bearer.is_err());
    second.cut(false);
    assert_refused(&second.verify(&key).await);
    second.catch_up().await;
    assert_code(&second.verify(&key).await, Revoked);
    second.plane.check_ready().await.expect("ready");
}

#[tokio::test]
async fn a_node_that_was_stopped_refuses_before_it_has_read_the_log() {
    let nodes = Nodes::start(2).await;
    let (key, other) = (nodes.key().await, nodes.key().await);
    let [first, second] = &*nodes.planes else { panic!("two nodes") };
    assert_code(&second.verify(&key).await, Valid);
    assert_code(&second.verify(&other).await, Valid);
    first.plane.revoke_key(&nodes.context(), key.id).await.expect("revoked");
    nodes.pass(SECOND * 30);
    assert_refused(&second.verify(&key).await);
    second.catch_up().await;
    assert_code(&second.verify(&key).await, Revoked);
    let look_ups = second.plane.credential_look_ups();
    assert_code(&second.verify(&other).await, Valid);
    assert_eq!(second.plane.credential_look_ups(), look_ups, "its cache was as good as before");
}

/// An answer counts from when it was asked for. Seen failing with the lease counted from when it
/// came.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_answer_makes_a_node_fresh_for_less() {
    let nodes = Nodes::start(2).await;
    let key = nodes.key().await;
    let [first, second] = &*nodes.planes else { panic!("two nodes") };
    assert_code(&second.verify(&key).await, Valid);
    let late = second.hold();
    let plane = second.plane.clone();
    let following = tokio::spawn(async move { plane.follow_changes().await });
    late.wait();
    first.plane.revoke_key(&nodes.context(), key.id).await.expect("revoked");
    nodes.pass(SECOND * 3);
    late.release();
    following.await.expect("no panic").expect("the log");
    assert_code(&second.verify(&key).await, Valid);
    nodes.pass(SECOND * 2);
    assert_refused(&second.verify(&key).await);
}

/// Seen failing with `History::accepts` without the floor.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_that_were_read_before_a_change_do_not_enter_after_it() {
    // The change is another node's, whose log row overtakes the rows; or the node's own. It is of
    // the key, or of the account that the rows are also of.
    for (own, of_the_key) in [(false, false), (false, true), (true, false), (true, true)] {
        let nodes = Nodes::start(2).await;
        let key = nodes.key().await;
        let [first, second] = &*nodes.planes else { panic!("two nodes") };
        let late = second.hold();
        let verifying = second.begin_verify(&key);
        late.wait();
        let plane = if own { &second.plane } else { &first.plane };
        let context = nodes.context();
        if of_the_key {
            plane.revoke_key(&context, key.id).await.expect("revoked");
        } else {
            plane.suspend_account(&context, nodes.organization).await.expect("suspended");
        }
        if !own {
            second.follow().await;
        }
        late.release();
        // It began before the change.
        assert_code(&verifying.await.expect("no panic"), Valid);
        let expected = if of_the_key { Revoked } else { AccountSuspended };
        assert_code(&second.verify(&key).await, expected);
    }
}

#[tokio::test]
async fn a_node_that_pruning_has_passed_starts_over() {
    let nodes = Nodes::start(2).await;
    let keys = [nodes.key().await, nodes.key().await, nodes.key().await];
    let [first, second] = &*nodes.planes else { panic!("two nodes") };
    // A shard has a first row before it has one that a node remembers.
    first.plane.disable_key(&nodes.context(), keys[2].id).await.expect("disabled");
    second.catch_up().await;
    for key in &keys[..2] {
        assert_code(&second.verify(key).await, Valid);
        first.plane.revoke_key(&nodes.context(), key.id).await.expect("revoked");
    }
    nodes.pass(SECOND * 3601);
    while first.plane.sweep_cluster().await.expect("swept") > 0 {}
    second.catch_up().await;
    assert_eq!((second.plane.caches_dropped(), second.plane.cached_credentials()), (1, 0));
    for key in &keys[..2] {
        assert_code(&second.verify(key).await, Revoked);
    }
    // From the last row on it goes on as before.
    first.plane.enable_key(&nodes.context(), keys[2].id).await.expect("enabled");
    second.catch_up().await;
    assert_code(&second.verify(&keys[2]).await, Valid);
    assert_eq!(second.plane.caches_dropped(), 1);
}

#[tokio::test]
async fn a_row_that_cannot_be_told_drops_the_cache_and_not_the_node() {
    for change in ["kind = 'haunted'", "kind = 'history'", "subject = x'00'"] {
        let nodes = Nodes::start(2).await;
        let key = nodes.key().await;
        let [first, second] = &*nodes.planes else { panic!("two nodes") };
        assert_code(&second.verify(&key).await, Valid);
        first.plane.revoke_key(&nodes.context(), key.id).await.expect("revoked");
        nodes.sql(&format!("UPDATE change_log SET {change}"));
        second.catch_up().await;
        assert_code(&second.verify(&key).await, Revoked);
        assert_eq!(second.plane.caches_dropped(), 1, "{change}");
        nodes.pass(SECOND);
        second.catch_up().await;
        assert_eq!(second.plane.caches_dropped(), 1, "the same row does not do it again");
    }
}

#[tokio::test]
async fn a_node_that_starts_refuses_until_it_has_read_the_log() {
    let nodes = Nodes::start(1).await;
    let key = nodes.key().await;
    nodes.pass(BOUND * 2);
    assert_refused(&nodes.planes[0].verify(&key).await);
    // Its first answer tells the others of it, the second makes it fresh.
    assert_eq!(nodes.planes[0].follow().await, Followed::More);
    assert_refused(&nodes.planes[0].verify(&key).await);
    assert_eq!(nodes.planes[0].follow().await, Followed::Idle);
    assert_code(&nodes.planes[0].verify(&key).await, Valid);
}

/// Time stands still but where the test moves it, because something blocks all the while: paused
/// time moves on by itself only where nothing does.
#[tokio::test(start_paused = true)]
async fn a_hint_is_faster_than_the_second_and_a_lost_one_is_not_missed() {
    let (end, ended) = std::sync::mpsc::channel::<()>();
    let blocking = tokio::task::spawn_blocking(move || ended.recv().is_err());
    let nodes = Nodes::start(2).await;
    let [first, second] = &*nodes.planes else { panic!("two nodes") };
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let plane = second.plane.clone();
    let following = tokio::spawn(async move {
        plane.keep_following(async move { drop(stopped.await) }).await;
    });
    second.advance_to_answer(Duration::ZERO).await;
    for (hinted, time) in [(true, limits::CHANGE_POLL_PAUSE), (false, limits::CHANGE_POLL_EVERY)] {
        let key = nodes.key().await;
        assert_code(&second.verify(&key).await, Valid);
        first.plane.revoke_key(&nodes.context(), key.id).await.expect("revoked");
        if hinted {
            second.plane.hint();
        }
        second.advance_to_answer(time).await;
        assert_code(&second.verify(&key).await, Revoked);
        // What it has applied it notes at once.
        second.advance_to_answer(limits::CHANGE_POLL_PAUSE).await;
    }
    let listed = async || {
        let context = crate::nodes::operator(None);
        let listed = first.plane.list_nodes(&context).await.expect("a list");
        listed.nodes.into_iter().map(|node| node.name).collect::<Vec<_>>()
    };
    assert_eq!(listed().await, [Box::<str>::from("node 0"), "node 1".into()]);
    let key = nodes.key().await;
    assert_code(&second.verify(&key).await, Valid);
    stop.send(()).expect("it follows");
    following.await.expect("no panic");
    assert_eq!(listed().await, [Box::<str>::from("node 0")]);
    // Nobody waits for it any more, so whoever it still answers is not answered from what it had.
    assert_refused(&second.verify(&key).await);
    drop(end);
    assert!(blocking.await.expect("no panic"));
}
