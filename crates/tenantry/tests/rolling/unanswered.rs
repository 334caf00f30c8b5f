//! F14: PostgreSQL makes a change, and the answer to its commit is lost.

use crate::fleet::{Fleet, READY_MAX, Standby};
use crate::rounds;
use crate::support::http::{Reply, once};
use crate::support::{say, seed, setting, within};
use std::collections::BTreeSet;
use tenantry_testbed::fault_proxy::Fault;

/// Bytes of the answer to a commit: that it is done, and that the session is ready.
const ANSWER_BYTES: u64 = 18;

/// A fleet of one node with few connections.
fn fleet() -> Option<Fleet> {
    let mut fleet = Fleet::prepare(1, Standby::None)?;
    let node = &mut fleet.nodes[0];
    node.site.settings.extend(["--database-connections-max".to_owned(), "2".to_owned()]);
    node.start();
    fleet.await_ready();
    Some(fleet)
}

fn create(fleet: &Fleet, key: &str) -> Reply {
    let bearer = format!("Bearer {}", fleet.credentials.master);
    let headers = [
        ("authorization", &*bearer),
        ("content-type", "application/json"),
        ("idempotency-key", key),
    ];
    let body = format!(r#"{{"name":"{key}"}}"#);
    once(&fleet.nodes[0].address, "POST", "/v1/accounts", &headers, &body).expect("a reply")
}

/// How many accounts there are of a name that begins so, and how many keys of theirs.
fn stored(fleet: &Fleet, prefix: &str) -> (i64, i64) {
    let sql = format!(
        "SELECT count(DISTINCT a.id), count(*) FROM accounts a \
         JOIN credentials c ON c.account_id = a.id WHERE a.name LIKE '{prefix}%'"
    );
    let rows = fleet.query(&sql);
    (rows[0].get(0), rows[0].get(1))
}

/// Seen failing without the look for the event in the store: the commit that was made was made again,
/// and told 409.
#[test]
fn f14_a_create_whose_commit_is_not_answered_is_made_once_and_answered() {
    let Some(fleet) = fleet() else { return };
    let mut chance = seed("F14");
    let network = &fleet.nodes[0].network;
    let cuts = rounds() * setting("TENANTRY_FAULTS_CUTS_EACH", 20);
    let mut ids = BTreeSet::new();
    for number in 0..cuts {
        let bytes = usize::try_from(chance.draw() % ANSWER_BYTES).expect("few");
        network.cut_reply_to(b"COMMIT\0", bytes);
        let key = format!("unanswered-commit-{number}");
        let reply = create(&fleet, &key);
        assert_eq!(reply.status, 201, "cut {number} after {bytes} bytes: {}", reply.text);
        let again = create(&fleet, &key);
        assert_eq!(again.text, reply.text, "the same reply each time");
        ids.insert(reply.text_at("/account/id"));
    }
    let made = i64::try_from(cuts).expect("few");
    assert_eq!(ids.len(), usize::try_from(cuts).expect("few"));
    assert_eq!(stored(&fleet, "unanswered-commit-"), (made, made));
    // One each time that it was armed; the last may be of the poll and still to come.
    assert!(network.replies_cut() + 1 >= cuts, "{} of {cuts} were cut", network.replies_cut());
    say(&format!("F14: {} answers cut off, {cuts} made, 0 twice", network.replies_cut()));
}

/// Seen failing with one refusal for every call that took too long: the client was told `unavailable`,
/// and the account was there.
#[test]
fn f14_a_create_that_cannot_be_looked_for_is_of_unknown_outcome_and_made_once() {
    let Some(fleet) = fleet() else { return };
    let mut chance = seed("F14");
    let network = &fleet.nodes[0].network;
    let mut unknown = 0;
    let tries = 3 * rounds();
    for number in 0..tries {
        let key = format!("unknown-outcome-{number}");
        // Nobody can look: no connection is to be had.
        network.set(Fault::Refuse);
        network
            .cut_reply_to(b"COMMIT\0", usize::try_from(chance.draw() % ANSWER_BYTES).expect("few"));
        let reply = create(&fleet, &key);
        if reply.status == 503 {
            match reply.text_at("/code").as_str() {
                "outcome_unknown" => unknown += 1,
                // The commit that was cut was the poll's, and the create had no connection.
                "unavailable" => assert_eq!(stored(&fleet, &key), (0, 0), "nothing was made"),
                other => panic!("{other}"),
            }
        }
        network.set(Fault::None);
        let mut last = String::new();
        let answered = within(READY_MAX, || {
            let reply = create(&fleet, &key);
            last.clone_from(&reply.text);
            reply.status == 201
        });
        assert!(answered.is_some(), "{last}");
        assert_eq!(create(&fleet, &key).text, last, "the same reply each time");
        assert_eq!(stored(&fleet, &key), (1, 1), "{key}");
        if unknown == rounds() {
            break;
        }
    }
    assert_eq!(unknown, rounds(), "of {tries}");
    say(&format!("F14: {unknown} outcomes unknown, each made once"));
}
