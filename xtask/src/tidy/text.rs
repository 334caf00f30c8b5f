//! What every text file keeps to: plain line ends, and nothing that is true on one machine only.

use super::{File, Problem, has_extension};

// Written in two pieces so that this file passes its own check.
const MACHINE_PATHS: [&str; 4] =
    [concat!("/ro", "ot"), concat!("/wo", "rk"), concat!("/ho", "me/"), concat!("/Us", "ers/")];

const REGISTRIES: [&str; 8] = [
    concat!("index.crates", ".io"),
    concat!("static.crates", ".io"),
    concat!("deb.debian", ".org"),
    concat!("snapshot.debian", ".org"),
    concat!("pypi", ".org"),
    concat!("registry.npmjs", ".org"),
    concat!("proxy.golang", ".org"),
    concat!("registry-1.docker", ".io"),
];

const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// A last line that ends, no CRLF, and no blanks before a line's end (which mean something in Markdown only).
pub(crate) fn line_ends(file: &File) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (index, line) in file.text.split('\n').enumerate() {
        if line.ends_with('\r') {
            problems.push(file.problem(index + 1, "ends with CRLF"));
        } else if line.ends_with([' ', '\t']) && !has_extension(&file.path, "md") {
            problems.push(file.problem(index + 1, "ends with blanks"));
        }
    }
    if !file.text.is_empty() && !file.text.ends_with('\n') {
        problems.push(file.problem(file.text.lines().count(), "does not end with a newline"));
    }
    problems
}

/// Absolute paths of somebody's machine.
pub(crate) fn machine_paths(file: &File) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (index, line) in file.text.lines().enumerate() {
        for path in MACHINE_PATHS {
            if line.match_indices(path).any(|(at, _)| is_absolute(line, at, path)) {
                problems
                    .push(file.problem(index + 1, format!("`{path}` is a path of one machine")));
            }
        }
    }
    problems
}

/// Hosts of package registries and mirrors: where packages come from is each machine's own setting.
pub(crate) fn registries(file: &File) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (index, line) in file.text.lines().enumerate() {
        for host in REGISTRIES.iter().filter(|host| line.contains(**host)) {
            problems.push(file.problem(
                index + 1,
                format!("`{host}`: registries are each machine's own setting"),
            ));
        }
    }
    problems
}

/// Cargo.lock names crates.io as the only source, whatever mirror the author's machine uses.
pub(crate) fn locked_sources(file: &File) -> Vec<Problem> {
    let lock = file.text.lines().enumerate().filter(|_| file.path == "Cargo.lock");
    lock.filter_map(|(index, line)| {
        Some((index, line.strip_prefix("source = ")?.trim_matches('"')))
    })
    .filter(|(_, source)| *source != CRATES_IO)
    .map(|(index, source)| {
        file.problem(index + 1, format!("`{source}`: crates come from crates.io only"))
    })
    .collect()
}

/// The path starts here and its last name ends here: `a/workspace` and `docs/root` are no such paths.
fn is_absolute(line: &str, at: usize, path: &str) -> bool {
    let inside = |c: char| c.is_alphanumeric() || "_-.~/})]>".contains(c);
    let longer = |c: char| c.is_alphanumeric() || "_-".contains(c);
    let ends = path.ends_with('/') || !line[at + path.len()..].starts_with(longer);
    ends && !line[..at].ends_with(inside)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(problems: &[Problem]) -> Vec<usize> {
        problems.iter().map(|problem| problem.line).collect()
    }

    #[test]
    fn bad_line_ends_are_found() {
        assert_eq!(lines(&line_ends(&File::new("a.toml", "a\r\nb \nc\t\nd"))), [1, 2, 3, 4]);
        assert_eq!(line_ends(&File::new("a.md", "two blanks  \nbreak a line\n")), []);
        assert_eq!(line_ends(&File::new("a.toml", "")), []);
        assert_eq!(line_ends(&File::new("a.toml", "a\n\n b\n")), []);
    }

    #[test]
    fn each_machine_path_is_found_and_the_same_letters_elsewhere_are_not() {
        for path in MACHINE_PATHS {
            let bare = path.trim_end_matches('/');
            let planted = format!("\nsee {bare}/x\n\"{bare}/x\"\n({bare}/x)\n");
            assert_eq!(lines(&machine_paths(&File::new("a.md", &planted))), [2, 3, 4], "{path}");
            let harmless = format!("docs{bare}/x https://example.com{bare}/x {bare}space/x\n");
            assert_eq!(machine_paths(&File::new("a.md", &harmless)), [], "{path}");
        }
    }

    #[test]
    fn each_registry_host_is_found() {
        for host in REGISTRIES {
            assert_eq!(
                lines(&registries(&File::new("a.md", &format!("\nhttps://{host}/x\n")))),
                [2]
            );
        }
        assert_eq!(
            registries(&File::new("Cargo.lock", &format!("source = \"{CRATES_IO}\"\n"))),
            []
        );
    }

    #[test]
    fn a_locked_crate_from_elsewhere_is_found() {
        let lock = format!("source = \"{CRATES_IO}\"\nsource = \"git+https://example.com/x#1\"\n");
        assert_eq!(lines(&locked_sources(&File::new("Cargo.lock", &lock))), [2]);
        assert_eq!(locked_sources(&File::new("notes.md", &lock)), []);
    }
}
