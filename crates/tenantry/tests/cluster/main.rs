//! Several nodes on one PostgreSQL, and what breaks between and beneath them: the real binary, a real
//! server and its standby, and a network of our own that fails when it is told to. Letters and numbers
//! in test names are those of `docs/operating/faults.md`.
//!
//! A fault test counts only if it fails when the protection it tests is taken out; each says how it
//! was seen to. Short forms run here; `cargo xtask faults cluster --long` runs the long ones.

#[expect(dead_code, reason = "tests/rolling changes rows by SQL, which nothing here does")]
mod fleet;
mod revocation;
mod watch;

#[expect(
    dead_code,
    reason = "the fault tests' support; disks and one node's faults are not for here"
)]
#[path = "../faults/support/mod.rs"]
mod support;
