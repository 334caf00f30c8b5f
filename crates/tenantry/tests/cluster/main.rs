//! Several nodes on one PostgreSQL, and what breaks between and beneath them: the real binary, a real
//! server and its standby, and a network of our own that fails when it is told to. Letters and numbers
//! in test names are those of `docs/operating/faults.md`.
//!
//! A fault test counts only if it fails when the protection it tests is taken out; each says how it
//! was seen to. Short forms run here; `cargo xtask faults cluster --long` runs the long ones.

mod absence;
mod database;
#[expect(dead_code, reason = "tests/rolling changes rows by SQL, which nothing here does")]
mod fleet;
mod limits;
mod revocation;
mod watch;

#[expect(
    dead_code,
    reason = "the fault tests' support; disks and one node's faults are not for here"
)]
#[path = "../faults/support/mod.rs"]
mod support;

use std::time::Duration;
use support::{Chance, setting};

/// Nodes of a fleet.
const NODES: usize = 3;

/// How many keys each test revokes.
fn revokes() -> usize {
    usize::try_from(setting("TENANTRY_FAULTS_REVOKES", 50)).expect("a number")
}

/// How often a test stops, cuts or takes over something meanwhile.
fn disturbances() -> usize {
    usize::try_from(setting("TENANTRY_FAULTS_DISTURBANCES", 3)).expect("a number")
}

/// How long a node is stopped: longer than the bound.
fn away() -> Duration {
    Duration::from_millis(setting("TENANTRY_FAULTS_AWAY_MILLIS", 6_000))
}

/// Lets up to so many milliseconds pass, so that what comes next meets the nodes elsewhere.
fn pause(chance: &mut Chance, longest: u64) {
    std::thread::sleep(chance.millis(0, longest));
}
