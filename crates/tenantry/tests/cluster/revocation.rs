//! F21, and no fault at all: a revoked key stops on every node within the bound, with hints or without.

use crate::fleet::{Fleet, Standby};
use crate::support::{say, seed, setting, within};
use crate::watch::{Found, Watch, part};
use crate::{NODES, disturbances, pause, revokes};
use std::time::Duration;
use tenantry_testbed::fault_proxy::Fault;

/// What hints are promised for.
const HINTED_P99: Duration = Duration::from_millis(250);
/// What a poll each second is promised for.
const POLLED_P99: Duration = Duration::from_millis(1_200);

/// Says the delays, and holds them to what is promised of a machine with nothing else to do: in the
/// long form.
fn hold(found: &Found, promised: Duration) {
    let [half, most, all] = [50, 99, 100].map(|percent| part(&found.delays, percent));
    say(&format!("refused by every node after p50 {half:?}, p99 {most:?}, max {all:?}"));
    if setting("TENANTRY_FAULTS_LATENCIES", 0) == 1 {
        assert!(most <= promised, "p99 {most:?}, and not {promised:?}");
    }
}

/// Seen failing with a cache that does not forget what the log says has changed: VALID 7.4 s after.
#[test]
fn undisturbed_a_revoked_key_stops_everywhere() {
    let Some(fleet) = Fleet::start(NODES, Standby::None) else { return };
    let mut chance = seed("undisturbed");
    let watch = Watch::of(&fleet, revokes());
    watch.over(|| {
        for number in 0..revokes() {
            assert!(watch.revoke(number, number % NODES, false));
            pause(&mut chance, 60);
        }
    });
    let found = watch.judge("undisturbed");
    assert_eq!(found.acknowledged, revokes());
    hold(&found, HINTED_P99);
}

/// Seen failing where `wait=true` does not wait: VALID begun 20 ms after the answer.
#[test]
fn a_caller_who_waits_is_answered_when_no_node_says_valid_any_more() {
    let Some(fleet) = Fleet::start(NODES, Standby::None) else { return };
    let watch = Watch::of(&fleet, revokes());
    watch.over(|| {
        for number in 0..revokes() {
            // Hints do not come to the last node while one in five is revoked.
            let fault = if number % 5 == 4 { Fault::HalfOpen } else { Fault::None };
            fleet.nodes[NODES - 1].hints.set(fault);
            assert!(watch.revoke(number, number % (NODES - 1), true));
        }
    });
    let found = watch.judge("wait=true");
    assert_eq!(found.acknowledged, revokes());
}

/// Seen failing with an hour from poll to poll: the nodes stop being fresh, and refuse no key as revoked.
#[test]
fn f21_without_hints_the_poll_alone_holds_the_bound() {
    let Some(fleet) = Fleet::start(NODES, Standby::None) else { return };
    let mut chance = seed("F21, poll alone");
    let watch = Watch::of(&fleet, revokes());
    for node in &fleet.nodes {
        node.hints.set(Fault::HalfOpen);
    }
    watch.over(|| {
        for number in 0..revokes() {
            assert!(watch.revoke(number, number % NODES, false));
            pause(&mut chance, 150);
        }
    });
    let found = watch.judge("poll alone");
    assert_eq!(found.acknowledged, revokes());
    hold(&found, POLLED_P99);
}

/// The listening sessions are ended, or a node's way to them is closed for a while. Seen failing with
/// a cache that does not forget.
#[test]
fn f21_hints_that_break_again_and_again_do_not_stretch_the_bound() {
    const LISTENERS: &str = "FROM pg_stat_activity WHERE query LIKE '%tenantry_changes'";
    let Some(fleet) = Fleet::start(NODES, Standby::None) else { return };
    let mut chance = seed("F21");
    let watch = Watch::of(&fleet, revokes());
    let rounds = disturbances();
    watch.over(|| {
        for number in 0..revokes() {
            if number.is_multiple_of(revokes().div_ceil(rounds)) {
                let node = &fleet.nodes[usize::try_from(chance.draw() % 3).expect("small")];
                match number / revokes().div_ceil(rounds) % 3 {
                    0 => {
                        let count = format!("SELECT count(pg_terminate_backend(pid)) {LISTENERS}");
                        let ended = within(Duration::from_secs(10), || {
                            fleet.query(&count)[0].get::<_, i64>(0) > 0
                        });
                        assert!(ended.is_some(), "nobody listens");
                    }
                    1 => {
                        node.hints.set(Fault::Refuse);
                        node.hints.cut();
                    }
                    _ => fleet.nodes.iter().for_each(|node| node.hints.set(Fault::None)),
                }
            }
            assert!(watch.revoke(number, number % NODES, false));
            pause(&mut chance, 60);
        }
    });
    let found = watch.judge("hints that break");
    assert_eq!(found.acknowledged, revokes());
}
