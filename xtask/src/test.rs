//! Everything the tests need, then all tests: the one command of the README.

use std::env;
use std::path::Path;

use crate::TaskResult;
use crate::contract_fuzz;
use crate::process::{self, cargo};
use crate::tools::{curl, postgres};

/// Where tests find curl; those that need it say that they are left out while it is unset.
const CURL: &str = "TENANTRY_TEST_CURL";

/// Where tests find PostgreSQL's programs; those that need it are left out while there are none.
const POSTGRES: &str = "TENANTRY_TEST_POSTGRES";

/// Runs all tests of the workspace, or those whose name contains `name`.
pub(crate) fn run(root: &Path, name: Option<&str>) -> TaskResult {
    let tools = root.join("target/tools");
    let path = env::var_os("PATH").unwrap_or_default();
    let ci = env::var_os("CI").is_some_and(|ci| ci == "true");
    let curl = match curl::prepare(&path, &tools) {
        Ok(curl) => Some(curl),
        Err(error) if ci => {
            return Err(format!(
                "curl cannot be had, and with CI=true no test is left out: {error}"
            )
            .into());
        }
        Err(error) => {
            println!("{error}");
            println!(
                "left out: the contract transcripts, which run the contracts' own curl lines (no curl)"
            );
            None
        }
    };
    let programs = postgres::find(&path);
    if programs.is_none() {
        if env::var_os("CI").is_some_and(|ci| ci == "true") {
            return Err(
                "PostgreSQL (initdb, postgres) is neither on the PATH nor where Debian puts \
                        it, and with CI=true no test is left out"
                    .into(),
            );
        }
        println!("left out: the suites on PostgreSQL (no initdb and postgres)");
    }
    for kind in [["--all-targets"], ["--doc"]] {
        let mut command = cargo(root);
        command.args(["test", "--workspace"]).args(kind).args(name).env_remove(CURL);
        if let Some(curl) = &curl {
            command.env(CURL, curl);
        }
        if let Some(programs) = &programs {
            command.env(POSTGRES, programs);
        }
        process::run(&mut command)?;
    }
    // Verifications answer the same past the router and through it: the HTTP suite once more.
    let mut command = cargo(root);
    command.args(["test", "--package", "tenantry", "--test", "http"]).args(name);
    process::run(command.env("TENANTRY_TEST_NO_SHORT_CUT", "1"))?;
    // And on a database that nodes share.
    if let Some(programs) = &programs {
        let mut command = cargo(root);
        command.args(["test", "--package", "tenantry", "--test", "http"]).args(name);
        command.env(POSTGRES, programs).env("TENANTRY_TEST_DATABASE", "postgres");
        process::run(&mut command)?;
    }
    // Traces are in no other build.
    let mut command = cargo(root);
    command.args(["test", "--package", "tenantry", "--features", "otel", "--lib"]);
    process::run(command.args(["--test", "traces"]).args(name))?;
    match name {
        None => contract_fuzz::run_short(root, ci),
        Some(_) => Ok(()),
    }
}
