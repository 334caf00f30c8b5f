//! Rules of the source tree that no compiler checks.
//!
//! Each check is a pure function of a path and its text, so that a planted offence shows that it can fail.

mod dialects;
mod layers;
mod map;
mod migrations;
mod rust;
mod source;
mod sql;
mod text;

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::TaskResult;
use crate::process::read;

/// One offence, printed as `path:line: message`.
#[derive(Debug, PartialEq)]
pub(crate) struct Problem {
    path: String,
    line: usize,
    message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.message)
    }
}

/// A text file of the repository, its path relative to the top and with `/`.
pub(crate) struct File {
    path: String,
    text: String,
    /// The text without comments and literals, lines kept, if this is Rust.
    code: Option<String>,
}

impl File {
    fn new(path: &str, text: &str) -> Self {
        let code = has_extension(path, "rs").then(|| source::code_only(text));
        Self { path: path.into(), text: text.into(), code }
    }

    fn problem(&self, line: usize, message: impl Into<String>) -> Problem {
        Problem { path: self.path.clone(), line, message: message.into() }
    }
}

const CHECKS: &[fn(&File) -> Vec<Problem>] = &[
    rust::file_size,
    rust::banned_code,
    rust::banned_names,
    layers::imports,
    layers::dependencies,
    layers::serialize_in_core,
    sql::portable,
    text::line_ends,
    text::machine_paths,
    text::registries,
    text::locked_sources,
];

/// Prints every offence in the files that git tracks or would track.
pub(crate) fn run(root: &Path) -> TaskResult {
    let paths = listed_paths(root)?;
    let mut problems = Vec::new();
    for path in &paths {
        let bytes = fs::read(root.join(path))?;
        let Ok(text) = String::from_utf8(bytes) else { continue };
        if !text.contains('\0') {
            problems.extend(check_file(&File::new(path, &text), &paths));
        }
    }
    problems.extend(migrations::numbers(&paths));
    problems.extend(architecture(root));
    problems.sort_by(|a, b| (&a.path, a.line).cmp(&(&b.path, b.line)));
    for problem in &problems {
        println!("{problem}");
    }
    if problems.is_empty() {
        println!("{} files are tidy", paths.len());
        return Ok(());
    }
    Err(format!("tidy: problems found: {}", problems.len()).into())
}

fn check_file(file: &File, paths: &BTreeSet<String>) -> Vec<Problem> {
    let mut problems: Vec<Problem> = CHECKS.iter().flat_map(|check| check(file)).collect();
    problems.extend(dialects::imports(file, &dialects::names(paths)));
    problems
}

fn has_extension(path: &str, extension: &str) -> bool {
    Path::new(path).extension().is_some_and(|found| found == extension)
}

fn architecture(root: &Path) -> Vec<Problem> {
    match fs::read_to_string(root.join(map::FILE)) {
        Ok(text) => {
            map::missing_paths(&File::new(map::FILE, &text), |path| root.join(path).exists())
        }
        Err(error) => {
            vec![Problem {
                path: map::FILE.into(),
                line: 1,
                message: format!("cannot be read: {error}"),
            }]
        }
    }
}

/// Tracked files and new ones that are not ignored; a tracked file that was just deleted is left out.
fn listed_paths(root: &Path) -> TaskResult<BTreeSet<String>> {
    let listing = read(Command::new("git").current_dir(root).args([
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
    ]))?;
    let paths = listing.split_terminator('\0');
    Ok(paths.filter(|path| root.join(path).is_file()).map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offence_is_printed_with_its_file_and_line() {
        let file = File::new("crates/core/src/keys.rs", "fn a() {}\n\nfn b() { todo!() }\n");
        let problems = check_file(&file, &BTreeSet::new());
        let printed: Vec<String> = problems.iter().map(Problem::to_string).collect();
        assert_eq!(printed, ["crates/core/src/keys.rs:3: `todo!(` is not left in the source"]);
    }

    #[test]
    fn a_clean_file_passes_every_check() {
        let file =
            File::new("crates/http/src/dialects/accounts/keys.rs", "use crate::caller::Caller;\n");
        assert_eq!(check_file(&file, &BTreeSet::new()), []);
    }
}
