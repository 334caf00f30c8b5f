//! F29: every node is stopped and started again, one after the other, under load through `HAProxy`.

use crate::fleet::{Caller, Fleet, Said, Standby};
use crate::rounds;
use crate::support::{Stop, say};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tenantry_testbed::balancer::Balancer;
use tenantry_testbed::programs;

/// Nodes of the fleet.
const NODES: usize = 3;
/// Clients that ask and create in turn.
const CLIENTS: usize = 6;
/// Seconds of going on after `/readyz` says so: the balancer asks twice a second.
const DRAIN_DELAY: &str = "2";

/// Seen failing with `--drain-delay 0`: the balancer then sends requests to a node that refuses them.
#[test]
fn f29_a_rolling_restart_fails_no_request() {
    let Some(program) = programs::find_haproxy() else {
        let demanded = std::env::var_os("CI").is_some_and(|ci| ci == "true");
        assert!(!demanded, "CI=true, and there is no HAProxy to test with");
        return say("left out: no HAProxy");
    };
    let Some(mut fleet) = Fleet::prepare(NODES, Standby::None) else { return };
    for node in &mut fleet.nodes {
        node.site.options.extend(["--drain-delay".to_owned(), DRAIN_DELAY.to_owned()]);
        node.start();
    }
    fleet.await_ready();
    let port = |address: &str| address.rsplit(':').next().and_then(|port| port.parse().ok());
    let ports: Vec<u16> =
        fleet.nodes.iter().map(|node| port(&node.address).expect("a port")).collect();
    let balancer = Balancer::start(&program, &ports);
    let (address, master) = (balancer.address(), fleet.credentials.master.clone());
    let (asked, failed, stop) = (AtomicU64::new(0), AtomicU64::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (address, master) = (&address, &master);
            let (asked, failed, stop) = (&asked, &failed, &stop);
            scope.spawn(move || {
                let mut caller = Caller { address, master, to: None };
                let key = caller.make_key();
                for number in 0_u64.. {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    let fine = if client == 0 && number % 8 == 0 {
                        let reply = caller.call("POST", "/v1/accounts", r#"{"name":"rolled"}"#);
                        reply.is_ok_and(|reply| reply.status == 201)
                    } else {
                        caller.ask(&key) == Said::Valid
                    };
                    asked.fetch_add(1, Ordering::Relaxed);
                    failed.fetch_add(u64::from(!fine), Ordering::Relaxed);
                }
            });
        }
        let _stop = Stop(&stop);
        for _ in 0..rounds().div_ceil(3) {
            for node in 0..NODES {
                let server = fleet.nodes[node].server.take().expect("it runs");
                assert!(server.stop().success(), "node {node} drains and ends");
                fleet.nodes[node].start();
                fleet.await_ready();
            }
        }
    });
    let (asked, failed) = (asked.into_inner(), failed.into_inner());
    assert_eq!(failed, 0, "of {asked} requests");
    assert!(asked > 1_000, "only {asked} requests");
    say(&format!("F29: {asked} requests through restarts of every node, 0 failed"));
}
