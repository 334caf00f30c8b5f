//! What verifications leave behind: how often each answer was given, to whom, and when a credential was
//! last used, for which a management call counts too. Kept in memory, a part per worker thread, so
//! that a verification writes nothing.

use super::cache::RandomBits;
use super::{Code, Verdict};
use crate::clock::Timestamp;
use crate::ids::{AccountId, CredentialId};
use crate::limits;
use crate::usage::{Amounts, Measure, UsageOf, UsageRow};
use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Parts; threads beyond this number share.
const STRIPES: usize = 16;

#[derive(Default)]
pub(crate) struct Tally {
    stripes: [Stripe; STRIPES],
    /// Credentials that were not in the cache and were looked up in the store.
    look_ups: AtomicU64,
    /// Verifications that no count was kept of.
    uncounted: AtomicU64,
}

/// What one thread counts, on cache lines of its own.
#[derive(Default)]
#[repr(align(128))]
struct Stripe {
    verdicts: [AtomicU64; Code::ALL.len()],
    kept: Mutex<Kept>,
}

/// What waits to be written.
#[derive(Default)]
struct Kept {
    counts: HashMap<Counted, Count, RandomBits>,
    /// Last uses that stand beside no count: of management, and of counts that were taken.
    used: HashMap<CredentialId, Timestamp, RandomBits>,
}

/// Whom an answer is about.
struct About {
    id: CredentialId,
    root: AccountId,
    account: AccountId,
    /// When it was judged.
    at: Timestamp,
}

/// What is counted by itself. There may be as many as there are keys: small.
#[derive(PartialEq, Eq)]
struct Counted {
    id: CredentialId,
    /// Since the epoch.
    hours: u32,
    code: Code,
}

const MICROS_OF_HOUR: i64 = 60 * 60 * 1_000_000;

impl Counted {
    fn new(id: CredentialId, at: Timestamp, code: Code) -> Self {
        // By a clock that is off by so much no hour is right.
        let hours = u32::try_from(at.micros().div_euclid(MICROS_OF_HOUR)).unwrap_or(0);
        Self { id, hours, code }
    }

    fn hour(&self) -> Timestamp {
        Timestamp::from_micros(i64::from(self.hours) * MICROS_OF_HOUR)
    }
}

impl Hash for Counted {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // Of one credential there are a few at most.
        self.id.hash(state);
    }
}

struct Count {
    root: AccountId,
    account: AccountId,
    number: u64,
    /// When the credential was last let in, where that is not written yet, else [`WRITTEN`].
    used: Timestamp,
}

const WRITTEN: Timestamp = Timestamp::from_micros(i64::MIN);

impl Count {
    fn take_used(&mut self) -> Option<Timestamp> {
        let used = std::mem::replace(&mut self.used, WRITTEN);
        (used != WRITTEN).then_some(used)
    }
}

impl Kept {
    fn note_use(&mut self, id: CredentialId, at: Timestamp) {
        let used = &mut self.used;
        // Beyond the limit only credentials that are already there are kept up.
        if used.len() < limits::LAST_USED_ENTRIES_MAX / STRIPES || used.contains_key(&id) {
            let last = used.entry(id).or_insert(at);
            *last = at.max(*last);
        }
    }
}

impl Tally {
    /// Counts an answer; where it is about a credential, which was judged at `at`, also for it.
    pub(crate) fn count(&self, verdict: &Verdict, at: Option<Timestamp>) {
        let about = verdict.known.as_ref().and_then(|known| {
            let account = known.account()?;
            Some(About { id: known.id, root: account.root(), account: account.id, at: at? })
        });
        self.count_about(verdict.code, about.as_ref());
    }

    fn count_about(&self, code: Code, about: Option<&About>) {
        let stripe = &self.stripes[own_stripe()];
        stripe.verdicts[code as usize].fetch_add(1, Ordering::Relaxed);
        let Some(&About { id, root, account, at }) = about else { return };
        let counted = Counted::new(id, at, code);
        let used = if code == Code::Valid { at } else { WRITTEN };
        let mut kept = lock(&stripe.kept);
        if let Some(count) = kept.counts.get_mut(&counted) {
            count.number += 1;
            count.used = used;
        } else if kept.counts.len() < limits::USAGE_ENTRIES_MAX / STRIPES {
            kept.counts.insert(counted, Count { root, account, number: 1, used });
        } else {
            if used != WRITTEN {
                kept.note_use(id, used);
            }
            self.note_uncounted(1);
        }
    }

    /// Notes that a credential was let in.
    pub(crate) fn note_use(&self, id: CredentialId, now: Timestamp) {
        lock(&self.stripes[own_stripe()].kept).note_use(id, now);
    }

    pub(crate) fn count_look_up(&self) {
        self.look_ups.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn look_ups(&self) -> u64 {
        self.look_ups.load(Ordering::Relaxed)
    }

    pub(crate) fn note_uncounted(&self, number: u64) {
        self.uncounted.fetch_add(number, Ordering::Relaxed);
    }

    pub(crate) fn uncounted(&self) -> u64 {
        self.uncounted.load(Ordering::Relaxed)
    }

    pub(crate) fn verdicts(&self) -> [(Code, u64); Code::ALL.len()] {
        Code::ALL.map(|code| {
            let counts = self.stripes.iter().map(|stripe| &stripe.verdicts[code as usize]);
            (code, counts.map(|count| count.load(Ordering::Relaxed)).sum())
        })
    }

    /// Takes the last uses that are to be written now; what goes beyond one flush stays.
    pub(crate) fn take_used(&self) -> Vec<(CredentialId, Timestamp)> {
        let mut taken = Vec::new();
        for stripe in &self.stripes {
            let mut kept = lock(&stripe.kept);
            let room = limits::LAST_USED_FLUSH_MAX - taken.len();
            taken.extend(kept.used.extract_if(|_, _| true).take(room));
            let room = limits::LAST_USED_FLUSH_MAX - taken.len();
            let counts = kept.counts.iter_mut();
            taken.extend(counts.filter_map(|(of, c)| Some((of.id, c.take_used()?))).take(room));
        }
        taken
    }

    /// Takes the counts that are to be written now; what goes beyond one flush stays.
    pub(crate) fn take_counts(&self) -> Vec<UsageRow> {
        let mut amounts = Amounts::default();
        let mut room = limits::USAGE_FLUSH_MAX;
        for stripe in &self.stripes {
            let mut kept = lock(&stripe.kept);
            let Kept { counts, .. } = &mut *kept;
            let taken: Vec<_> = counts.extract_if(|_, _| true).take(room).collect();
            room -= taken.len();
            for (counted, mut count) in taken {
                if let Some(at) = count.take_used() {
                    kept.note_use(counted.id, at);
                }
                let of = UsageOf {
                    root: count.root,
                    account: count.account,
                    hour: counted.hour(),
                    key: Some(counted.id),
                    measure: Measure::Verifications,
                    name: counted.code.as_str().into(),
                };
                amounts.add(of, count.number);
            }
        }
        amounts.into_rows()
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
    use std::time::Duration;

    const NOW: Timestamp = Timestamp::from_seconds(7_200);
    const ROOT: AccountId = AccountId::from_bytes([1; 16]);

    fn id(number: usize) -> CredentialId {
        // Random in the bytes that are hashed, as ids are.
        let mixed = (number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&(number as u64).to_be_bytes());
        bytes[8..].copy_from_slice(&mixed.to_be_bytes());
        CredentialId::from_bytes(bytes)
    }

    fn count(tally: &Tally, code: Code, number: usize, at: Timestamp) {
        let about = About { id: id(number), root: ROOT, account: ROOT, at };
        tally.count_about(code, Some(&about));
    }

    /// Credential, hour, code and number of each count that is taken.
    fn taken(tally: &Tally) -> Vec<(CredentialId, i64, String, u64)> {
        let rows = tally.take_counts().into_iter();
        rows.map(|(of, number)| {
            let key = of.key.expect("a credential");
            (key, of.hour.seconds(), of.name.into(), number)
        })
        .collect()
    }

    #[test]
    fn every_answer_is_counted_and_only_a_yes_is_a_use() {
        let tally = Tally::default();
        for _ in 0..3 {
            count(&tally, Code::Valid, 1, NOW);
        }
        count(&tally, Code::Revoked, 2, NOW);
        tally.count_about(Code::NotFound, None);
        let verdict = |code| tally.verdicts().iter().find(|(c, _)| *c == code).map(|(_, n)| *n);
        let codes = [Code::Valid, Code::Revoked, Code::NotFound];
        assert_eq!(codes.map(verdict), [Some(3), Some(1), Some(1)]);
        assert_eq!(tally.take_used(), [(id(1), NOW)]);
        assert_eq!(tally.take_used(), []);
        let (valid, revoked) = ("VALID".to_owned(), "REVOKED".to_owned());
        assert_eq!(taken(&tally), [(id(1), 7_200, valid, 3), (id(2), 7_200, revoked, 1)]);
        assert_eq!(taken(&tally), []);
        assert_eq!(tally.uncounted(), 0);
    }

    #[test]
    fn an_hour_is_counted_by_itself_and_a_use_outlives_its_count() {
        let tally = Tally::default();
        let next = NOW.plus(Duration::from_hours(1));
        for at in [NOW, next.minus(Duration::from_micros(1)), next] {
            count(&tally, Code::Valid, 1, at);
        }
        let counts: Vec<_> = taken(&tally).into_iter().map(|(_, hour, _, n)| (hour, n)).collect();
        assert_eq!(counts, [(7_200, 2), (10_800, 1)]);
        assert_eq!(tally.take_used(), [(id(1), next)]);
        assert_eq!(tally.take_used(), []);
        // Management is no verification.
        tally.note_use(id(1), next);
        assert_eq!((tally.take_used(), taken(&tally)), (vec![(id(1), next)], Vec::new()));
    }

    #[test]
    fn a_flush_takes_no_more_than_its_limit_and_leaves_the_rest() {
        let tally = Tally::default();
        for number in 0..limits::LAST_USED_FLUSH_MAX + 7 {
            count(&tally, Code::Valid, number, NOW);
        }
        assert_eq!(tally.take_used().len(), limits::LAST_USED_FLUSH_MAX);
        assert_eq!(tally.take_used().len(), 7);
        assert_eq!(taken(&tally).len(), limits::USAGE_FLUSH_MAX);
        assert_eq!(taken(&tally).len(), limits::LAST_USED_FLUSH_MAX + 7 - limits::USAGE_FLUSH_MAX);
    }

    #[test]
    fn what_goes_beyond_the_limit_is_not_counted_and_that_is_told() {
        let tally = Tally::default();
        // All on this thread, which has one stripe.
        let max = limits::USAGE_ENTRIES_MAX / STRIPES;
        for number in 0..max + 5 {
            count(&tally, Code::Valid, number, NOW);
        }
        count(&tally, Code::Valid, 0, NOW);
        assert_eq!(tally.uncounted(), 5);
        let mut total = 0;
        while let rows @ [_, ..] = &taken(&tally)[..] {
            total += rows.iter().map(|(.., n)| *n).sum::<u64>();
        }
        assert_eq!(total, max as u64 + 1);
    }
}
