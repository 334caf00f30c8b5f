//! Which crate may see what: rules in the middle, state and surfaces around it.

use super::source::named_paths;
use super::{File, Problem};

/// What each crate must not name, with the reason that a contributor is told.
const FORBIDDEN: [(&str, &[&str], &str); 2] = [
    (
        "crates/core/",
        &[
            "axum",
            "hyper",
            "hyper_util",
            "rusqlite",
            "tokio_postgres",
            "deadpool_postgres",
            "redis",
        ],
        "core holds the rules and sees neither HTTP nor a database",
    ),
    (
        "crates/http/",
        &["rusqlite", "tokio_postgres", "deadpool_postgres", "redis", "tenantry_backends"],
        "surfaces reach state through core only",
    ),
];

/// Paths into crates of another layer.
pub(crate) fn imports(file: &File) -> Vec<Problem> {
    let (Some(code), Some((crates, why))) = (&file.code, forbidden_for(&file.path)) else {
        return Vec::new();
    };
    named_paths(code)
        .iter()
        .filter(|path| path.segments.len() > 1 || path.imported)
        .filter_map(|path| {
            let first = path.segments.first().filter(|first| crates.contains(&first.as_str()))?;
            Some(file.problem(path.line, format!("`{first}`: {why}")))
        })
        .collect()
}

/// Dependencies on crates of another layer, renamed ones and those of tests included.
pub(crate) fn dependencies(file: &File) -> Vec<Problem> {
    let Some((crates, why)) = forbidden_for(&file.path) else { return Vec::new() };
    if !file.path.ends_with("/Cargo.toml") {
        return Vec::new();
    }
    let mut problems = Vec::new();
    let mut section = "";
    for (index, line) in file.text.lines().map(str::trim).enumerate() {
        let mut named = Vec::new();
        if let Some(header) = line.strip_prefix('[') {
            section = header.trim_end_matches(']');
            named.extend(section.split_once("dependencies.").map(|(_, name)| name));
        } else if section.contains("dependencies") {
            named.extend(line.split(['=', '.']).next());
            named.extend(line.split_once("package").and_then(|(_, rest)| rest.split('"').nth(1)));
        }
        for name in named.iter().map(|name| name.trim().trim_matches('"')) {
            if crates.contains(&name.replace('-', "_").as_str()) {
                problems.push(file.problem(index + 1, format!("`{name}`: {why}")));
            }
        }
    }
    problems
}

/// Domain types have no `Serialize`: a wire struct is filled by hand, so a new field is no leak.
pub(crate) fn serialize_in_core(file: &File) -> Vec<Problem> {
    let code = file.code.iter().filter(|_| file.path.starts_with("crates/core/src/"));
    code.flat_map(|code| code.lines())
        .enumerate()
        .filter(|(_, line)| {
            line.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == "Serialize")
        })
        .map(|(index, _)| {
            file.problem(
                index + 1,
                "`Serialize`: domain types are not wire types; surfaces encode by hand",
            )
        })
        .collect()
}

fn forbidden_for(path: &str) -> Option<(&'static [&'static str], &'static str)> {
    FORBIDDEN
        .iter()
        .find(|(folder, _, _)| path.starts_with(folder))
        .map(|(_, crates, why)| (*crates, *why))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(problems: &[Problem]) -> Vec<usize> {
        problems.iter().map(|problem| problem.line).collect()
    }

    #[test]
    fn each_forbidden_crate_is_found_as_import_path_and_dependency() {
        for (folder, crates, _) in FORBIDDEN {
            for name in crates {
                let code =
                    format!("use {name};\nuse {name}::{{A, B}};\nfn f() -> {name}::C {{}}\n");
                assert_eq!(
                    lines(&imports(&File::new(&format!("{folder}src/a.rs"), &code))),
                    [1, 2, 2, 3]
                );
                let manifest = format!(
                    "[dependencies]\n{name}.workspace = true\n[dev-dependencies.{name}]\n[dev-dependencies]\n\
                     x = {{ package = \"{name}\", version = \"1\" }}\n"
                );
                let file = File::new(&format!("{folder}Cargo.toml"), &manifest);
                assert_eq!(lines(&dependencies(&file)), [2, 3, 5], "{name}");
            }
        }
        let dashed =
            File::new("crates/http/Cargo.toml", "[dev-dependencies]\ntenantry-backends = \"1\"\n");
        assert_eq!(lines(&dependencies(&dashed)), [2]);
    }

    #[test]
    fn other_crates_and_mere_words_pass() {
        let words = File::new(
            "crates/core/src/a.rs",
            "/// rusqlite::Row\nlet redis = \"hyper::Body\"; // axum::x\n",
        );
        assert_eq!(imports(&words), []);
        assert_eq!(imports(&File::new("crates/backends/src/a.rs", "use rusqlite::Row;\n")), []);
        let manifest = "[package]\nname = \"redis\"\n[dependencies]\nhyper.workspace = true\n";
        assert_eq!(dependencies(&File::new("crates/http/Cargo.toml", manifest)), []);
    }

    #[test]
    fn serialize_is_found_in_core_and_nowhere_else() {
        let code =
            "use serde::Serialize;\n#[derive(Debug, serde::Serialize)]\nstruct A;\n// Serialize\n";
        assert_eq!(lines(&serialize_in_core(&File::new("crates/core/src/a.rs", code))), [1, 2]);
        assert_eq!(serialize_in_core(&File::new("crates/api/src/a.rs", code)), []);
        let other =
            File::new("crates/core/src/a.rs", "#[derive(Deserialize)]\nstruct Serialized;\n");
        assert_eq!(serialize_in_core(&other), []);
    }
}
