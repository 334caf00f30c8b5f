//! 13: a credential that was revoked on one node changes nothing on another.

use crate::fleet::{Caller, Fleet, Key, Said, Standby};
use crate::rounds;
use crate::support::say;
use tenantry_testbed::fault_proxy::Fault;

/// Seen failing with management calls let in by the cache of verifications.
#[test]
fn case_13_a_key_that_another_node_revoked_manages_nothing_from_the_next_call_on() {
    let Some(fleet) = Fleet::start(2, Standby::None) else { return };
    // Only the poll tells of changes, at its own time.
    for node in &fleet.nodes {
        node.hints.set(Fault::HalfOpen);
    }
    let (mut refused, mut cached) = (0, 0);
    // Fewer than one address may present wrong keys in a row.
    for _ in 0..(rounds() * 10).min(150) {
        let key: Key = fleet.caller(0).make_key();
        let mut other = Caller { address: &fleet.nodes[1].address, master: &key.secret, to: None };
        let mut asking = fleet.caller(1);
        assert_eq!(asking.ask(&key), Said::Valid);
        assert_eq!(other.call("GET", "/v1/whoami", "").expect("a reply").status, 200);
        assert!(fleet.caller(0).revoke(&key, false));
        let reply = other.call("GET", "/v1/whoami", "").expect("a reply");
        assert_eq!(reply.status, 401, "{}", reply.text);
        refused += 1;
        cached += u32::from(asking.ask(&key) == Said::Valid);
    }
    assert!(cached > 0, "the other node knew of every revocation already");
    say(&format!("13: {refused} refused at once, {cached} of them still cached for verifications"));
}
