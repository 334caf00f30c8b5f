//! What breaks, and what Tenantry promises then: the real binary under kills, power cuts, full and
//! failing disks. Letters and numbers in test names are those of `docs/operating/faults.md`.
//!
//! A fault test counts only if it fails when the protection it tests is taken out; each says how
//! it was seen to. Short forms run here; `cargo xtask faults` runs the long ones.

mod canary;
mod crowd;
mod cut;
mod full;
#[path = "../../../backends/tests/support/history.rs"]
mod history;
mod kill;
mod leases;
mod panics;
mod power;
mod restore;
mod starved;
mod support;
mod sync;
