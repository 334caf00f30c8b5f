//! Everything the tests need, then all tests: the one command of the README.

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::TaskResult;
use crate::clients;
use crate::contract_fuzz;
use crate::process::{self, cargo};
use crate::tools::{curl, haproxy, pgbouncer, postgres, postgres_next, valkey};

/// A program that tests run: the variable that names it to them, how it is had, and what is left out
/// without it.
type Tool = (&'static str, fn(&OsStr, &Path) -> TaskResult<PathBuf>, &'static str);

const TOOLS: [Tool; 6] = [
    (
        "TENANTRY_TEST_CURL",
        curl::prepare,
        "the contract transcripts, which run the contracts' own curl lines (no curl)",
    ),
    (POSTGRES, postgres::prepare, "the suites on PostgreSQL (no initdb and postgres)"),
    (
        "TENANTRY_TEST_POSTGRES_NEXT",
        postgres_next::prepare,
        "the tests of tenant databases on PostgreSQL 16 or newer (none is to be had)",
    ),
    ("TENANTRY_TEST_PGBOUNCER", pgbouncer::prepare, "the suite through a pooler (no pgbouncer)"),
    ("TENANTRY_TEST_VALKEY", valkey::prepare, "the tests of shared rate limits (no Valkey)"),
    ("TENANTRY_TEST_HAPROXY", haproxy::prepare, "the tests of a whole cluster (no HAProxy)"),
];

/// Where tests find PostgreSQL's programs.
const POSTGRES: &str = "TENANTRY_TEST_POSTGRES";

/// The programs that were had, by the variables that name them to tests.
pub(crate) struct Tools(Vec<(&'static str, PathBuf)>);

impl Tools {
    /// Finds or fetches them. What cannot be had is said, and is an error where `ci` is set.
    pub(crate) fn prepare(root: &Path, ci: bool) -> TaskResult<Self> {
        let path = env::var_os("PATH").unwrap_or_default();
        let mut tools = Vec::new();
        for (variable, prepare, without) in TOOLS {
            match prepare(&path, &root.join("target/tools")) {
                Ok(program) => tools.push((variable, program)),
                Err(error) if ci => {
                    return Err(format!(
                        "with CI=true no test is left out, and these would be: {without}: {error}"
                    )
                    .into());
                }
                Err(error) => println!("{error}\nleft out: {without}"),
            }
        }
        Ok(Self(tools))
    }

    /// Names them to what a command runs.
    pub(crate) fn name_to(&self, command: &mut Command) {
        for (variable, ..) in TOOLS {
            command.env_remove(variable);
        }
        command.envs(self.0.iter().map(|(variable, program)| (*variable, program)));
    }

    fn has(&self, variable: &str) -> bool {
        self.0.iter().any(|(had, _)| *had == variable)
    }
}

/// Runs all tests of the workspace, or those whose name contains `name`.
pub(crate) fn run(root: &Path, name: Option<&str>) -> TaskResult {
    let ci = env::var_os("CI").is_some_and(|ci| ci == "true");
    let tools = Tools::prepare(root, ci)?;
    for kind in [["--all-targets"], ["--doc"]] {
        let mut command = cargo(root);
        command.args(["test", "--workspace"]).args(kind).args(name);
        tools.name_to(&mut command);
        process::run(&mut command)?;
    }
    // Verifications answer the same past the router and through it: the HTTP suite once more.
    let mut command = cargo(root);
    command.args(["test", "--package", "tenantry", "--test", "http"]).args(name);
    process::run(command.env("TENANTRY_TEST_NO_SHORT_CUT", "1"))?;
    // And on a database that nodes share.
    if tools.has(POSTGRES) {
        let mut command = cargo(root);
        command.args(["test", "--package", "tenantry", "--test", "http", "--test", "databases"]);
        tools.name_to(command.args(name));
        process::run(command.env("TENANTRY_TEST_DATABASE", "postgres"))?;
    }
    // Traces are in no other build.
    let mut command = cargo(root);
    command.args(["test", "--package", "tenantry", "--features", "otel", "--lib"]);
    process::run(command.args(["--test", "traces"]).args(name))?;
    match name {
        None => {
            contract_fuzz::run_short(root, ci)?;
            clients::run_if_there(root, ci)
        }
        Some(_) => Ok(()),
    }
}
