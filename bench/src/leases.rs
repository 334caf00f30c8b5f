//! Leases, taken and given back, on both stores; and verification of keys that have a rate limit.
//!
//! Each thing beside its control: the same rows in SQLite by one thread, the same statements by
//! `pgbench`, the same keys without a limit.

mod controls;
mod in_process;

use crate::keys::Draw;
use crate::load::Until;
use crate::plan::{CONNECTIONS, Plan, REPETITIONS};
use crate::postgres::database::Database;
use crate::prepare::Organizations;
use crate::report::{Figure, Report, Row, Wanted};
use crate::requests::Requests;
use crate::sample::{self, Sample};
use crate::server::{self, Server};
use crate::{Outcome, clock, history, prepare, process, run};
use controls::Pairs;
use in_process::InProcess;
use std::path::PathBuf;
use std::time::Duration;

/// Organizations whose calls are counted, where it is not one alone.
const ROOTS: u32 = 1_000;
/// Entries of the nodes' caches.
const CACHE_ENTRIES: u64 = 20_000;

/// What is measured, and for how long.
#[derive(clap::Args)]
pub(crate) struct Leases {
    /// The release server
    #[arg(long, default_value = "target/release/tenantry")]
    server: PathBuf,
    /// Short runs: a minute
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

/// One root account, or one of many each time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Of {
    One,
    Many,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scenario {
    InProcess(Of),
    Embedded(Of),
    Rows(Of),
    Shared(Of),
    Pgbench(Of),
    Free,
    Limited,
}

impl Scenario {
    /// Each thing beside its control.
    const TOGETHER: [&[Self]; 5] = [
        &[Self::InProcess(Of::One), Self::Rows(Of::One), Self::Embedded(Of::One)],
        &[Self::InProcess(Of::Many), Self::Rows(Of::Many), Self::Embedded(Of::Many)],
        &[Self::Shared(Of::One), Self::Pgbench(Of::One)],
        &[Self::Shared(Of::Many), Self::Pgbench(Of::Many)],
        &[Self::Limited, Self::Free],
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::InProcess(Of::One) => "pairs, SQLite, in process, one root",
            Self::InProcess(Of::Many) => "pairs, SQLite, in process, a thousand",
            Self::Embedded(Of::One) => "pairs, SQLite, over HTTP, one root",
            Self::Embedded(Of::Many) => "pairs, SQLite, over HTTP, a thousand",
            Self::Rows(Of::One) => "SQLite alone: the rows of pairs, one root",
            Self::Rows(Of::Many) => "SQLite alone: the rows of pairs, a thousand",
            Self::Shared(Of::One) => "pairs, PostgreSQL, over HTTP, one root",
            Self::Shared(Of::Many) => "pairs, PostgreSQL, over HTTP, a thousand",
            Self::Pgbench(Of::One) => "pgbench: pairs, one root",
            Self::Pgbench(Of::Many) => "pgbench: pairs, a thousand roots",
            Self::Free => "verify, cached, no limit",
            Self::Limited => "verify, cached, with a rate limit",
        }
    }
}

/// All that runs.
struct Site {
    embedded: Server,
    node: Server,
    organizations: Organizations,
    caller: String,
    pairs: Pairs,
    in_process: InProcess,
    folder: PathBuf,
    database: Database,
    time: Duration,
}

impl Leases {
    /// Measures, prints, and keeps the result.
    pub(crate) fn run(&self) -> Outcome {
        let began = clock::now();
        let load_averages = process::load_averages();
        println!("load averages at the start: {load_averages}");
        let (store, organizations) = prepare::organizations(&self.stores, ROOTS.into())?;
        let more = server::arguments(&self.server, &[])?;
        let database = Database::start()?;
        let node = || database.node(&self.server, &store, "node", CACHE_ENTRIES, &more);
        // The first one makes the schema.
        node()?.stop()?;
        database.fill(&store)?;
        let mut site = Site {
            embedded: Server::tenantry(&self.server, &store.data(), CACHE_ENTRIES, &more)?,
            node: node()?,
            organizations,
            caller: store.caller()?,
            pairs: Pairs::new(&database)?,
            in_process: InProcess::open(&self.stores)?,
            folder: self.stores.clone(),
            database,
            time: if self.quick { Duration::from_secs(1) } else { Duration::from_secs(5) },
        };
        let rows = self.repeat(&mut site)?;
        let Site { embedded, node, database: _database, .. } = site;
        [node, embedded].into_iter().try_for_each(Server::stop)?;
        let form = if self.quick { "leases, quick" } else { "leases" };
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

    fn repeat(&self, site: &mut Site) -> Outcome<Vec<Row>> {
        let mut scenarios = Scenario::TOGETHER.concat();
        if let Some(only) = &self.only {
            scenarios.retain(|scenario| scenario.name().contains(&**only));
        }
        let row = |s: &Scenario| Row { name: s.name().to_owned(), samples: Vec::new() };
        let mut rows: Vec<Row> = scenarios.iter().map(row).collect();
        for repetition in 0..REPETITIONS {
            println!("repetition {} of {REPETITIONS}", repetition + 1);
            site.database.tidy()?;
            for index in Plan::order(repetition, scenarios.len()) {
                let sample = site.run(scenarios[index])?;
                let cpu = sample.cpu_micros.unwrap_or(0.0);
                println!("  {:44} {:>9.0} /s {cpu:>8.1} us", rows[index].name, sample.rate);
                rows[index].samples.push(sample);
            }
        }
        Ok(rows)
    }
}

impl Site {
    fn run(&self, scenario: Scenario) -> Outcome<Sample> {
        let until = Until::Elapsed(self.time);
        let Organizations { ids, free, limited } = &self.organizations;
        let draw = |of: Of| match of {
            Of::One => Draw::uniform(1, 7),
            Of::Many => Draw::uniform(ROOTS.into(), 7),
        };
        let pairs = |server, of| {
            let mut requests = Requests::pairs(&self.caller, ids, draw(of));
            let sample = sample::take(server, CONNECTIONS, until, &mut requests)?;
            // Two requests are a pair.
            let cpu_micros = sample.cpu_micros.map(|micros| micros * 2.0);
            Outcome::Ok(Sample { rate: sample.rate / 2.0, cpu_micros, ..sample })
        };
        let verify = |keys: &[String]| {
            let ask = |draw| Requests::verify_of(&self.caller, keys, draw);
            let once = Until::Requests(ROOTS.into());
            sample::take(&self.embedded, CONNECTIONS, once, &mut ask(Draw::walk(0, ROOTS.into())))?;
            sample::take(&self.embedded, CONNECTIONS, until, &mut ask(draw(Of::Many)))
        };
        let callers = u32::try_from(CONNECTIONS)?;
        let roots = |of| if of == Of::One { 1 } else { ROOTS };
        match scenario {
            Scenario::InProcess(of) => {
                let rate = self.in_process.pairs((CONNECTIONS, roots(of)), self.time)?;
                Ok(Sample::of_rate(rate))
            }
            Scenario::Embedded(of) => pairs(&self.embedded, of),
            Scenario::Shared(of) => pairs(&self.node, of),
            Scenario::Rows(of) => {
                controls::sqlite_pairs(&self.folder, (callers, roots(of)), self.time)
                    .map(Sample::of_rate)
            }
            Scenario::Pgbench(of) => {
                let script = if of == Of::One { "hot" } else { "all" };
                self.pairs.run(&self.database, (script, CONNECTIONS), self.time)
            }
            Scenario::Free => verify(free),
            Scenario::Limited => verify(limited),
        }
    }
}

/// What the rows add up to, and what is wanted of it.
fn figures(rows: &[Row]) -> Vec<Figure> {
    let rates =
        |scenario: Scenario| rows.iter().find(|row| row.name == scenario.name()).map(Row::rates);
    let wanted = [
        ("in process / SQLite, one root", [0, 0, 1], Some(0.5)),
        ("over HTTP / SQLite, one root", [0, 2, 1], None),
        ("in process / SQLite, a thousand roots", [1, 0, 1], Some(0.5)),
        ("over HTTP / SQLite, a thousand roots", [1, 2, 1], None),
        ("over HTTP / pgbench, one root", [2, 0, 1], Some(0.5)),
        ("over HTTP / pgbench, a thousand roots", [3, 0, 1], Some(0.5)),
        ("verify with a rate limit / without", [4, 0, 1], Some(0.9)),
    ];
    let figure = |(name, [group, over, under], least): (&str, [usize; 3], Option<f64>)| {
        let group = Scenario::TOGETHER[group];
        let (over, under) = rates(group[over]).zip(rates(group[under]))?;
        let figure = Figure::ratio(name.to_owned(), &over, &under)?;
        Some(match least {
            Some(least) => figure.wanting(Wanted::AtLeast(least)),
            None => figure,
        })
    };
    wanted.into_iter().filter_map(figure).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_figure_is_over_its_control() {
        let rate = |scenario: Scenario| match scenario {
            Scenario::InProcess(_) => 60.0,
            Scenario::Embedded(_) => 20.0,
            Scenario::Shared(_) => 70.0,
            Scenario::Limited => 95.0,
            Scenario::Rows(_) | Scenario::Pgbench(_) | Scenario::Free => 100.0,
        };
        let row = |scenario: Scenario| Row {
            name: scenario.name().to_owned(),
            samples: vec![Sample::of_rate(rate(scenario)); 3],
        };
        let rows: Vec<Row> = Scenario::TOGETHER.concat().into_iter().map(row).collect();
        let shown: Vec<f64> = figures(&rows).iter().map(|figure| figure.value).collect();
        assert_eq!(shown, [0.6, 0.2, 0.6, 0.2, 0.7, 0.7, 0.95]);
    }
}
