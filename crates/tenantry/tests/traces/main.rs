//! Traces end to end: the real binary, built with the feature `otel`, and a collector that decodes
//! what it is sent.

mod canary;
mod collector;
mod dead;
mod otlp;
mod parents;
mod spans;
#[expect(dead_code, reason = "the fault tests' support; kills and disks are not for here")]
#[path = "../faults/support/mod.rs"]
mod support;
