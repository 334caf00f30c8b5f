//! What SQL for PostgreSQL may use: what its relatives have as well, and what a pooler lets pass. The
//! rules are those of `docs/operating/postgresql.md`.

use super::{File, Problem};

const SOURCES: &str = "crates/backends/src/postgres/";
const MIGRATIONS: &str = "crates/backends/migrations/postgres/";
/// Nothing depends on what this file sends.
const HINTS: &str = "crates/backends/src/postgres/hints.rs";

const NO_RELATIVE: &str = "relatives of PostgreSQL lack it or have it otherwise";
const SESSION: &str = "stays in a session, which a pooler gives to others";
const UNPROVEN: &str = "nothing may depend on it";

/// Words of SQL, written as here.
const WORDS: [(&str, &str); 26] = [
    ("SERIAL", NO_RELATIVE),
    ("BIGSERIAL", NO_RELATIVE),
    ("SEQUENCE", NO_RELATIVE),
    ("IDENTITY", NO_RELATIVE),
    ("GENERATED", NO_RELATIVE),
    ("nextval", NO_RELATIVE),
    ("TRIGGER", NO_RELATIVE),
    ("FUNCTION", NO_RELATIVE),
    ("PROCEDURE", NO_RELATIVE),
    ("TYPE", NO_RELATIVE),
    ("DOMAIN", NO_RELATIVE),
    ("ENUM", NO_RELATIVE),
    ("EXTENSION", NO_RELATIVE),
    ("LOCK TABLE", NO_RELATIVE),
    ("SERIALIZABLE", NO_RELATIVE),
    ("ctid", NO_RELATIVE),
    ("xmin", NO_RELATIVE),
    ("jsonb", NO_RELATIVE),
    ("timestamptz", NO_RELATIVE),
    ("pg_advisory_lock", NO_RELATIVE),
    ("pg_advisory_xact_lock", NO_RELATIVE),
    ("TEMPORARY", SESSION),
    ("TEMP", SESSION),
    ("CURSOR", SESSION),
    ("LISTEN", UNPROVEN),
    ("NOTIFY", UNPROVEN),
];

/// Calls that give a statement a name, or look types up by such statements.
const CALLS: [&str; 8] = [
    ".prepare(",
    ".prepare_typed(",
    ".prepare_cached(",
    ".query(",
    ".query_one(",
    ".query_opt(",
    ".query_raw(",
    ".execute(",
];

/// SQL that not all of those could run, and settings and statements that outlast a transaction.
pub(crate) fn portable(file: &File) -> Vec<Problem> {
    let migration = file.path.starts_with(MIGRATIONS);
    if !migration && !file.path.starts_with(SOURCES) {
        return Vec::new();
    }
    let mut problems = Vec::new();
    for (index, line) in file.text.lines().enumerate() {
        let line = line.trim_start();
        if line.starts_with("//") || line.starts_with("--") {
            continue;
        }
        for (word, why) in WORDS {
            let hint = why == UNPROVEN && file.path == HINTS;
            if !hint && holds(line, word) {
                problems.push(file.problem(index + 1, format!("`{word}`: {why}")));
            }
        }
        // A line of its own that ends within the text: `SET` of an update goes on.
        let setting =
            line.starts_with("SET ") && line.split('"').next().unwrap_or("").contains(';');
        if holds(line, "SET SESSION") || (setting && !holds(line, "SET LOCAL")) {
            problems.push(file.problem(index + 1, format!("`SET`: {SESSION}; write `SET LOCAL`")));
        }
    }
    for (index, line) in file.code.iter().flat_map(|code| code.lines()).enumerate() {
        for call in CALLS.iter().filter(|call| line.contains(**call)) {
            problems.push(file.problem(
                index + 1,
                format!("`{call}…)` names a statement in a session; use `query_typed_raw`"),
            ));
        }
    }
    problems
}

/// Whether a line has a word, or several, by themselves.
fn holds(line: &str, word: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, found)| {
        !line[..at].ends_with(part) && !line[at + found.len()..].starts_with(part)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offences(path: &str, text: &str) -> usize {
        portable(&File::new(path, text)).len()
    }

    #[test]
    fn each_planted_offence_is_found() {
        let source = "crates/backends/src/postgres/keys.rs";
        let migration = "crates/backends/migrations/postgres/0099_x.sql";
        for (word, _) in WORDS {
            assert_eq!(offences(source, &format!("const X: &str = \"a {word} b\";")), 1, "{word}");
            assert_eq!(offences(migration, &format!("CREATE {word} x;")), 1, "{word}");
            assert_eq!(offences(source, &format!("const X: &str = \"{word}s\";")), 0, "{word}");
            assert_eq!(offences(source, &format!("// {word}")), 0, "{word}");
        }
        for call in CALLS {
            assert_eq!(offences(source, &format!("client{call}SQL, &[]).await?")), 1, "{call}");
        }
        assert_eq!(offences(migration, "SET statement_timeout = 3;"), 1);
        assert_eq!(offences(source, "    SET LOCAL statement_timeout = 3000;"), 0);
        assert_eq!(offences(source, "    SET name = excluded.name\";"), 0);
    }

    #[test]
    fn hints_may_notify_and_other_stores_have_their_own_rules() {
        assert_eq!(offences(HINTS, "const X: &str = \"NOTIFY x\";"), 0);
        assert_eq!(offences(HINTS, "const X: &str = \"CREATE SEQUENCE x\";"), 1);
        let sqlite = "crates/backends/src/sqlite/keys.rs";
        assert_eq!(offences(sqlite, "connection.prepare_cached(\"CREATE TRIGGER\")"), 0);
    }
}
