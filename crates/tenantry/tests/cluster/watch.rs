//! Whoever asks every node about keys while they are revoked, and what was said when.
//!
//! A time is taken before a question is sent and after a revocation is acknowledged, so what is counted
//! against the bound began after it by whoever's view.

use crate::fleet::{BOUND, Caller, Fleet, Key, READY_MAX, Said};
use crate::support::{Stop, monotonic, say, within};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// Who asks one node at the same time.
const WATCHERS: usize = 2;
/// How long one waits between two questions, and where no answer came. Nodes and database have the
/// machine for themselves meanwhile.
const PAUSE: Duration = Duration::from_millis(1);
const PAUSE_UNANSWERED: Duration = Duration::from_millis(5);
/// How much longer than the bound all is watched.
const BEYOND: Duration = Duration::from_millis(500);

/// What was said of one key by one node, in microseconds; 0 for never.
#[derive(Default)]
struct Seen {
    valid_last: AtomicU64,
    refused_first: AtomicU64,
    refused_last: AtomicU64,
}

/// A key's revocation.
#[derive(Default)]
struct Revoked {
    /// When it was acknowledged, in microseconds; 0 for never.
    at: AtomicU64,
    /// Whether the caller waited until it holds everywhere.
    waited: AtomicBool,
}

/// What was said, by key and node.
pub(crate) struct Watch {
    addresses: Vec<String>,
    master: String,
    keys: Vec<Key>,
    seen: Vec<Vec<Seen>>,
    revoked: Vec<Revoked>,
    /// Keys that were tried to be revoked, acknowledged or not.
    tried: AtomicUsize,
    asked: AtomicU64,
}

/// What watching found.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) acknowledged: usize,
    /// From acknowledgement to the first refusal on the last node, where nobody waited; sorted.
    pub(crate) delays: Vec<Duration>,
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

impl Watch {
    /// Of so many new keys, which every node has answered for once and has in its cache.
    pub(crate) fn of(fleet: &Fleet, keys: usize) -> Self {
        let callers = (0..fleet.nodes.len()).map(|node| fleet.caller(node)).collect();
        Self::new(callers, fleet.make_keys(keys))
    }

    fn new(callers: Vec<Caller<'_>>, keys: Vec<Key>) -> Self {
        let mut addresses = Vec::new();
        let mut master = String::new();
        for mut caller in callers {
            for key in &keys {
                assert_eq!(caller.ask(key), Said::Valid, "{}", caller.address);
            }
            addresses.push(caller.address.to_owned());
            caller.master.clone_into(&mut master);
        }
        let seen = keys.iter().map(|_| addresses.iter().map(|_| Seen::default()).collect());
        Self {
            seen: seen.collect(),
            revoked: keys.iter().map(|_| Revoked::default()).collect(),
            addresses,
            master,
            keys,
            tried: AtomicUsize::new(0),
            asked: AtomicU64::new(0),
        }
    }

    /// Asks every node while `meanwhile` runs, and until the bound has passed after it.
    pub(crate) fn over<T>(&self, meanwhile: impl FnOnce() -> T) -> T {
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for node in 0..self.addresses.len() {
                for watcher in 0..WATCHERS {
                    let stop = &stop;
                    scope.spawn(move || self.ask_on(node, watcher, stop));
                }
            }
            let _stop = Stop(&stop);
            let done = meanwhile();
            std::thread::sleep(BOUND + BEYOND);
            // Once the bound is over, every node is asked for each key.
            for node in 0..self.addresses.len() {
                let mut caller = self.caller(node);
                for number in 0..self.keys.len() {
                    let answered = within(READY_MAX, || self.ask(&mut caller, node, number));
                    assert!(answered.is_some(), "{} does not answer", self.addresses[node]);
                }
            }
            done
        })
    }

    /// A caller of one node.
    pub(crate) fn caller(&self, node: usize) -> Caller<'_> {
        Caller { address: &self.addresses[node], master: &self.master, to: None }
    }

    fn ask_on(&self, node: usize, watcher: usize, stop: &AtomicBool) {
        let mut caller = self.caller(node);
        let mut turn = watcher;
        while !stop.load(Ordering::Relaxed) {
            turn += 1;
            let tried = self.tried.load(Ordering::Acquire).min(self.keys.len() - 1);
            // What was not yet refused here, and now and then any: a refusal does not end.
            let is_open =
                |key: &usize| self.seen[*key][node].refused_first.load(Ordering::Relaxed) == 0;
            let open: Vec<usize> = (0..=tried).filter(is_open).collect();
            let number = if open.is_empty() || turn.is_multiple_of(4) {
                turn / 4 % (tried + 1)
            } else {
                open[turn % open.len()]
            };
            let answered = self.ask(&mut caller, node, number);
            std::thread::sleep(if answered { PAUSE } else { PAUSE_UNANSWERED });
        }
    }

    /// Asks once and notes what was said; false where nothing could be.
    fn ask(&self, caller: &mut Caller<'_>, node: usize, number: usize) -> bool {
        let began = micros(monotonic());
        let seen = &self.seen[number][node];
        let said = caller.ask(&self.keys[number]);
        self.asked.fetch_add(1, Ordering::Relaxed);
        match said {
            Said::Valid => _ = seen.valid_last.fetch_max(began, Ordering::Relaxed),
            Said::Refused(code) => {
                assert_eq!(code, "REVOKED", "{}", caller.address);
                let first = &seen.refused_first;
                let _ = first.compare_exchange(0, began, Ordering::Relaxed, Ordering::Relaxed);
                seen.refused_last.fetch_max(began, Ordering::Relaxed);
            }
            Said::Unavailable(status) => {
                assert_eq!(status, 503, "{}", caller.address);
                return false;
            }
            Said::Nothing => return false,
        }
        true
    }

    /// Revokes a key through a node; whether that was acknowledged.
    pub(crate) fn revoke(&self, number: usize, node: usize, wait: bool) -> bool {
        self.tried.fetch_max(number, Ordering::AcqRel);
        let done = self.caller(node).revoke(&self.keys[number], wait);
        if done {
            let revoked = &self.revoked[number];
            revoked.waited.store(wait, Ordering::Release);
            revoked.at.store(micros(monotonic()), Ordering::Release);
        }
        done
    }

    /// Revokes those of these keys again whose revocation was not acknowledged, until it is.
    pub(crate) fn revoke_rest(&self, keys: Range<usize>, node: usize) {
        for number in keys {
            let open = self.revoked[number].at.load(Ordering::Acquire) == 0;
            if open {
                let done = within(READY_MAX, || self.revoke(number, node, false));
                assert!(done.is_some(), "node {node} does not revoke key {number}");
            }
        }
    }

    /// Asks a node for those of these keys that are revoked at once, each on a connection of its own,
    /// and waits for the answers. `meanwhile` runs when they lie there, as a rule; counted is when
    /// they were sent.
    pub(crate) fn ask_all_across(&self, node: usize, keys: Range<usize>, meanwhile: impl FnOnce()) {
        let revoked: Vec<usize> =
            keys.filter(|number| self.revoked[*number].at.load(Ordering::Acquire) != 0).collect();
        std::thread::scope(|scope| {
            for number in revoked {
                scope.spawn(move || self.ask(&mut self.caller(node), node, number));
            }
            std::thread::sleep(Duration::from_millis(100));
            meanwhile();
        });
    }

    /// Says what was found, and fails where a node said VALID later than the bound after an
    /// acknowledgement, or at all after one that was waited for.
    pub(crate) fn judge(&self, what: &str) -> Found {
        let mut found = Found { acknowledged: 0, delays: Vec::new() };
        let mut lasts = Vec::new();
        for (number, seen) in self.seen.iter().enumerate() {
            let acknowledged = self.revoked[number].at.load(Ordering::Acquire);
            if acknowledged == 0 {
                continue;
            }
            let waited = self.revoked[number].waited.load(Ordering::Acquire);
            let bound = if waited { Duration::ZERO } else { BOUND };
            found.acknowledged += 1;
            let (mut everywhere, mut last) = (0, Duration::ZERO);
            for (node, seen) in seen.iter().enumerate() {
                let valid = seen.valid_last.load(Ordering::Acquire);
                let late = Duration::from_micros(valid.saturating_sub(acknowledged));
                last = last.max(late);
                assert!(
                    late <= bound,
                    "{what}: node {node} said VALID of key {number} in an answer begun {late:?} after \
                     its revocation was acknowledged (waited for: {waited})"
                );
                everywhere = everywhere.max(seen.refused_first.load(Ordering::Acquire));
                let asked = seen.refused_last.load(Ordering::Acquire);
                assert!(asked > acknowledged, "{what}: node {node} never refused key {number}");
            }
            lasts.push(last);
            if !waited {
                found.delays.push(Duration::from_micros(everywhere.saturating_sub(acknowledged)));
            }
        }
        found.delays.sort();
        lasts.sort();
        say(&format!(
            "{what}: {} revocations acknowledged, {} of them waited for, {} questions; the last VALID \
             of a key begun after its acknowledgement: p50 {:?}, p99 {:?}, max {:?}",
            found.acknowledged,
            found.acknowledged - found.delays.len(),
            self.asked.load(Ordering::Relaxed),
            part(&lasts, 50),
            part(&lasts, 99),
            part(&lasts, 100),
        ));
        found
    }
}

/// What so many of a hundred, sorted, are within.
pub(crate) fn part(sorted: &[Duration], percent: usize) -> Duration {
    let place = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(place).copied().unwrap_or_default()
}
