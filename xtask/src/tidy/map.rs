//! The map must match the land: each repository path that ARCHITECTURE.md names exists.

use super::{File, Problem, has_extension};

pub(crate) const FILE: &str = "ARCHITECTURE.md";

const FOLDERS: [&str; 6] = ["crates/", "xtask/", "docs/", ".ci/", "bench/", "examples/"];

/// Paths in backticks that do not exist. Of a pattern such as `crates/*/src` the part before it must exist.
pub(crate) fn missing_paths(file: &File, exists: impl Fn(&str) -> bool) -> Vec<Problem> {
    named_paths(&file.text)
        .into_iter()
        .filter(|(_, path)| !exists(fixed_part(path)))
        .map(|(line, path)| file.problem(line, format!("`{path}` does not exist")))
        .collect()
}

fn named_paths(text: &str) -> Vec<(usize, &str)> {
    let mut fenced = false;
    let mut paths = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if !fenced {
            let quoted = line.split('`').skip(1).step_by(2);
            paths.extend(quoted.filter(|words| is_path(words)).map(|path| (index + 1, path)));
        }
    }
    paths
}

fn is_path(words: &str) -> bool {
    !words.contains(char::is_whitespace)
        && (FOLDERS.iter().any(|folder| words.starts_with(folder)) || has_extension(words, "md"))
}

fn fixed_part(path: &str) -> &str {
    match path.find(['*', '{', '<', '…']) {
        Some(at) => path[..at].rfind('/').map_or(".", |slash| &path[..slash]),
        None => path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_is_not_there_is_found_with_its_line() {
        let text =
            "See `crates/core/src/clock.rs`.\n\n`crates/gone/`, `GONE.md` and `docs/*/gone.md`\n";
        let file = File::new(FILE, text);
        let missing = missing_paths(&file, |path| path == "crates/core/src/clock.rs");
        let printed: Vec<String> = missing.iter().map(Problem::to_string).collect();
        assert_eq!(
            printed,
            [
                "ARCHITECTURE.md:3: `crates/gone/` does not exist",
                "ARCHITECTURE.md:3: `GONE.md` does not exist",
                "ARCHITECTURE.md:3: `docs/*/gone.md` does not exist",
            ]
        );
    }

    #[test]
    fn what_is_not_a_repository_path_is_left_alone() {
        let text = "`/v1/keys` `core::keys` `cargo run crates/x` crates/x\n```\n`crates/x`\n```\n";
        assert_eq!(missing_paths(&File::new(FILE, text), |_| false), []);
    }

    #[test]
    fn of_a_pattern_the_fixed_part_counts() {
        assert_eq!(fixed_part("crates/*/src"), "crates");
        assert_eq!(
            fixed_part("crates/backends/migrations/{sqlite,postgres}/"),
            "crates/backends/migrations"
        );
        assert_eq!(fixed_part("<name>.md"), ".");
    }
}
