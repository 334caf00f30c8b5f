//! What is printed and kept: a row for each scenario, a figure for each thing that is wanted.

use crate::sample::Sample;
use crate::statistics::{median, median_ratio, range, ratios, spread};
use comfy_table::{CellAlignment, Table, presets};
use serde::{Deserialize, Serialize};

/// A run's result, as it is kept.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Report {
    pub(crate) at: String,
    pub(crate) form: String,
    pub(crate) commit: String,
    pub(crate) processor: String,
    pub(crate) cores: usize,
    /// Load averages when the run began: what else the machine did.
    pub(crate) load_averages: String,
    pub(crate) rows: Vec<Row>,
    pub(crate) figures: Vec<Figure>,
}

/// A scenario and all its repetitions.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) samples: Vec<Sample>,
}

/// One number of the run.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Figure {
    pub(crate) name: String,
    pub(crate) unit: String,
    pub(crate) value: f64,
    pub(crate) wanted: Option<Wanted>,
    /// The smallest and the largest of the repetitions, where it is their median.
    #[serde(default)]
    pub(crate) range: Option<(f64, f64)>,
    /// True where the control itself was another one each time, so that the figure settles nothing.
    #[serde(default)]
    pub(crate) noisy: bool,
}

/// How far apart a control's repetitions may be, in medians.
const SPREAD_MAX: f64 = 0.3;

/// What a figure should be.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) enum Wanted {
    AtLeast(f64),
    AtMost(f64),
}

impl Figure {
    pub(crate) fn one(name: String, unit: &str, value: f64) -> Self {
        Self { name, unit: unit.to_owned(), value, wanted: None, range: None, noisy: false }
    }

    /// The median of the ratios of each repetition.
    pub(crate) fn ratio(name: String, values: &[f64], controls: &[f64]) -> Option<Self> {
        let ratios = ratios(values, controls);
        let one = Self::one(name, "x", median(&ratios)?);
        let noisy = spread(controls).is_some_and(|spread| spread > SPREAD_MAX);
        Some(Self { range: range(&ratios), noisy, ..one })
    }

    pub(crate) fn wanting(self, wanted: Wanted) -> Self {
        Self { wanted: Some(wanted), ..self }
    }

    fn verdict(&self) -> &'static str {
        match self.wanted {
            _ if self.noisy => "noisy",
            None => "",
            Some(Wanted::AtLeast(limit)) if self.value >= limit => "met",
            Some(Wanted::AtMost(limit)) if self.value <= limit => "met",
            Some(_) => "MISSED",
        }
    }
}

impl Row {
    pub(crate) fn rates(&self) -> Vec<f64> {
        self.samples.iter().map(|sample| sample.rate).collect()
    }

    pub(crate) fn cpu(&self) -> Vec<f64> {
        self.samples.iter().filter_map(|sample| sample.cpu_micros).collect()
    }

    pub(crate) fn database(&self) -> Vec<f64> {
        self.samples.iter().filter_map(|sample| sample.database_micros).collect()
    }

    pub(crate) fn p99(&self) -> Vec<f64> {
        self.samples.iter().filter_map(|sample| sample.p99_micros).collect()
    }

    fn p50(&self) -> Vec<f64> {
        self.samples.iter().filter_map(|sample| sample.p50_micros).collect()
    }

    fn errors(&self) -> u64 {
        self.samples.iter().map(|sample| sample.errors).sum()
    }
}

impl Report {
    pub(crate) fn row(&self, name: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.name == name)
    }

    /// Both tables. Changes are against `before`, a result of the same form.
    pub(crate) fn print(&self, before: Option<&Self>) {
        println!("\n{}", self.row_table(before));
        println!("\n{}", self.figure_table(before));
        if let Some(before) = before {
            println!("\nchanges are against {} ({})", before.at, before.commit);
        }
    }

    fn row_table(&self, before: Option<&Self>) -> Table {
        let mut table = plain_table(&[
            "scenario", "per s", "x HELLO", "change", "CPU us", "x HELLO", "p50 ms", "p99 ms",
            "x HELLO", "errors",
        ]);
        let control = self.rows.first();
        for row in &self.rows {
            let ratio = |of: fn(&Row) -> Vec<f64>| {
                control.and_then(|control| median_ratio(&of(row), &of(control)))
            };
            let old = before.and_then(|before| {
                median_ratio(&before.row(&row.name)?.rates(), &before.rows.first()?.rates())
            });
            let change = ratio(Row::rates).zip(old).map(|(now, old)| percent(now, old));
            let errors = match row.errors() {
                0 => "0".to_owned(),
                count => format!("{count} WRONG"),
            };
            table.add_row([
                row.name.clone(),
                shown(median(&row.rates()), 0),
                shown(ratio(Row::rates), 3),
                change.unwrap_or_default(),
                shown(median(&row.cpu()), 1),
                shown(ratio(Row::cpu), 2),
                shown(median(&row.p50()).map(|micros| micros / 1e3), 2),
                shown(median(&row.p99()).map(|micros| micros / 1e3), 2),
                shown(ratio(Row::p99), 2),
                errors,
            ]);
        }
        table
    }

    fn figure_table(&self, before: Option<&Self>) -> Table {
        let mut table =
            plain_table(&["figure", "value", "from", "to", "unit", "change", "wanted", ""]);
        for figure in &self.figures {
            let old = before.and_then(|before| {
                before.figures.iter().find(|old| old.name == figure.name).map(|old| old.value)
            });
            let wanted = match figure.wanted {
                None => String::new(),
                Some(Wanted::AtLeast(limit)) => format!(">= {limit}"),
                Some(Wanted::AtMost(limit)) => format!("<= {limit}"),
            };
            let digits = if figure.value < 10.0 { 3 } else { 1 };
            table.add_row([
                figure.name.clone(),
                shown(Some(figure.value), digits),
                shown(figure.range.map(|(from, _)| from), digits),
                shown(figure.range.map(|(_, to)| to), digits),
                figure.unit.clone(),
                old.map(|old| percent(figure.value, old)).unwrap_or_default(),
                wanted,
                figure.verdict().to_owned(),
            ]);
        }
        table
    }
}

fn plain_table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::ASCII_MARKDOWN).set_header(header);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn shown(value: Option<f64>, digits: usize) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.digits$}"))
}

fn percent(now: f64, before: f64) -> String {
    crate::statistics::change_percent(now, before)
        .map_or_else(String::new, |change| format!("{change:+.1} %"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_to_a_control_that_was_another_one_each_time_settles_nothing() {
        let ratio = |controls: [f64; 3]| {
            let figure = Figure::ratio("a / b".to_owned(), &[100.0, 120.0, 110.0], &controls);
            figure.expect("a ratio").wanting(Wanted::AtLeast(1.0))
        };
        let steady = ratio([100.0, 110.0, 100.0]);
        assert_eq!((steady.verdict(), steady.range), ("met", Some((1.0, 1.1))));
        assert_eq!(ratio([100.0, 140.0, 110.0]).verdict(), "noisy");
        assert_eq!(ratio([120.0, 130.0, 125.0]).verdict(), "MISSED");
    }
}
