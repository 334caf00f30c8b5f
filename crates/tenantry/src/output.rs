//! What commands print: JSON for programs, tables for people, failures on standard error.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "printing is what this is for")]

use crate::{Failure, Result};
use comfy_table::{Table, presets};
use serde::Serialize;
use std::error::Error as _;
use std::process::ExitCode;

/// A line for people, or an answer by itself.
pub(crate) fn line(text: &str) {
    println!("{text}");
}

/// A value as JSON.
pub(crate) fn json(value: &impl Serialize) -> Result<()> {
    let text = serde_json::to_string_pretty(value).map_err(|e| Failure::Answer(e.to_string()))?;
    println!("{text}");
    Ok(())
}

/// Rows under a head.
pub(crate) fn table(head: &[&str], rows: impl IntoIterator<Item = Vec<String>>) {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_header(head);
    for row in rows {
        table.add_row(row);
    }
    println!("{table}");
}

/// Names and values, one a line.
pub(crate) fn fields(fields: &[(&str, &str)]) {
    let width = fields.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    for (name, value) in fields {
        println!("{name:width$}  {value}");
    }
}

/// A failure with its causes.
pub(crate) fn fail(failure: &Failure) -> ExitCode {
    eprintln!("tenantry: {failure}");
    let mut cause = match failure {
        // Its text already tells the cause.
        Failure::Io(..) | Failure::Archive(..) => None,
        failure => failure.source().and_then(std::error::Error::source),
    };
    while let Some(error) = cause {
        eprintln!("  because: {error}");
        cause = error.source();
    }
    ExitCode::FAILURE
}
