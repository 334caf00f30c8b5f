//! Migrations are numbered 1, 2, 3 … in each folder: a gap or a double is a merge gone wrong.

use std::collections::{BTreeMap, BTreeSet};

use super::Problem;

const FOLDER: &str = "crates/backends/migrations/";

/// Files that are no `0001_name.sql`, and numbers that do not follow the one before.
pub(crate) fn numbers(paths: &BTreeSet<String>) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut folders: BTreeMap<&str, Vec<(u32, &str)>> = BTreeMap::new();
    for path in paths {
        let Some((folder, name)) =
            path.strip_prefix(FOLDER).and_then(|inside| inside.split_once('/'))
        else {
            continue;
        };
        match number(name) {
            Some(number) => folders.entry(folder).or_default().push((number, path)),
            None => problems.push(problem(path, "is not named like 0001_what_it_does.sql")),
        }
    }
    for migrations in folders.values_mut() {
        migrations.sort_unstable();
        for (expected, (number, path)) in (1..).zip(migrations) {
            if *number != expected {
                problems
                    .push(problem(path, &format!("has number {number} where {expected} follows")));
                break;
            }
        }
    }
    problems
}

fn number(name: &str) -> Option<u32> {
    let (number, title) = name.strip_suffix(".sql")?.split_once('_')?;
    let digits = number.len() == 4 && number.bytes().all(|byte| byte.is_ascii_digit());
    if digits && !title.is_empty() { number.parse().ok() } else { None }
}

fn problem(path: &str, message: &str) -> Problem {
    Problem { path: path.to_owned(), line: 1, message: message.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offences(names: &[&str]) -> Vec<String> {
        let paths = names.iter().map(|name| format!("{FOLDER}{name}")).collect();
        numbers(&paths).iter().map(Problem::to_string).collect()
    }

    #[test]
    fn consecutive_numbers_pass_in_each_folder() {
        let names =
            ["sqlite/0001_accounts.sql", "sqlite/0002_keys.sql", "postgres/0001_accounts.sql"];
        assert_eq!(offences(&names), [""; 0]);
        assert_eq!(offences(&[]), [""; 0]);
    }

    #[test]
    fn a_gap_a_double_a_wrong_start_and_a_wrong_name_are_found() {
        let gap = offences(&["sqlite/0001_a.sql", "sqlite/0003_b.sql"]);
        assert_eq!(
            gap,
            ["crates/backends/migrations/sqlite/0003_b.sql:1: has number 3 where 2 follows"]
        );
        let double = offences(&["sqlite/0001_a.sql", "sqlite/0001_b.sql"]);
        assert_eq!(
            double,
            ["crates/backends/migrations/sqlite/0001_b.sql:1: has number 1 where 2 follows"]
        );
        assert_eq!(offences(&["sqlite/0002_a.sql"]).len(), 1);
        assert_eq!(offences(&["sqlite/1_a.sql", "sqlite/keys.sql", "sqlite/0001_.sql"]).len(), 3);
    }
}
