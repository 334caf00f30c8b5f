//! What a cluster is tried on: private PostgreSQL servers, a pooler, a balancer, and a network between
//! them that can be made to fail.
//!
//! Everything runs on this machine, needs no root, has a folder of its own, and ends with the program
//! that started it, however that ends ([`process`]).

pub mod balancer;
pub mod cluster;
pub mod fault_proxy;
pub mod pooler;
pub mod ports;
pub mod postgres;
pub mod process;
pub mod programs;
pub mod valkey;

use std::time::Duration;
use tenantry_core::clock::{Clock as _, SystemClock};

/// How often something is looked at that is waited for.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Tries until it succeeds; false where it did not within `limit`.
pub fn within(limit: Duration, mut attempt: impl FnMut() -> bool) -> bool {
    let started = SystemClock.monotonic();
    loop {
        if attempt() {
            return true;
        }
        if SystemClock.monotonic().saturating_sub(started) > limit {
            return false;
        }
        std::thread::sleep(LOOK_EVERY);
    }
}
