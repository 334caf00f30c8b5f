//! Databases of tenants' own: the product's schema in all of them beside `psql`, and what everybody
//! else notices while the half of them is away.

mod site;

use crate::load::Until;
use crate::plan::{Plan, REPETITIONS};
use crate::report::{Figure, Report, Row, Wanted};
use crate::sample::Sample;
use crate::{Outcome, clock, history, prepare, process, run};
use site::{Far, Site};
use std::path::PathBuf;
use std::time::Duration;

/// Tenants, half of them on each of two servers.
const TENANTS: usize = 100;

/// What is measured, and for how long.
#[derive(clap::Args)]
pub(crate) struct Databases {
    /// The release server
    #[arg(long, default_value = "target/release/tenantry")]
    server: PathBuf,
    /// Short runs: three minutes
    #[arg(long)]
    quick: bool,
    /// Where stores are kept
    #[arg(long, default_value = "target/bench-store")]
    stores: PathBuf,
    /// Where results are kept
    #[arg(long, default_value = "bench/results")]
    results: PathBuf,
    /// Only scenarios whose name contains this (no result is written)
    #[arg(long)]
    only: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scenario {
    /// The product's next files into all databases, so many at once.
    Migrate(usize),
    /// The same by `psql`, once for each database.
    Psql(usize),
    /// Accounts with what is in their databases, on the server that always answers.
    Records(Far),
    /// Keys of all tenants.
    Verify(Far),
}

impl Scenario {
    /// Nothing serves while these run.
    const SCHEMA: [Self; 4] = [Self::Migrate(1), Self::Migrate(8), Self::Psql(1), Self::Psql(8)];
    const SERVED: [Self; 8] = [
        Self::Records(Far::Rests),
        Self::Records(Far::Answers),
        Self::Records(Far::Refuses),
        Self::Records(Far::IsSilent),
        Self::Verify(Far::Rests),
        Self::Verify(Far::Answers),
        Self::Verify(Far::Refuses),
        Self::Verify(Far::IsSilent),
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Migrate(1) => "migrate --all, one at a time",
            Self::Migrate(_) => "migrate --all, 8 at once",
            Self::Psql(1) => "psql, one after the other",
            Self::Psql(_) => "psql, 8 at once",
            Self::Records(Far::Rests) => "others' records, nothing else",
            Self::Records(Far::Answers) => "others' records, all answer",
            Self::Records(Far::Refuses) => "others' records, half are away",
            Self::Records(Far::IsSilent) => "others' records, half are silent",
            Self::Verify(Far::Rests) => "verify, nothing else",
            Self::Verify(Far::Answers) => "verify, all answer",
            Self::Verify(Far::Refuses) => "verify, half are away",
            Self::Verify(Far::IsSilent) => "verify, half are silent",
        }
    }
}

impl Databases {
    /// Measures, prints, and keeps the result.
    pub(crate) fn run(&self) -> Outcome {
        let began = clock::now();
        let load_averages = process::load_averages();
        println!("load averages at the start: {load_averages}");
        let store = prepare::anew(&self.stores, 1)?;
        let mut site = Site::make(&self.server, &store, TENANTS)?;
        let mut rows = self.repeat(&Scenario::SCHEMA, |scenario| match scenario {
            Scenario::Migrate(at_once) => site.migrate(at_once).map(Sample::of_rate),
            Scenario::Psql(at_once) => site.psql(at_once).map(Sample::of_rate),
            Scenario::Records(_) | Scenario::Verify(_) => Err("nothing serves".into()),
        })?;
        let time = Duration::from_secs(if self.quick { 4 } else { 15 });
        rows.extend(self.repeat(&Scenario::SERVED, |scenario| match scenario {
            Scenario::Records(far) => site.records(far, Until::Elapsed(time)),
            Scenario::Verify(far) => site.verify(far, Until::Elapsed(time)),
            Scenario::Migrate(_) | Scenario::Psql(_) => Err("is no request".into()),
        })?);
        drop(site);
        let form = if self.quick { "databases, quick" } else { "databases" };
        let report = Report {
            at: clock::stamp(),
            form: form.to_owned(),
            commit: run::commit(),
            processor: process::processor(),
            cores: std::thread::available_parallelism().map_or(1, Into::into),
            load_averages,
            figures: figures(&rows),
            rows,
        };
        report.print(history::latest(&self.results, form).as_ref());
        if self.only.is_none() {
            println!("\nkept as {}", history::keep(&self.results, &report)?.display());
        }
        println!("{:.0} s in all", began.elapsed().as_secs_f64());
        Ok(())
    }

    fn repeat(
        &self,
        scenarios: &[Scenario],
        mut run: impl FnMut(Scenario) -> Outcome<Sample>,
    ) -> Outcome<Vec<Row>> {
        let mut scenarios = scenarios.to_vec();
        if let Some(only) = &self.only {
            scenarios.retain(|scenario| scenario.name().contains(&**only));
        }
        let row = |s: &Scenario| Row { name: s.name().to_owned(), samples: Vec::new() };
        let mut rows: Vec<Row> = scenarios.iter().map(row).collect();
        for repetition in 0..REPETITIONS {
            println!("repetition {} of {REPETITIONS}", repetition + 1);
            for index in Plan::order(repetition, scenarios.len()) {
                let sample = run(scenarios[index])?;
                let p99 = sample.p99_micros.unwrap_or(0.0) / 1000.0;
                println!("  {:34} {:>9.1} /s {p99:>8.2} ms", rows[index].name, sample.rate);
                rows[index].samples.push(sample);
            }
        }
        Ok(rows)
    }
}

/// What the rows add up to, and what is wanted of it.
fn figures(rows: &[Row]) -> Vec<Figure> {
    use Far::{Answers, IsSilent, Refuses, Rests};
    use Scenario::{Migrate, Psql, Records, Verify};
    type Of = fn(&Row) -> Vec<f64>;
    let quiet = Some(Wanted::AtMost(1.2));
    let wanted: [(&str, Of, [Scenario; 2], Option<Wanted>); 11] = [
        (
            "migrate, 8 at once / psql",
            Row::rates,
            [Migrate(8), Psql(1)],
            Some(Wanted::AtLeast(1.0)),
        ),
        ("migrate, one at a time / psql", Row::rates, [Migrate(1), Psql(1)], None),
        ("migrate / psql, 8 at once", Row::rates, [Migrate(8), Psql(8)], None),
        (
            "records, half away / all there, p99",
            Row::p99,
            [Records(Refuses), Records(Answers)],
            quiet,
        ),
        (
            "records, half silent / all there, p99",
            Row::p99,
            [Records(IsSilent), Records(Answers)],
            quiet,
        ),
        ("verify, half away / all there, p99", Row::p99, [Verify(Refuses), Verify(Answers)], quiet),
        (
            "verify, half silent / all there, p99",
            Row::p99,
            [Verify(IsSilent), Verify(Answers)],
            quiet,
        ),
        (
            "records, half away / nothing else, p99",
            Row::p99,
            [Records(Refuses), Records(Rests)],
            quiet,
        ),
        (
            "records, half silent / nothing else, p99",
            Row::p99,
            [Records(IsSilent), Records(Rests)],
            quiet,
        ),
        (
            "verify, half away / nothing else, p99",
            Row::p99,
            [Verify(Refuses), Verify(Rests)],
            quiet,
        ),
        (
            "verify, half silent / nothing else, p99",
            Row::p99,
            [Verify(IsSilent), Verify(Rests)],
            quiet,
        ),
    ];
    let figure = |(name, of, pair, wanted): (&str, Of, [Scenario; 2], Option<Wanted>)| {
        let values = pair.map(|scenario| rows.iter().find(|row| row.name == scenario.name()));
        let figure = Figure::ratio(name.to_owned(), &of(values[0]?), &of(values[1]?))?;
        Some(Figure { wanted, ..figure })
    };
    wanted.into_iter().filter_map(figure).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_figure_is_over_its_control() {
        let sample = |scenario: Scenario| match scenario {
            Scenario::Migrate(8) => Sample::of_rate(60.0),
            Scenario::Migrate(_) => Sample::of_rate(10.0),
            Scenario::Psql(1) => Sample::of_rate(20.0),
            Scenario::Psql(_) => Sample::of_rate(30.0),
            Scenario::Records(Far::Answers) | Scenario::Verify(Far::Answers) => {
                Sample { p99_micros: Some(100.0), ..Sample::of_rate(1.0) }
            }
            Scenario::Records(Far::Rests) | Scenario::Verify(Far::Rests) => {
                Sample { p99_micros: Some(50.0), ..Sample::of_rate(1.0) }
            }
            Scenario::Records(Far::Refuses) | Scenario::Verify(Far::IsSilent) => {
                Sample { p99_micros: Some(110.0), ..Sample::of_rate(1.0) }
            }
            Scenario::Records(Far::IsSilent) | Scenario::Verify(Far::Refuses) => {
                Sample { p99_micros: Some(90.0), ..Sample::of_rate(1.0) }
            }
        };
        let row = |scenario: &Scenario| Row {
            name: scenario.name().to_owned(),
            samples: vec![sample(*scenario); 3],
        };
        let rows: Vec<Row> = Scenario::SCHEMA.iter().chain(&Scenario::SERVED).map(row).collect();
        let shown: Vec<f64> = figures(&rows).iter().map(|figure| figure.value).collect();
        assert_eq!(shown, [3.0, 0.5, 2.0, 1.1, 0.9, 0.9, 1.1, 2.2, 1.8, 1.8, 2.2]);
    }
}
