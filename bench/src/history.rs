//! Results of earlier runs, a file each.

use crate::Outcome;
use crate::report::Report;
use std::fs;
use std::path::{Path, PathBuf};

/// The newest result of that form.
pub(crate) fn latest(folder: &Path, form: &str) -> Option<Report> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    // Names are times.
    files.sort();
    files.iter().rev().find_map(|file| {
        let report: Report = serde_json::from_str(&fs::read_to_string(file).ok()?).ok()?;
        (report.form == form).then_some(report)
    })
}

/// Keeps a result.
pub(crate) fn keep(folder: &Path, report: &Report) -> Outcome<PathBuf> {
    fs::create_dir_all(folder)?;
    let file = folder.join(format!("{}.json", report.at));
    fs::write(&file, serde_json::to_string_pretty(report)? + "\n")?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(at: &str, form: &str) -> Report {
        Report {
            at: at.to_owned(),
            form: form.to_owned(),
            commit: String::new(),
            processor: String::new(),
            cores: 2,
            load_averages: String::new(),
            rows: Vec::new(),
            figures: Vec::new(),
        }
    }

    #[test]
    fn the_newest_result_of_the_same_form_is_found() {
        let folder = tempfile::tempdir().expect("a folder");
        for (at, form) in [("2026-01-02", "quick"), ("2026-01-01", "quick"), ("2026-01-03", "long")]
        {
            keep(folder.path(), &report(at, form)).expect("kept");
        }
        fs::write(folder.path().join("2026-01-09.json"), "no result").expect("written");
        let latest = latest(folder.path(), "quick").expect("a result");
        assert_eq!(latest.at, "2026-01-02");
    }
}
