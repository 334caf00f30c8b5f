//! Nodes that come, go and are killed, on a PostgreSQL that is slow, loses answers and holds rows that
//! nobody of ours wrote: the real binary, a real server, a network of our own between them, and the
//! balancer that stands before them. Letters and numbers in test names are those of
//! `docs/operating/faults.md`.
//!
//! A fault test counts only if it fails when the protection it tests is taken out; each says how it
//! was seen to. Short forms run here; `cargo xtask faults NAME --long` runs the long ones.

mod balanced;
mod calls;
#[path = "../../../backends/tests/support/history.rs"]
mod history;
mod killed;
mod management;
mod migrating;
mod poison;
mod slow;
mod storm;
mod unanswered;
mod whole;

#[expect(dead_code, reason = "what other faults need of nodes")]
#[path = "../cluster/fleet.rs"]
mod fleet;
#[expect(dead_code, reason = "the fault tests' support; disks and floods are not for here")]
#[path = "../faults/support/mod.rs"]
mod support;

/// How often a fault is made; each time at another instant, which follows from the seed.
fn rounds() -> u64 {
    support::setting("TENANTRY_FAULTS_REPEATS", 3)
}
