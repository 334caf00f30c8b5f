//! Licences, banned crates and sources of the whole tree, checked by cargo-deny against deny.toml.

use std::env;
use std::path::Path;

use crate::TaskResult;
use crate::process::{self, cargo, find};

/// Runs cargo-deny where it is installed. Advisories are not asked for: they need a database from the network.
pub(crate) fn run(root: &Path) -> TaskResult {
    if find("cargo-deny", &env::var_os("PATH").unwrap_or_default()).is_none() {
        println!("left out: licences, banned crates and sources (cargo-deny is not on the PATH)");
        return Ok(());
    }
    process::run(cargo(root).args(["deny", "--offline", "check", "bans", "licenses", "sources"]))?;
    println!("left out: advisories (there is no advisory database offline)");
    Ok(())
}
