//! The measurement: builds the release server as users have it, and the program that loads it.

use std::path::Path;

use crate::TaskResult;
use crate::process::{cargo, run};

/// Builds both and measures; `arguments` are the measurement's own.
pub(crate) fn measure(root: &Path, arguments: &[&str]) -> TaskResult {
    // One after the other: built together, the server would get the features that only the
    // measurement needs.
    for package in ["tenantry", "tenantry-bench"] {
        run(cargo(root).args(["build", "--release", "--package", package]))?;
    }
    let mut command = std::process::Command::new(root.join("target/release/tenantry-bench"));
    run(command.current_dir(root).arg("run").args(arguments))
}
