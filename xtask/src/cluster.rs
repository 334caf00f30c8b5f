//! A cluster to try: `testbed/src/cluster.rs` says what it is of.

use std::env;
use std::path::Path;

use crate::TaskResult;
use crate::faults::number;
use crate::process::{self, cargo};
use crate::test::Tools;

/// Nodes, unless told otherwise.
const NODES: &str = "3";

/// Builds the server, and runs a cluster of it until it is interrupted.
pub(crate) fn run(root: &Path, words: &[&str]) -> TaskResult {
    let nodes = parse(words)?;
    let tools = Tools::prepare(root, false)?;
    process::run(cargo(root).args(["build", "-p", "tenantry", "-p", "tenantry-testbed"]))?;
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), Into::into);
    let built = target.join("debug");
    let mut command = std::process::Command::new(built.join("tenantry-cluster"));
    tools.name_to(&mut command);
    process::run(command.arg(built.join("tenantry")).arg(nodes))
}

fn parse<'a>(words: &[&'a str]) -> TaskResult<&'a str> {
    let mut words = words.iter();
    match (words.next(), words.len()) {
        (None, _) => Ok(NODES),
        (Some(&"--nodes"), 1) => number(&mut words, "--nodes"),
        _ => Err("cluster: --nodes N is all that it takes".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_three_nodes_unless_others_are_asked_for() {
        assert_eq!(parse(&[]).expect("good"), "3");
        assert_eq!(parse(&["--nodes", "5"]).expect("good"), "5");
        for words in [&["--nodes"][..], &["--nodes", "x"], &["--nodes", "3", "4"], &["5"]] {
            assert!(parse(words).is_err(), "{words:?}");
        }
    }
}
