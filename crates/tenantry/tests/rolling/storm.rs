//! F17: more callers than connections, and callers that hang up.

use crate::fleet::{Caller, Fleet, READY_MAX, Said, Standby};
use crate::rounds;
use crate::support::http::Reply;
use crate::support::{monotonic, say, seed, setting, since, within};
use std::io::Write as _;
use std::net::TcpStream;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tenantry_testbed::fault_proxy::Fault;

/// Fewer than there are callers.
const CONNECTIONS: &str = "2";
/// Clients at once.
const CLIENTS: usize = 24;
/// Answers come too late for a call of the store's, whose transaction is open then.
const TOO_SLOW: Duration = Duration::from_millis(2_400);
/// What a session of ours logs that was in a transaction when it was taken.
const FOREIGN: &str = "session_in_transaction";

fn fleet() -> Option<Fleet> {
    let mut fleet = Fleet::prepare(1, Standby::None)?;
    let node = &mut fleet.nodes[0];
    node.site.settings.extend(["--database-connections-max".to_owned(), CONNECTIONS.to_owned()]);
    node.start();
    fleet.await_ready();
    Some(fleet)
}

/// Nobody's transaction is open, nobody was in a foreign one, and all of the pool can be used.
fn assert_in_order(fleet: &Fleet) {
    let ended = within(READY_MAX, || fleet.idle_in_transaction() == 0);
    assert!(ended.is_some(), "{} sessions are in a transaction", fleet.idle_in_transaction());
    let log = fleet.nodes[0].site.whole_log();
    assert!(!log.contains(FOREIGN), "a session was taken that was in a transaction");
    // The poll may have been one of the calls that took too long.
    let key = fleet.caller(0).make_key();
    let fresh = within(READY_MAX, || fleet.caller(0).ask(&key) == Said::Valid);
    assert!(fresh.is_some(), "{}", fleet.nodes[0].site.last_log());
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                let key = fleet.caller(0).make_key();
                assert_eq!(fleet.caller(0).ask(&key), Said::Valid);
            });
        }
    });
}

fn create(caller: &mut Caller<'_>) -> Reply {
    caller.call("POST", "/v1/accounts", r#"{"name":"storm"}"#).expect("a reply")
}

/// Seen failing with connections given back when they are dropped: the next borrower was in the
/// transaction of the call that had taken too long.
#[test]
fn f17_a_call_that_takes_too_long_leaves_nobody_in_its_transaction() {
    let Some(fleet) = fleet() else { return };
    let network = &fleet.nodes[0].network;
    network.set(Fault::Delay(TOO_SLOW));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| assert_eq!(create(&mut fleet.caller(0)).status, 503));
        }
    });
    network.set(Fault::None);
    let served = within(READY_MAX, || create(&mut fleet.caller(0)).status == 201);
    assert!(served.is_some(), "{}", fleet.nodes[0].site.last_log());
    assert_in_order(&fleet);
}

/// Seen failing with changes run where a hang-up drops them and connections given back when they are
/// dropped: those who came after the storm were refused.
#[test]
fn f17_clients_that_hang_up_leave_no_transaction_and_no_connection_behind() {
    let Some(fleet) = fleet() else { return };
    let seeds: Mutex<_> = Mutex::new(seed("F17"));
    let each = rounds() * setting("TENANTRY_FAULTS_HANG_UPS_EACH", 20);
    let hung_up = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (fleet, seeds, hung_up) = (&fleet, &seeds, &hung_up);
            scope.spawn(move || {
                for _ in 0..each {
                    let after = seeds.lock().expect("nobody panics").millis(0, 8);
                    let mut stream = TcpStream::connect(&fleet.nodes[0].address).expect("connected");
                    let head = if client % 2 == 0 { "POST" } else { "GET" };
                    let body = if client % 2 == 0 { r#"{"name":"gone"}"# } else { "" };
                    let request = format!(
                        "{head} /v1/accounts HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\n\
                         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
                        fleet.credentials.master,
                        body.len()
                    );
                    stream.write_all(request.as_bytes()).expect("sent");
                    // The fault itself: an instant within the request, by the seed.
                    std::thread::sleep(after);
                    drop(stream);
                    hung_up.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    assert_in_order(&fleet);
    say(&format!("F17: {} clients hung up, 0 transactions left open", hung_up.into_inner()));
}

/// Without an end to the wait for a connection the end of the whole call still holds, later; what F15
/// asks for was seen failing.
#[test]
fn f17_whoever_gets_no_connection_is_told_so_in_time() {
    let Some(fleet) = fleet() else { return };
    let key = fleet.caller(0).make_key();
    assert_eq!(fleet.caller(0).ask(&key), Said::Valid);
    let network = &fleet.nodes[0].network;
    // Both connections wait for their answers.
    network.set(Fault::HalfOpen);
    let started = monotonic();
    let longest: Mutex<Duration> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                assert_eq!(create(&mut fleet.caller(0)).status, 503);
                let mut longest = longest.lock().expect("nobody panics");
                *longest = (*longest).max(since(started));
            });
        }
        // Cached, it needs no connection.
        assert_eq!(fleet.caller(0).ask(&key), Said::Valid);
    });
    let longest = longest.into_inner().expect("nobody panics");
    assert!(longest < Duration::from_secs(6), "told after {longest:?}");
    network.set(Fault::None);
    let served = within(READY_MAX, || create(&mut fleet.caller(0)).status == 201);
    assert!(served.is_some(), "{}", fleet.nodes[0].site.last_log());
    assert_in_order(&fleet);
}
