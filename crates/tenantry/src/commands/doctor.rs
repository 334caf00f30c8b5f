//! `doctor`: what is wrong with the data directory? Changes nothing.

mod audit;
mod database;
mod files;

use crate::cli::Doctor;
use crate::config::Config;
use crate::{Failure, Result, output, wiring};
use serde::Serialize;
use tenantry_backends::sqlite::{DATABASE_FILE, Findings};

#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Good,
    /// Nothing is wrong yet.
    Warning,
    Wrong,
}

/// One thing that was looked at.
#[derive(Serialize)]
struct Check {
    name: &'static str,
    status: Status,
    detail: String,
    /// The first of the rows that are wrong.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    rows: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    table: &'static str,
    id: String,
    problem: &'static str,
}

impl Check {
    fn new(name: &'static str, status: Status, detail: impl Into<String>) -> Self {
        Self { name, status, detail: detail.into(), rows: Vec::new() }
    }

    fn good(name: &'static str, detail: impl Into<String>) -> Self {
        Self::new(name, Status::Good, detail)
    }

    fn warning(name: &'static str, detail: impl Into<String>) -> Self {
        Self::new(name, Status::Warning, detail)
    }

    fn wrong(name: &'static str, detail: impl Into<String>) -> Self {
        Self::new(name, Status::Wrong, detail)
    }

    /// What was found in rows.
    fn rows(name: &'static str, good: String, wrong: &str, findings: Findings) -> Self {
        if findings.wrong == 0 {
            return Self::good(name, good);
        }
        let rows = findings.first.into_iter();
        let rows =
            rows.map(|row| Row { table: row.table, id: row.id, problem: row.problem }).collect();
        Self { rows, ..Self::wrong(name, format!("{} {wrong}", findings.wrong)) }
    }
}

/// `doctor`
pub(crate) fn run(config: &Config, command: &Doctor) -> Result<()> {
    config.require_embedded("doctor", "ask PostgreSQL's own tools, such as pg_amcheck")?;
    if !config.data_dir.join(DATABASE_FILE).exists() {
        return Err(wiring::nothing_there(&config.data_dir));
    }
    let mut checks = files::check(config);
    checks.extend(database::check(config, command.full));
    let wrong = checks.iter().filter(|check| check.status == Status::Wrong).count();
    if command.printing.json {
        output::json(&serde_json::json!({ "healthy": wrong == 0, "checks": checks }))?;
    } else {
        print(&checks);
    }
    match wrong {
        0 => Ok(()),
        1 => Err(Failure::Setting("1 check found something wrong".to_owned())),
        wrong => Err(Failure::Setting(format!("{wrong} checks found something wrong"))),
    }
}

fn print(checks: &[Check]) {
    let rows = checks.iter().flat_map(|check| {
        let status = match check.status {
            Status::Good => "good",
            Status::Warning => "warning",
            Status::Wrong => "WRONG",
        };
        let line = vec![status.to_owned(), check.name.to_owned(), check.detail.clone()];
        let below = check.rows.iter().map(|row| {
            let text = format!("  {} {}: {}", row.table, row.id, row.problem);
            vec![String::new(), String::new(), text]
        });
        std::iter::once(line).chain(below).collect::<Vec<_>>()
    });
    output::table(&["STATUS", "CHECK", "DETAIL"], rows);
}
