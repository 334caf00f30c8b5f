//! Everything that can happen to three nodes, tried.

use stateright::{Checker as _, Model as _};
use tenantry_model::cluster::{Cluster, NEVER_TOO_LATE};
use tenantry_model::rules::{Rule, Setting};

/// Any order of one change to the key, and of what becomes of it.
const ONE_CHANGE: Cluster = Cluster {
    setting: Setting { without: None, bound: 1 },
    changes: 1,
    failovers: 0,
    begins_off: false,
    prunes: false,
    watched: 1,
};
/// The same, with time within the bound.
const SLOW_ANSWERS: Cluster =
    Cluster { setting: Setting { without: None, bound: 2 }, ..ONE_CHANGE };
/// Two changes, and a log of which only the last is left.
const PRUNED: Cluster = Cluster { changes: 2, prunes: true, ..ONE_CHANGE };
/// A failover that loses that the key is on, or all of the log.
const LOST: Cluster = Cluster { failovers: 1, begins_off: true, ..ONE_CHANGE };
/// The same, and another change, which may come before or after it.
const REWRITTEN: Cluster = Cluster { changes: 2, ..LOST };
/// The same again, from a log that is empty.
const LOST_TWO: Cluster = Cluster { changes: 2, failovers: 1, ..ONE_CHANGE };
/// A failover, and time within the bound.
const SLOWLY_LOST: Cluster = Cluster { failovers: 1, ..SLOW_ANSWERS };

/// Where the first node is looked at, which makes the changes.
const fn at_the_first(cluster: Cluster) -> Cluster {
    Cluster { watched: 0, ..cluster }
}

/// Tries all of it. Gives what led to an answer that was too late.
fn check(cluster: Cluster) -> Option<String> {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let checked = cluster.checker().threads(threads).spawn_bfs().join();
    let path = checked.discovery(NEVER_TOO_LATE);
    // Where none is found, nothing is left untried.
    assert!(path.is_some() || checked.is_done());
    path.map(|path| format!("{:?}", path.into_actions()))
}

#[test]
fn no_answer_is_too_late_whatever_happens() {
    for cluster in [ONE_CHANGE, SLOW_ANSWERS, PRUNED, LOST, REWRITTEN, LOST_TWO, SLOWLY_LOST] {
        for cluster in [cluster, at_the_first(cluster)] {
            assert_eq!(check(cluster), None, "{cluster:?}");
        }
    }
}

#[test]
fn without_any_one_of_its_rules_an_answer_is_too_late() {
    for rule in Rule::ALL {
        let cluster = match rule {
            Rule::Freshness
            | Rule::FreshnessFirst
            | Rule::FreshByTheSecond
            | Rule::ChangesApplied
            | Rule::LateFills
            | Rule::WaitForNodes => ONE_CHANGE,
            Rule::OwnChangeAtOnce => at_the_first(ONE_CHANGE),
            Rule::LeaseFromAsking => SLOW_ANSWERS,
            Rule::Gaps => PRUNED,
            Rule::Claims | Rule::NoFillsAheadOfAPoll | Rule::SettledServer => LOST,
            Rule::Nonces => REWRITTEN,
        };
        let setting = Setting { without: Some(rule), ..cluster.setting };
        assert!(check(Cluster { setting, ..cluster }).is_some(), "{rule:?} is not needed");
    }
}
