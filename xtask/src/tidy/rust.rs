//! What no Rust file may be or hold: too long, named after nothing, or unfinished.

use super::{File, Problem};

const LINES_MAX: usize = 600;

/// Names that say nothing of what is inside.
const NAMES: [&str; 5] = ["utils", "helpers", "common", "manager", "misc"];

const CODE: [(&str, &str); 6] = [
    ("todo!(", "is not left in the source"),
    ("unimplemented!(", "is not left in the source"),
    ("dbg!(", "is not left in the source"),
    ("#[ignore", "hides a test: make it pass or delete it"),
    ("#[allow(", "goes stale unseen: write `#[expect(…, reason = …)]`"),
    ("#![allow(", "goes stale unseen: write `#![expect(…, reason = …)]`"),
];

/// A file that grew past the limit is split by meaning.
pub(crate) fn file_size(file: &File) -> Vec<Problem> {
    let lines = file.text.lines().count();
    if file.code.is_none() || lines <= LINES_MAX {
        return Vec::new();
    }
    vec![
        file.problem(
            lines,
            format!("{lines} lines, {LINES_MAX} are the limit: split it by meaning"),
        ),
    ]
}

/// Marks of unfinished work and of silenced checks.
pub(crate) fn banned_code(file: &File) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (index, line) in file.code.iter().flat_map(|code| code.lines()).enumerate() {
        for (code, why) in CODE {
            if line.match_indices(code).any(|(at, _)| stands_alone(line, at)) {
                problems.push(file.problem(index + 1, format!("`{code}` {why}")));
            }
        }
    }
    problems
}

/// Files, folders and inline modules with a name that fits everything.
pub(crate) fn banned_names(file: &File) -> Vec<Problem> {
    let mut problems = Vec::new();
    let stems = file.path.split('/').filter_map(|part| part.split('.').next());
    for name in stems.filter(|stem| NAMES.contains(stem)) {
        problems.push(file.problem(1, format!("`{name}` names nothing: say what is inside")));
    }
    for (index, line) in file.code.iter().flat_map(|code| code.lines()).enumerate() {
        let mut words = line
            .split(|c: char| !c.is_alphanumeric() && c != '_')
            .skip_while(|word| *word != "mod");
        if let Some(name) = words.nth(1).filter(|name| NAMES.contains(name)) {
            problems.push(
                file.problem(
                    index + 1,
                    format!("module `{name}` names nothing: say what is inside"),
                ),
            );
        }
    }
    problems
}

/// `my_dbg!(` is another macro than `dbg!(`.
fn stands_alone(line: &str, at: usize) -> bool {
    !line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_601_lines_is_too_long_and_one_of_600_is_not() {
        let long = File::new("crates/core/src/keys.rs", &"\n".repeat(601));
        assert_eq!(file_size(&long)[0].line, 601);
        assert_eq!(file_size(&File::new("crates/core/src/keys.rs", &"\n".repeat(600))), []);
        assert_eq!(file_size(&File::new("Cargo.lock", &"\n".repeat(601))), []);
    }

    #[test]
    fn each_mark_of_unfinished_work_is_found_in_code_and_not_in_words_about_it() {
        for (code, _) in CODE {
            let planted = File::new("a.rs", &format!("fn f() {{}}\n    {code}"));
            assert_eq!(
                banned_code(&planted).iter().map(|p| p.line).collect::<Vec<_>>(),
                [2],
                "{code}"
            );
            let spoken = File::new("a.rs", &format!("// {code}\nconst A: &str = \"{code}\";\n"));
            assert_eq!(banned_code(&spoken), [], "{code}");
        }
        assert_eq!(banned_code(&File::new("a.rs", "my_dbg!(1)")), []);
    }

    #[test]
    fn each_empty_name_is_found_as_file_folder_and_module() {
        for name in NAMES {
            assert_eq!(
                banned_names(&File::new(&format!("crates/core/src/{name}.rs"), "")).len(),
                1
            );
            assert_eq!(banned_names(&File::new(&format!("docs/{name}/index.md"), "")).len(), 1);
            assert_eq!(
                banned_names(&File::new("a.rs", &format!("\npub(crate) mod {name} {{}}\n")))[0]
                    .line,
                2
            );
        }
        assert_eq!(banned_names(&File::new("crates/core/src/commit.rs", "mod common_name;\n")), []);
    }
}
