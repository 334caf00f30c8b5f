//! The measurement: builds the release server as users have it, and the program that loads it.

use std::path::{Path, PathBuf};

use crate::TaskResult;
use crate::clients;
use crate::process::{cargo, run};

/// Builds both and measures; `arguments` are the measurement's own.
pub(crate) fn measure(root: &Path, arguments: &[&str]) -> TaskResult {
    // One after the other: built together, the server would get the features that only the
    // measurement needs.
    for package in ["tenantry", "tenantry-bench"] {
        run(cargo(root).args(["build", "--release", "--package", package]))?;
    }
    let mut command = std::process::Command::new(root.join("target/release/tenantry-bench"));
    command.current_dir(root);
    match arguments {
        ["tokens", ..] => {
            command.args(arguments);
            if let Some((node, script)) = peer(root) {
                command.arg("--peer-node").arg(node).arg("--peer-script").arg(script);
            }
        }
        ["postgres" | "leases" | "databases", ..] => {
            command.args(arguments);
        }
        _ => {
            command.arg("run").args(arguments);
        }
    }
    run(&mut command)
}

/// npm's oidc-provider, where it can be had: node, and the script beside its packages.
fn peer(root: &Path) -> Option<(PathBuf, PathBuf)> {
    match clients::node(root)
        .and_then(|node| node.place(&root.join("bench/peers/oidc-provider.mjs")))
    {
        Ok(placed) => Some(placed),
        Err(error) => {
            println!("{error}");
            None
        }
    }
}
