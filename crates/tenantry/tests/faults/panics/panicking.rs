//! A panic at the call of a store that the test chooses.

use std::sync::atomic::{AtomicUsize, Ordering};
use tenantry_core::store::Interpose;

/// Not armed.
const NEVER: usize = usize::MAX;

/// When to panic, and with what message.
pub(super) struct Panicking {
    message: &'static str,
    calls_left: AtomicUsize,
}

impl Panicking {
    pub(super) fn saying(message: &'static str) -> Self {
        Self { message, calls_left: AtomicUsize::new(NEVER) }
    }

    /// Panics at the call after that many.
    pub(super) fn panic_after(&self, calls: usize) {
        self.calls_left.store(calls, Ordering::SeqCst);
    }

    /// Takes that back. True where there was no panic.
    pub(super) fn disarm(&self) -> bool {
        self.calls_left.swap(NEVER, Ordering::SeqCst) != NEVER
    }
}

impl Interpose for Panicking {
    fn before(&self) {
        match self.calls_left.load(Ordering::SeqCst) {
            NEVER => {}
            0 => {
                self.calls_left.store(NEVER, Ordering::SeqCst);
                panic!("{}", self.message);
            }
            left => self.calls_left.store(left - 1, Ordering::SeqCst),
        }
    }
}
