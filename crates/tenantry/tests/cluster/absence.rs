//! F16, F22: a node that was stopped, or that does not reach the database while the others do.

use crate::fleet::{BOUND, Fleet, READY_MAX, Said, Standby};
use crate::support::{monotonic, say, seed, since, within};
use crate::watch::Watch;
use crate::{NODES, away, disturbances, revokes};
use rustix::process::Signal;
use std::time::Duration;
use tenantry_testbed::fault_proxy::Fault;

/// The node that is away.
const ABSENT: usize = NODES - 1;
/// The longest that a request may go without an answer, whatever the database does.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// Seen failing with the check for freshness out: the stopped node said VALID to questions put 6 s after
/// the acknowledgement.
#[test]
fn f22_a_node_that_was_stopped_does_not_answer_from_before() {
    let Some(fleet) = Fleet::start(NODES, Standby::None) else { return };
    let rounds = disturbances();
    let each = revokes().div_ceil(rounds);
    let watch = Watch::of(&fleet, each * rounds);
    watch.over(|| {
        for round in 0..rounds {
            let keys = round * each..(round + 1) * each;
            let stopped = fleet.nodes[ABSENT].server();
            stopped.freeze();
            let stop = monotonic();
            // The last is waited for, and not answered while the stopped node may be fresh.
            for number in keys.clone() {
                let last = number + 1 == keys.end;
                assert!(watch.revoke(number, number % ABSENT, last));
            }
            std::thread::sleep(away().saturating_sub(since(stop)));
            // Questions that lie there when it goes on, and were put after the bound.
            watch.ask_all_across(ABSENT, keys, || stopped.signal(Signal::CONT));
            // It has all back before it goes away again.
            fleet.await_ready();
        }
    });
    let found = watch.judge("stopped node");
    assert_eq!(found.acknowledged, each * rounds);
}

/// Seen failing with the check for freshness out: the node goes on with VALID.
#[test]
fn f16_a_node_that_does_not_reach_the_database_says_so_after_the_bound() {
    let Some(fleet) = Fleet::start(NODES, Standby::None) else { return };
    let mut chance = seed("F16");
    let rounds = disturbances();
    let each = revokes().div_ceil(rounds);
    let watch = Watch::of(&fleet, each * rounds);
    let live = fleet.make_keys(1).remove(0);
    let ask = |node: usize| fleet.caller(node).ask(&live);
    let absent = &fleet.nodes[ABSENT];
    let mut longest = Duration::ZERO;
    watch.over(|| {
        for round in 0..rounds {
            assert_eq!(ask(ABSENT), Said::Valid);
            // Silence, or nobody there.
            let silent = chance.draw().is_multiple_of(2) || round == 0;
            for way in [&absent.network, &absent.hints] {
                way.set(if silent { Fault::HalfOpen } else { Fault::Refuse });
                if !silent {
                    way.cut();
                }
            }
            let gone = monotonic();
            // Not cached there, so that it takes the way to the database.
            let unseen = fleet.caller(0).make_key();
            let asked = monotonic();
            assert!(matches!(fleet.caller(ABSENT).ask(&unseen), Said::Unavailable(503)));
            longest = longest.max(since(asked));
            let last = (round + 1) * each - 1;
            for number in round * each..=last {
                assert!(watch.revoke(number, number % ABSENT, number == last));
            }
            let refuses = within(READY_MAX, || ask(ABSENT) == Said::Unavailable(503));
            assert!(refuses.is_some(), "it goes on answering");
            // Until long after the bound: it does not come back to what it had.
            while since(gone) < BOUND + Duration::from_secs(1) {
                let began = since(gone);
                let said = ask(ABSENT);
                assert!(said == Said::Unavailable(503) || began < BOUND, "{said:?} at {began:?}");
                assert_eq!(ask(0), Said::Valid);
            }
            for way in [&absent.network, &absent.hints] {
                way.set(Fault::None);
            }
            let heals = within(READY_MAX, || ask(ABSENT) == Said::Valid);
            assert!(heals.is_some(), "{}", absent.site.last_log());
            fleet.await_ready();
        }
    });
    say(&format!("F16: a look-up without a database was answered within {longest:?}"));
    assert!(longest <= ANSWER_MAX, "{longest:?}");
    let found = watch.judge("partitioned node");
    assert_eq!(found.acknowledged, each * rounds);
}
