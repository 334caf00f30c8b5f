//! What verifications leave behind: how often each answer was given, and when a credential was last
//! used, for which a management call counts too. Kept in memory, a part per worker thread, so that
//! a verification writes nothing.

use super::Code;
use super::cache::RandomBits;
use crate::clock::Timestamp;
use crate::ids::CredentialId;
use crate::limits;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Parts; threads beyond this number share.
const STRIPES: usize = 16;

#[derive(Default)]
pub(crate) struct Tally {
    stripes: [Stripe; STRIPES],
    /// Credentials that were not in the cache and were looked up in the store.
    look_ups: AtomicU64,
}

/// What one thread counts, on cache lines of its own.
#[derive(Default)]
#[repr(align(128))]
struct Stripe {
    verdicts: [AtomicU64; Code::ALL.len()],
    used: Mutex<HashMap<CredentialId, Timestamp, RandomBits>>,
}

impl Tally {
    /// Counts an answer and, where it was yes, the use of its credential.
    pub(crate) fn count(&self, code: Code, used: Option<(CredentialId, Timestamp)>) {
        self.stripes[own_stripe()].verdicts[code as usize].fetch_add(1, Ordering::Relaxed);
        if let Some((id, at)) = used {
            self.note_use(id, at);
        }
    }

    /// Notes that a credential was let in.
    pub(crate) fn note_use(&self, id: CredentialId, now: Timestamp) {
        let mut map = lock(&self.stripes[own_stripe()].used);
        // Beyond the limit only credentials that are already there are kept up.
        if map.len() < limits::LAST_USED_ENTRIES_MAX / STRIPES || map.contains_key(&id) {
            map.insert(id, now);
        }
    }

    pub(crate) fn count_look_up(&self) {
        self.look_ups.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn look_ups(&self) -> u64 {
        self.look_ups.load(Ordering::Relaxed)
    }

    pub(crate) fn verdicts(&self) -> [(Code, u64); Code::ALL.len()] {
        Code::ALL.map(|code| {
            let counts = self.stripes.iter().map(|stripe| &stripe.verdicts[code as usize]);
            (code, counts.map(|count| count.load(Ordering::Relaxed)).sum())
        })
    }

    /// Takes what is to be written now; what goes beyond one flush stays.
    pub(crate) fn take_used(&self) -> Vec<(CredentialId, Timestamp)> {
        let mut taken = Vec::new();
        for stripe in &self.stripes {
            let mut map = lock(&stripe.used);
            let room = limits::LAST_USED_FLUSH_MAX - taken.len();
            if map.len() <= room {
                taken.extend(map.drain());
            } else {
                taken.extend(map.extract_if(|_, _| true).take(room));
            }
        }
        taken
    }
}

/// The stripe of this thread.
fn own_stripe() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static OWN: usize = NEXT.fetch_add(1, Ordering::Relaxed) % STRIPES;
    }
    OWN.with(|own| *own)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u64) -> CredentialId {
        let mut bytes = [0; 16];
        bytes[8..].copy_from_slice(&number.to_be_bytes());
        CredentialId::from_bytes(bytes)
    }

    #[test]
    fn every_answer_is_counted_and_only_a_yes_is_a_use() {
        let tally = Tally::default();
        let now = Timestamp::from_seconds(1);
        for _ in 0..3 {
            tally.count(Code::Valid, Some((id(1), now)));
        }
        tally.count(Code::Revoked, None);
        let count = |code| tally.verdicts().iter().find(|(c, _)| *c == code).map(|(_, n)| *n);
        assert_eq!((count(Code::Valid), count(Code::Revoked)), (Some(3), Some(1)));
        assert_eq!(tally.take_used(), [(id(1), now)]);
        assert_eq!(tally.take_used(), []);
    }

    #[test]
    fn a_flush_takes_no_more_than_its_limit_and_leaves_the_rest() {
        let tally = Tally::default();
        let many = limits::LAST_USED_FLUSH_MAX + 7;
        for number in 0..many {
            tally.count(Code::Valid, Some((id(number as u64), Timestamp::from_seconds(1))));
        }
        assert_eq!(tally.take_used().len(), limits::LAST_USED_FLUSH_MAX);
        assert_eq!(tally.take_used().len(), 7);
    }
}
