//! F2: nodes are killed while clients of all of them create.

use crate::fleet::{Fleet, Standby};
use crate::rounds;
use crate::support::http::Connection;
use crate::support::ledger::{self, Acknowledged};
use crate::support::site::Credentials;
use crate::support::{Stop, say, seed, writers};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Nodes of the fleet.
const NODES: usize = 3;
/// Clients of each node, which have one request under way at a time.
const CLIENTS: usize = 4;

/// What the clients of one node got.
#[derive(Default)]
struct Tally {
    acknowledged: Mutex<Vec<Acknowledged>>,
    /// Refused, or without a reply.
    failed: AtomicU64,
}

fn create_until(stop: &AtomicBool, address: &str, credentials: &Credentials, tally: &Tally) {
    std::thread::scope(|scope| {
        for surface in 0..CLIENTS {
            scope.spawn(move || {
                let mut connection = Connection::open(address).expect("a connection");
                while !stop.load(Ordering::Relaxed) {
                    match writers::create(&mut connection, credentials, surface) {
                        Ok(reply) if (200..300).contains(&reply.status) => {
                            let entry = writers::read(surface, &reply);
                            tally.acknowledged.lock().expect("nobody panics").push(entry);
                        }
                        _ => {
                            tally.failed.fetch_add(1, Ordering::Relaxed);
                            return;
                        }
                    }
                }
            });
        }
    });
}

fn things(fleet: &Fleet) -> i64 {
    let sql = "SELECT (SELECT count(*) FROM accounts) + (SELECT count(*) FROM service_accounts)";
    fleet.query(sql)[0].get(0)
}

/// Things without what is made with them in the same commit.
const HALF_MADE: &str = "SELECT
    (SELECT count(*) FROM accounts a WHERE a.parent_id IS NOT NULL
        AND NOT EXISTS (SELECT 1 FROM credentials c WHERE c.account_id = a.id))
    + (SELECT count(*) FROM service_accounts s
        WHERE NOT EXISTS (SELECT 1 FROM credentials c WHERE c.service_account_id = s.id))";

/// Seen failing with the commit of every change sent after its answer, by a task of its own.
#[test]
fn f2_what_a_killed_node_acknowledged_is_there_and_the_others_serve_on() {
    let Some(mut fleet) = Fleet::start(NODES, Standby::None) else { return };
    let mut chance = seed("F2");
    let (mut acknowledged, mut failed) = (0, 0);
    let mut all: Vec<Acknowledged> = Vec::new();
    for round in 0..rounds() {
        let before = things(&fleet);
        let killed = usize::try_from(chance.draw() % 3).expect("a node");
        let after = chance.millis(20, 500);
        let victim = fleet.nodes[killed].server.take().expect("it runs");
        let tallies: [Tally; NODES] = Default::default();
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for (node, tally) in fleet.nodes.iter().zip(&tallies) {
                let (stop, credentials) = (&stop, &fleet.credentials);
                scope.spawn(move || create_until(stop, &node.address, credentials, tally));
            }
            let _stop = Stop(&stop);
            // The fault itself: an instant by the seed, and as long again for the others to go on.
            std::thread::sleep(after);
            victim.kill();
            std::thread::sleep(after);
        });
        fleet.nodes[killed].start();
        fleet.await_ready();
        let mut round_acknowledged = Vec::new();
        for (node, tally) in tallies.into_iter().enumerate() {
            let lost = tally.failed.into_inner();
            let most = if node == killed { CLIENTS as u64 } else { 0 };
            assert!(lost <= most, "round {round}: node {node} failed {lost} of at most {most}");
            failed += lost;
            round_acknowledged.extend(tally.acknowledged.into_inner().expect("nobody panics"));
        }
        for node in [killed, (killed + 1) % NODES] {
            let address = &fleet.nodes[node].address;
            let lost = ledger::lost(address, &fleet.credentials, &round_acknowledged);
            assert_eq!(lost, 0, "round {round}: of {} keys", round_acknowledged.len());
        }
        let made = usize::try_from(things(&fleet) - before).expect("more than before");
        assert!(
            (round_acknowledged.len()..=round_acknowledged.len() + CLIENTS).contains(&made),
            "round {round}: {} acknowledged, {made} made",
            round_acknowledged.len()
        );
        assert_eq!(fleet.query(HALF_MADE)[0].get::<_, i64>(0), 0, "round {round}");
        acknowledged += round_acknowledged.len();
        all.append(&mut round_acknowledged);
    }
    let lost = ledger::lost(&fleet.nodes[0].address, &fleet.credentials, &all);
    assert_eq!(lost, 0, "of all {} keys", all.len());
    say(&format!(
        "F2: {} kills, {acknowledged} acknowledged, 0 lost, 0 half-made; {failed} requests failed, \
         none of another node",
        rounds()
    ));
}
