//! Chores of this repository: `cargo xtask <task>`.
//!
//! Plain std on purpose: the first thing a fresh clone runs should build in a second or two.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a task talks to the terminal")]

mod bench;
mod build_facts;
mod clients;
mod cluster;
mod contract_fuzz;
mod deny;
mod faults;
mod fuzz;
mod process;
mod test;
mod tidy;
mod tools;

use std::env;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use process::TaskResult;

const USAGE: &str = "\
usage: cargo xtask <task>

  tidy                  rules of the source tree that no compiler checks
  test [NAME]           prepare what the tests need and run them all, or those whose name contains NAME
  faults [NAME] [--long] [--kills N] [--cuts N] [--seed N]
                        the fault tests, or those of one name; --long with the release binary and large numbers
  cluster [--nodes N]   PostgreSQL with a standby, pgbouncer and nodes behind HAProxy, until Ctrl-C
  fuzz [--seconds N] [--seed N] [TARGET]
                        the fuzz targets, an hour each unless told otherwise
  contract-fuzz [--long] [--cases N] [--seed N]
                        requests drawn from /openapi.json to a server, whose replies are to be what it says
  clients               OAuth clients and an identity provider that others made, against a server
  build-facts [--timed] crates in the release tree; with --timed also the minutes of a build from nothing
  bench [--quick] [...] measures a release server against its controls; -h lists what else it takes
  bench tokens [--quick]
                        access tokens and introspection, beside npm's oidc-provider
  bench postgres [...]  measures the store of several nodes against pgbench
  deny                  licences, banned crates and sources, by cargo-deny where it is installed";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let root = repository();
    let result = match words.as_slice() {
        ["tidy"] => tidy::run(&root),
        ["test"] => test::run(&root, None),
        ["test", name] => test::run(&root, Some(name)),
        ["faults", words @ ..] => faults::run(&root, words),
        ["cluster", words @ ..] => cluster::run(&root, words),
        ["fuzz", words @ ..] => fuzz::run(&root, words),
        ["contract-fuzz", words @ ..] => contract_fuzz::run(&root, words),
        ["clients"] => clients::run(&root),
        ["build-facts"] => build_facts::count(&root),
        ["build-facts", "--timed"] => build_facts::count_and_time(&root),
        ["bench", arguments @ ..] => bench::measure(&root, arguments),
        ["deny"] => deny::run(&root),
        _ => Err(USAGE.into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// The repository's top folder: cargo names this package's folder, which lies directly in it.
fn repository() -> PathBuf {
    let package = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    package.as_deref().and_then(Path::parent).map_or_else(|| PathBuf::from("."), Path::to_path_buf)
}
