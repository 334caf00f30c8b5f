//! A lost reply: the change is committed, and its caller hears of a failure. A store that answers
//! nothing for a while. And how often the store was asked for anything at all.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tenantry_core::error::{Error, Result};
use tenantry_core::store::Interpose;

/// Whether the next reply to a change is lost.
#[derive(Default)]
pub(crate) struct LostReply {
    next: AtomicBool,
    away: AtomicBool,
    calls: AtomicU64,
}

impl LostReply {
    /// The next change is committed, and its caller is told that the store is unavailable.
    pub(crate) fn lose_next(&self) {
        self.next.store(true, Ordering::SeqCst);
    }

    /// Whether the store answers nothing from now on.
    pub(crate) fn set_away(&self, away: bool) {
        self.away.store(away, Ordering::SeqCst);
    }

    fn answer<T>(&self, outcome: Result<T>) -> Result<T> {
        if self.away.load(Ordering::SeqCst) {
            return Err(Error::unavailable("the store is away"));
        }
        outcome
    }

    /// Calls of the store since the start.
    pub(crate) fn calls(&self) -> u64 {
        self.calls.load(Ordering::SeqCst)
    }
}

impl Interpose for LostReply {
    fn before(&self) {
        self.calls.fetch_add(1, Ordering::SeqCst);
    }

    fn read<T>(&self, outcome: Result<T>) -> Result<T> {
        self.answer(outcome)
    }

    fn change<T>(&self, outcome: Result<T>) -> Result<T> {
        let outcome = self.answer(outcome);
        if self.next.swap(false, Ordering::SeqCst) {
            outcome?;
            return Err(Error::unavailable("the reply was lost"));
        }
        outcome
    }
}
