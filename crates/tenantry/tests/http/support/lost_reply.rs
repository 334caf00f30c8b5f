//! A lost reply: the change is committed, and its caller hears of a failure. And how often the store
//! was asked for anything at all.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tenantry_core::error::{Error, Result};
use tenantry_core::store::Interpose;

/// Whether the next reply to a change is lost.
#[derive(Default)]
pub(crate) struct LostReply {
    next: AtomicBool,
    calls: AtomicU64,
}

impl LostReply {
    /// The next change is committed, and its caller is told that the store is unavailable.
    pub(crate) fn lose_next(&self) {
        self.next.store(true, Ordering::SeqCst);
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

    fn change<T>(&self, outcome: Result<T>) -> Result<T> {
        if self.next.swap(false, Ordering::SeqCst) {
            outcome?;
            return Err(Error::unavailable("the reply was lost"));
        }
        outcome
    }
}
