//! The store of several nodes against PostgreSQL's own measurement of the same work.
//!
//! A private server, one or two nodes on it, and `pgbench`, which asks for the same rows one by one
//! and creates the same rows one by one, prepared, over the same kind of socket.

pub(crate) mod controls;
pub(crate) mod database;

use crate::keys::{Draw, Keys};
use crate::load::Until;
use crate::plan::{CONNECTIONS, Plan, REPETITIONS};
use crate::report::{Figure, Report, Row, Wanted};
use crate::requests::Requests;
use crate::sample::{self, Sample};
use crate::server::{self, Server};
use crate::site::Served;
use crate::{Outcome, clock, history, prepare, process, run};
use clap::Args;
use controls::Controls;
use database::Database;
use std::path::PathBuf;
use std::time::Duration;

/// Connections of creates, and `pgbench`'s sessions beside them.
const CREATORS: usize = 32;
/// Entries of the nodes' caches, which the hot keys fit into and the others do not.
const CACHE_ENTRIES: u64 = 20_000;
/// Keys that are asked about again and again.
const HOT: u64 = 10_000;

/// What is measured, and for how long.
#[derive(Args)]
pub(crate) struct Postgres {
    /// The release server
    #[arg(long, default_value = "target/release/tenantry")]
    server: PathBuf,
    /// Keys in the store
    #[arg(long, default_value_t = 200_000)]
    keys: u64,
    /// Seconds of each scenario in each repetition
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// How often each scenario takes its turn
    #[arg(long, default_value_t = REPETITIONS)]
    repetitions: usize,
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
    Hello,
    CachedEmbedded,
    Cached,
    CachedByTwo,
    Missed,
    SelectJoined,
    SelectByKey,
    Create,
    Insert,
}

impl Scenario {
    /// Each thing beside its controls.
    const TOGETHER: [&[Self]; 3] = [
        &[Self::Hello, Self::CachedEmbedded, Self::Cached, Self::CachedByTwo],
        &[Self::Missed, Self::SelectJoined, Self::SelectByKey],
        &[Self::Create, Self::Insert],
    ];

    /// The order of a repetition: a thing and its controls come right after each other, the other way
    /// round each time.
    fn order(repetition: usize) -> Vec<Self> {
        let groups =
            Plan::order(repetition, Self::TOGETHER.len()).map(|group| Self::TOGETHER[group]);
        let turned = |group: &[Self]| {
            let mut group = group.to_vec();
            if repetition % 2 == 1 {
                group.reverse();
            }
            group
        };
        groups.flat_map(turned).collect()
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Hello => "HELLO: bare axum, JSON in and out",
            Self::CachedEmbedded => "verify, cached, SQLite",
            Self::Cached => "verify, cached, PostgreSQL",
            Self::CachedByTwo => "verify, cached, two nodes",
            Self::Missed => "verify, every one a miss",
            Self::SelectJoined => "pgbench: the rows of a miss",
            Self::SelectByKey => "pgbench: one row by its key",
            Self::Create => "create, durable",
            Self::Insert => "pgbench: the rows of a create",
        }
    }
}

/// All processes of a run.
struct Site {
    hello: Server,
    embedded: Served,
    nodes: [Server; 2],
    keys: Keys,
    caller: String,
    master: String,
    controls: Controls,
    cold: Draw,
    database: Database,
    time: Duration,
}

impl Postgres {
    /// Measures, prints, and keeps the result.
    pub(crate) fn run(&self) -> Outcome {
        let began = clock::now();
        let load_averages = process::load_averages();
        println!("load averages at the start: {load_averages}");
        let store = prepare::store(&self.stores, self.keys)?;
        let more = server::arguments(&self.server, &[])?;
        let database = Database::start()?;
        let node = |name| database.node(&self.server, &store, name, CACHE_ENTRIES, &more);
        // The first one makes the schema.
        node("node-1")?.stop()?;
        database.fill(&store)?;
        let mut site = Site {
            hello: Server::hello()?,
            embedded: Served::start(&self.server, &store, CACHE_ENTRIES, &more)?,
            nodes: [node("node-1")?, node("node-2")?],
            keys: Keys::read(&store.key_file())?,
            caller: store.caller()?,
            master: store.master()?,
            controls: Controls::new(&database)?,
            cold: Draw::walk(HOT, self.keys),
            database,
            time: Duration::from_secs(self.seconds),
        };
        let rows = self.repeat(&mut site)?;
        // The database last: nodes say that they go.
        let Site { embedded, nodes, database: _database, .. } = site;
        nodes.into_iter().chain([embedded.server]).try_for_each(Server::stop)?;
        let report = Report {
            at: clock::stamp(),
            form: "postgres".to_owned(),
            commit: run::commit(),
            processor: process::processor(),
            cores: std::thread::available_parallelism().map_or(1, Into::into),
            load_averages,
            figures: figures(&rows),
            rows,
        };
        report.print(history::latest(&self.results, &report.form).as_ref());
        if self.only.is_none() {
            println!("\nkept as {}", history::keep(&self.results, &report)?.display());
        }
        println!("{:.0} s in all", began.elapsed().as_secs_f64());
        Ok(())
    }

    fn repeat(&self, site: &mut Site) -> Outcome<Vec<Row>> {
        let mut scenarios = Scenario::TOGETHER.concat();
        if let Some(only) = &self.only {
            scenarios.retain(|s| *s == Scenario::Hello || s.name().contains(&**only));
        }
        let row = |s: &Scenario| Row { name: s.name().to_owned(), samples: Vec::new() };
        let mut rows: Vec<Row> = scenarios.iter().map(row).collect();
        for repetition in 0..self.repetitions {
            println!("repetition {} of {}", repetition + 1, self.repetitions);
            site.database.tidy()?;
            for scenario in Scenario::order(repetition) {
                let Some(index) = scenarios.iter().position(|s| *s == scenario) else { continue };
                let before = site.database.cpu_micros()?;
                let mut sample = site.run(scenario)?;
                let requests = sample.rate * site.time.as_secs_f64();
                let database = (site.database.cpu_micros()? - before) / requests;
                sample.database_micros = Some(database);
                let cpu = sample.cpu_micros.unwrap_or(0.0);
                let (name, rate) = (&rows[index].name, sample.rate);
                println!("  {name:36} {rate:>9.0} /s {cpu:>8.1} us, PostgreSQL {database:>6.1} us");
                rows[index].samples.push(sample);
            }
        }
        Ok(rows)
    }
}

impl Site {
    fn run(&mut self, scenario: Scenario) -> Outcome<Sample> {
        let until = Until::Elapsed(self.time);
        let hot = Draw::uniform(HOT, 7);
        let of_keys = |draw| Requests::verify(&self.caller, &self.keys, draw);
        let [first, second] = &self.nodes;
        match scenario {
            Scenario::Hello => sample::take(&self.hello, CONNECTIONS, until, &mut of_keys(hot)),
            Scenario::CachedEmbedded => {
                self.embedded.ask_once(0, HOT)?;
                sample::take(&self.embedded.server, CONNECTIONS, until, &mut of_keys(hot))
            }
            Scenario::Cached => {
                self.warm(&[first])?;
                sample::take(first, CONNECTIONS, until, &mut of_keys(hot))
            }
            Scenario::CachedByTwo => {
                self.warm(&[first])?;
                self.warm(&[second])?;
                sample::take_of(&[first, second], CONNECTIONS, until, &mut of_keys(hot))
            }
            Scenario::Missed => {
                let mut requests = of_keys(self.cold.clone());
                let sample = sample::take(first, CONNECTIONS, until, &mut requests)?;
                if let Some(draw) = requests.into_draw() {
                    self.cold = draw;
                }
                Ok(sample)
            }
            Scenario::SelectJoined => self.controls.select_joined(CONNECTIONS, self.time),
            Scenario::SelectByKey => self.controls.select_by_key(CONNECTIONS, self.time),
            Scenario::Create => {
                let mut requests = Requests::create(&self.master);
                let sample = sample::take(first, CREATORS, until, &mut requests)?;
                // Work of these creates, and of nothing that comes after.
                self.database.await_sealed()?;
                Ok(sample)
            }
            Scenario::Insert => self.controls.insert(CREATORS, self.time),
        }
    }

    /// Asks about each hot key, so that it is in the cache.
    fn warm(&self, nodes: &[&Server]) -> Outcome {
        let mut requests = Requests::verify(&self.caller, &self.keys, Draw::walk(0, HOT));
        let sample = sample::take_of(nodes, CONNECTIONS, Until::Requests(HOT), &mut requests)?;
        if sample.errors > 0 {
            return Err(format!("{} keys do not verify", sample.errors).into());
        }
        Ok(())
    }
}

/// What the rows add up to, and what is wanted of it.
fn figures(rows: &[Row]) -> Vec<Figure> {
    use Scenario::{
        Cached, CachedByTwo, CachedEmbedded, Create, Insert, Missed, SelectByKey, SelectJoined,
    };
    let row = |scenario: Scenario| rows.iter().find(|row| row.name == scenario.name());
    let mut figures = Vec::new();
    let mut ratio = |name: &str, of: fn(&Row) -> Vec<f64>, over, under, wanted| {
        let rows = row(over).zip(row(under));
        let figure = rows.and_then(|(o, u)| Figure::ratio(name.to_owned(), &of(o), &of(u)));
        figures.extend(figure.map(|figure| match wanted {
            Some(wanted) => figure.wanting(wanted),
            None => figure,
        }));
    };
    let at_least = |limit| Some(Wanted::AtLeast(limit));
    ratio("verify cached / on SQLite", Row::rates, Cached, CachedEmbedded, at_least(0.9));
    ratio("verify missed / pgbench, its rows", Row::rates, Missed, SelectJoined, at_least(1.5));
    ratio("verify missed / pgbench, PostgreSQL CPU", Row::database, Missed, SelectJoined, None);
    ratio("verify missed / pgbench, one row", Row::rates, Missed, SelectByKey, None);
    ratio("create / pgbench, its rows", Row::rates, Create, Insert, at_least(1.2));
    ratio("create / pgbench, PostgreSQL CPU", Row::database, Create, Insert, None);
    let at_most = Some(Wanted::AtMost(1.15));
    ratio("verify CPU, two nodes / one", Row::cpu, CachedByTwo, Cached, at_most);
    figures
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thing_and_its_controls_come_right_after_each_other() {
        for repetition in 0..6 {
            let order = Scenario::order(repetition);
            let place = |scenario| order.iter().position(|s| *s == scenario).unwrap();
            let apart = |one, other| place(one).abs_diff(place(other));
            assert_eq!(apart(Scenario::Cached, Scenario::CachedEmbedded), 1);
            assert_eq!(apart(Scenario::Cached, Scenario::CachedByTwo), 1);
            assert_eq!(apart(Scenario::Missed, Scenario::SelectJoined), 1);
            assert_eq!(apart(Scenario::Create, Scenario::Insert), 1);
            assert_eq!(order.len(), Scenario::TOGETHER.concat().len());
        }
    }

    fn row(scenario: Scenario, rates: [f64; 3]) -> Row {
        let sample = |rate| Sample { cpu_micros: Some(1e6 / rate), ..Sample::of_rate(rate) };
        Row { name: scenario.name().to_owned(), samples: rates.map(sample).into() }
    }

    #[test]
    fn each_figure_is_over_its_control() {
        let rows = [
            row(Scenario::CachedEmbedded, [100.0, 50.0, 100.0]),
            row(Scenario::Cached, [80.0, 40.0, 90.0]),
            row(Scenario::CachedByTwo, [160.0, 80.0, 180.0]),
            row(Scenario::Missed, [30.0, 15.0, 40.0]),
            row(Scenario::SelectJoined, [10.0, 5.0, 10.0]),
        ];
        let shown: Vec<_> =
            figures(&rows).iter().map(|f| (f.name.clone(), (f.value * 100.0).round())).collect();
        let wanted = [
            ("verify cached / on SQLite", 80.0),
            ("verify missed / pgbench, its rows", 300.0),
            ("verify CPU, two nodes / one", 50.0),
        ];
        assert_eq!(shown, wanted.map(|(name, value)| (name.to_owned(), value)));
    }
}
