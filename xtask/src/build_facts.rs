//! The figures of a release build that the README prints.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Instant;

use crate::TaskResult;
use crate::process::{cargo, read, run};

/// A build that people wait for on a small machine: each crate is minutes and somebody to trust.
const CRATES_MAX: usize = 320;

/// Prints how many crates the release tree has, without features and with all, and refuses too many.
pub(crate) fn count(root: &Path) -> TaskResult {
    for (features, which) in [(None, ""), (Some("--all-features"), " with all features")] {
        let mut tree = cargo(root);
        tree.args(["tree", "--edges", "normal,build", "--prefix", "none"]);
        let crates = crates(&read(tree.args(["--package", "tenantry"]).args(features))?);
        let count = format!("{crates} crates in the release tree{which}");
        println!("{count} (limit {CRATES_MAX})");
        if crates > CRATES_MAX {
            return Err(format!("{count}, {CRATES_MAX} are the limit").into());
        }
    }
    Ok(())
}

/// Also builds the release from nothing, in a target folder of its own, and prints how long it took.
pub(crate) fn count_and_time(root: &Path) -> TaskResult {
    count(root)?;
    let target = root.join("target/build-facts");
    if target.exists() {
        fs::remove_dir_all(&target)?;
    }
    run(cargo(root).arg("fetch"))?;
    #[expect(
        clippy::disallowed_methods,
        reason = "how long people wait is measured by the real clock"
    )]
    let start = Instant::now();
    run(cargo(root)
        .args(["build", "--release", "--package", "tenantry", "--target-dir"])
        .arg(&target))?;
    println!("release build from nothing: {:.1} minutes", start.elapsed().as_secs_f64() / 60.0);
    fs::remove_dir_all(&target)?;
    Ok(())
}

/// Packages by name and version: a line is `name v1.2.3`, then where it is from and whether it was seen before.
fn crates(tree: &str) -> usize {
    let packages: BTreeSet<Vec<&str>> = tree
        .lines()
        .map(|line| line.split_whitespace().take(2).collect::<Vec<_>>())
        .filter(|package| package.len() == 2)
        .collect();
    packages.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_counts_once_a_version() {
        let tree = "tenantry v0.1.0 (/x)\nsyn v2.0.1\nsyn v3.0.0\nserde_derive v1.0.0 (proc-macro)\n\
                    serde_derive v1.0.0 (proc-macro) (*)\n\nsyn v2.0.1 (*)\n";
        assert_eq!(crates(tree), 4);
    }
}
