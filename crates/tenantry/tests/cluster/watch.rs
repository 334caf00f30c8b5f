//! Whoever asks every node about keys while they are revoked, and what was said when.
//!
//! A time is taken before a question is sent and after a revocation is acknowledged, so what is counted
//! against the bound began after it by whoever's view.

use crate::fleet::{BOUND, Caller, Key, Said};
use crate::support::{Stop, monotonic, say};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// Who asks one node at the same time.
const WATCHERS: usize = 2;
/// How long a node that does not answer is left alone.
const PAUSE: Duration = Duration::from_millis(5);
/// How much longer than the bound all is watched.
const BEYOND: Duration = Duration::from_millis(500);

/// What was said of one key by one node, in microseconds; 0 for never.
#[derive(Default)]
struct Seen {
    valid_last: AtomicU64,
    refused_first: AtomicU64,
    refused_last: AtomicU64,
    unavailable_last: AtomicU64,
}

/// What was said, by key and node.
pub(crate) struct Watch {
    addresses: Vec<String>,
    master: String,
    keys: Vec<Key>,
    seen: Vec<Vec<Seen>>,
    /// When the revocation was acknowledged.
    acknowledged: Vec<AtomicU64>,
    /// Keys that were tried to be revoked, acknowledged or not.
    tried: AtomicUsize,
    asked: AtomicU64,
}

/// What watching found.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) acknowledged: usize,
    /// From acknowledgement to the first refusal on the last node; sorted.
    pub(crate) delays: Vec<Duration>,
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

impl Watch {
    /// Of these keys, which every node has answered for once and has in its cache.
    pub(crate) fn new(callers: Vec<Caller<'_>>, keys: Vec<Key>) -> Self {
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
            acknowledged: keys.iter().map(|_| AtomicU64::new(0)).collect(),
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
            done
        })
    }

    fn caller(&self, node: usize) -> Caller<'_> {
        Caller { address: &self.addresses[node], master: &self.master, to: None }
    }

    fn ask_on(&self, node: usize, watcher: usize, stop: &AtomicBool) {
        let mut caller = self.caller(node);
        let mut turn = watcher;
        while !stop.load(Ordering::Relaxed) {
            turn += 1;
            let tried = self.tried.load(Ordering::Acquire).min(self.keys.len() - 1);
            // What was not yet refused here, and now and then any: a refusal does not end.
            let open = (0..=tried)
                .rev()
                .find(|key| self.seen[*key][node].refused_first.load(Ordering::Relaxed) == 0);
            let number = match open {
                Some(open) if !turn.is_multiple_of(4) => open,
                _ => turn / 4 % (tried + 1),
            };
            if !self.ask(&mut caller, node, number) {
                std::thread::sleep(PAUSE);
            }
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
                seen.unavailable_last.fetch_max(began, Ordering::Relaxed);
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
            self.acknowledged[number].store(micros(monotonic()), Ordering::Release);
        }
        done
    }

    /// Asks a node for every revoked key at once, each on a connection of its own, and waits for the
    /// answers. `meanwhile` runs when all have been sent.
    pub(crate) fn ask_all_across(&self, node: usize, meanwhile: impl FnOnce()) {
        let revoked: Vec<usize> = (0..self.keys.len())
            .filter(|number| self.acknowledged[*number].load(Ordering::Acquire) != 0)
            .collect();
        std::thread::scope(|scope| {
            for number in revoked {
                scope.spawn(move || self.ask(&mut self.caller(node), node, number));
            }
            std::thread::sleep(Duration::from_millis(100));
            meanwhile();
        });
    }

    /// Says what was found, and fails where a node said VALID later than `bound` after an
    /// acknowledgement.
    pub(crate) fn judge(&self, what: &str, bound: Duration) -> Found {
        let mut found = Found { acknowledged: 0, delays: Vec::new() };
        let mut latest = Duration::ZERO;
        for (number, seen) in self.seen.iter().enumerate() {
            let acknowledged = self.acknowledged[number].load(Ordering::Acquire);
            if acknowledged == 0 {
                continue;
            }
            found.acknowledged += 1;
            let mut everywhere = 0;
            for (node, seen) in seen.iter().enumerate() {
                let valid = seen.valid_last.load(Ordering::Acquire);
                let late = Duration::from_micros(valid.saturating_sub(acknowledged));
                latest = latest.max(late);
                assert!(
                    late <= bound,
                    "{what}: node {node} said VALID of key {number} in an answer begun {late:?} after \
                     its revocation was acknowledged"
                );
                everywhere = everywhere.max(seen.refused_first.load(Ordering::Acquire));
                let asked = seen.refused_last.load(Ordering::Acquire);
                assert!(asked > acknowledged, "{what}: node {node} never refused key {number}");
            }
            found.delays.push(Duration::from_micros(everywhere.saturating_sub(acknowledged)));
        }
        found.delays.sort();
        let part = |percent: usize| {
            let place = (found.delays.len() * percent).div_ceil(100).saturating_sub(1);
            found.delays.get(place).copied().unwrap_or_default()
        };
        say(&format!(
            "{what}: {} revocations acknowledged, {} questions; refused by every node after p50 {:?}, \
             p99 {:?}, max {:?}; last VALID begun {latest:?} after an acknowledgement",
            found.acknowledged,
            self.asked.load(Ordering::Relaxed),
            part(50),
            part(99),
            part(100),
        ));
        found
    }
}
