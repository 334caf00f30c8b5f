//! The operator's own paths: served on the socket in the data directory, to whoever owns it.

pub(crate) mod databases;
pub(crate) mod nodes;
pub(crate) mod organizations;
pub(crate) mod platform_keys;
pub(crate) mod signing_keys;
pub(crate) mod tokens;

use tenantry_core::error::{Problem, Violation};

/// Reads one field; what is wrong with it is collected.
fn take<T>(
    violations: &mut Vec<Violation>,
    field: &'static str,
    outcome: Result<T, Problem>,
) -> Option<T> {
    outcome.map_err(|problem| violations.push(Violation { field: field.into(), problem })).ok()
}
