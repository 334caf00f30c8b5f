//! Clients that others made, against a real server: oauth4webapi, openid-client and jose from npm,
//! Authlib and jwcrypto from `PyPI`, and npm's `oidc-provider` as an organization's identity provider.

use std::env;
use std::error::Error;
use std::fs;
use std::path::Path;

use crate::TaskResult;
use crate::process::{self, cargo};
use crate::tools::node::NodePackages;
use crate::tools::python::Packages;

/// The scripts, and what they need.
const FOLDER: &str = "xtask/src/clients";
const SCRIPTS: [&str; 9] = [
    "run.mjs",
    "server.mjs",
    "oauth.mjs",
    "provider.mjs",
    "mutated.mjs",
    "flat.mjs",
    "clients.py",
    "rotations.mjs",
    "rotations.py",
];
/// The test that rotates keys, twenty times, by a clock of its own.
const ROTATIONS: &str = "oauth::signing_keys::of_twenty_rotations_under_load_no_token_is_refused";

/// Tokens whose issue leaves no trace in the store.
const TOKENS: &str = "100000";
const TOKENS_SHORT: &str = "5000";

/// Fetches the clients and has them try a server of this tree. Takes two minutes after
/// the build, one of them because the server asks for a provider's keys no more often.
pub(crate) fn run(root: &Path) -> TaskResult {
    let (node, python) = prepare(root)?;
    try_all(root, &node, &python, TOKENS)
}

/// The same among the tests; where the clients cannot be had, they are left out, save in CI.
pub(crate) fn run_if_there(root: &Path, ci: bool) -> TaskResult {
    match prepare(root) {
        Ok((node, python)) => try_all(root, &node, &python, TOKENS_SHORT),
        Err(error) => leave_out(&*error, ci),
    }
}

fn leave_out(error: &dyn Error, ci: bool) -> TaskResult {
    if ci {
        let why = "the clients cannot be had, and with CI=true nothing is left out";
        return Err(format!("{why}: {error}").into());
    }
    println!("{error}");
    println!("left out: OAuth clients that others made (no node, npm, python3 or registry)");
    Ok(())
}

/// The packages of npm, `oidc-provider` among them.
pub(crate) fn node(root: &Path) -> TaskResult<NodePackages> {
    let path = env::var_os("PATH").unwrap_or_default();
    NodePackages::prepare(&path, &root.join("target/tools/clients-node"), &root.join(FOLDER))
}

fn prepare(root: &Path) -> TaskResult<(NodePackages, Packages)> {
    let path = env::var_os("PATH").unwrap_or_default();
    let (ours, tools) = (root.join(FOLDER), root.join("target/tools"));
    let node = node(root)?;
    let requirements = ours.join("requirements.txt");
    let python = Packages::prepare(&path, &tools, "clients-python", &requirements)?;
    Ok((node, python))
}

fn try_all(root: &Path, node: &NodePackages, python: &Packages, tokens: &str) -> TaskResult {
    process::run(cargo(root).args(["build", "--package", "tenantry"]))?;
    let data = root.join("target/clients");
    if data.exists() {
        fs::remove_dir_all(&data)?;
    }
    // Node looks for packages from where a script lies.
    for script in SCRIPTS {
        fs::copy(root.join(FOLDER).join(script), node.folder.join(script))?;
    }
    let mut command = node.script("run.mjs");
    command.arg(root.join("target/debug/tenantry")).arg(&data).arg(tokens);
    process::run(python.name_to(&mut command))?;
    verify_rotations(root, node, python)
}

/// What the test issued, verified by others.
fn verify_rotations(root: &Path, node: &NodePackages, python: &Packages) -> TaskResult {
    let notes = root.join("target/clients/rotations.jsonl");
    let mut rotate = cargo(root);
    rotate.args(["test", "--package", "tenantry", "--test", "http", "--quiet"]);
    process::run(rotate.args(["--", "--exact", ROTATIONS]).env("TENANTRY_TEST_ROTATIONS", &notes))?;
    process::run(node.script("rotations.mjs").arg(&notes))?;
    process::run(python.script(&root.join(FOLDER).join("rotations.py")).arg(&notes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_the_clients_the_tests_go_on_and_ci_does_not() {
        let error = std::io::Error::other("no network");
        assert!(leave_out(&error, false).is_ok());
        let refused = leave_out(&error, true).expect_err("CI leaves nothing out").to_string();
        assert!(refused.ends_with(": no network"), "{refused}");
    }
}
