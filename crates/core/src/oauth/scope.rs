//! `scope` (RFC 6749 §3.3): permissions with blanks between.

use crate::error::{Error, Problem, Result};
use crate::permissions::PermissionSet;

/// Reads a scope that a client asks for.
///
/// # Errors
/// [`Error::Invalid`] in the field `scope`.
pub(super) fn parse(text: &str) -> Result<PermissionSet> {
    let invalid = |problem| Error::invalid("scope", problem);
    // One blank between each two, as the RFC's grammar has it.
    let set = PermissionSet::parse(text.split(' ')).map_err(invalid)?;
    if set.iter().next().is_none() {
        return Err(invalid(Problem::Missing));
    }
    Ok(set)
}

/// Prints a scope.
pub(super) fn print(set: &PermissionSet) -> String {
    set.iter().collect::<Vec<_>>().join(" ")
}
