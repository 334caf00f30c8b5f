//! A lost reply: the change is committed, and its caller hears of a failure.

use std::sync::atomic::{AtomicBool, Ordering};
use tenantry_core::error::{Error, Result};
use tenantry_core::store::Interpose;

/// Whether the next reply to a change is lost.
#[derive(Default)]
pub(crate) struct LostReply(AtomicBool);

impl LostReply {
    /// The next change is committed, and its caller is told that the store is unavailable.
    pub(crate) fn lose_next(&self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl Interpose for LostReply {
    fn change<T>(&self, outcome: Result<T>) -> Result<T> {
        if self.0.swap(false, Ordering::SeqCst) {
            outcome?;
            return Err(Error::unavailable("the reply was lost"));
        }
        outcome
    }
}
