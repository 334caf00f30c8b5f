//! A whole run: stores, processes, repetitions, report.

mod figures;

use crate::plan::{self, IDLE_KEYS, KEYS_PER_ACCOUNT, Plan, REPETITIONS, SHARED_KEYS};
use crate::prepare::{self, Store};
use crate::report::{Figure, Report, Row};
use crate::server::{self, Server};
use crate::site::{Scenario, Served, Site};
use crate::{Outcome, Run, clock, history, memory, process};
use std::fs::{self, File};
use std::path::Path;
use std::process::Command;

/// A store above this size is made again for the next run rather than kept.
const KEPT_KEYS_MAX: u64 = 1_000_000;

/// Measures everything that `options` ask for.
pub(crate) fn run(options: &Run) -> Outcome {
    let plan = if options.quick { &plan::QUICK } else { &plan::LONG };
    let began = clock::now();
    let load_averages = process::load_averages();
    println!("load averages at the start: {load_averages}");
    let large = prepare::store(&options.stores, plan.keys)?;
    let growth = plan.growth.iter().map(|keys| prepare::store(&options.stores, *keys));
    let growth = growth.collect::<Outcome<Vec<Store>>>()?;
    let idle = prepare::store(&options.stores, IDLE_KEYS)?;
    let shared = prepare::shared(&options.stores, SHARED_KEYS, KEYS_PER_ACCOUNT)?;
    let among = plan.accounts.iter().map(|accounts| prepare::copy(&options.stores, *accounts));
    let among = among.collect::<Outcome<Vec<Store>>>()?;
    let more = server::arguments(&options.server, &options.serve_with)?;
    let binary = &*options.server;

    read_through(&large.data().join("tenantry.db"))?;
    let mut figures = starts(binary, &options.stores, &large, &more)?;
    figures.extend(memory::idle(binary, &idle, &more)?);
    figures.push(memory::per_key(binary, &large, plan.remembered, "memory per cached key", &more)?);
    let name = format!("memory per cached key, {KEYS_PER_ACCOUNT} keys an account");
    figures.push(memory::per_key(binary, &shared, SHARED_KEYS / 5 * 4, &name, &more)?);

    let create = prepare::anew(&options.stores, 0)?;
    let cache = plan.cache_entries();
    let grown = growth.iter().map(|store| Served::start(binary, store, cache, &more));
    let mut site = Site {
        plan,
        hello: Server::hello()?,
        large: Served::start(binary, &large, cache, &more)?,
        grown: grown.collect::<Outcome<Vec<Served>>>()?,
        create: Server::tenantry(binary, &create.data(), cache, &more)?,
        master: create.master()?,
        among: among
            .iter()
            .map(|store| {
                Ok((Server::tenantry(binary, &store.data(), cache, &more)?, store.master()?))
            })
            .collect::<Outcome<_>>()?,
        folder: options.stores.clone(),
        cold: crate::keys::Draw::walk(plan.hot, plan.keys),
    };
    let rows = repeat(&mut site, options.only.as_deref())?;
    site.stop()?;
    for written in among.iter().chain([&create]) {
        fs::remove_dir_all(&written.folder)?;
    }

    figures.splice(0..0, figures::of_rows(plan, &rows));
    figures::want(&mut figures);
    let report = Report {
        at: clock::stamp(),
        form: plan.form.to_owned(),
        commit: commit(),
        processor: process::processor(),
        cores: std::thread::available_parallelism().map_or(1, Into::into),
        load_averages,
        rows,
        figures,
    };
    report.print(history::latest(&options.results, plan.form).as_ref());
    if options.only.is_none() {
        println!("\nkept as {}", history::keep(&options.results, &report)?.display());
    }
    if large.keys > KEPT_KEYS_MAX && !options.keep {
        fs::remove_dir_all(&large.folder)?;
        println!("the large store is removed; --keep keeps it for the next run");
    }
    println!("{:.0} s in all", began.elapsed().as_secs_f64());
    Ok(())
}

/// Runs every scenario in each repetition, and returns a row for each, controls first.
fn repeat(site: &mut Site<'_>, only: Option<&str>) -> Outcome<Vec<Row>> {
    let plan = site.plan;
    let mut scenarios = Site::scenarios(plan);
    if let Some(only) = only {
        scenarios.retain(|s| *s == Scenario::Hello || Site::name(plan, *s).contains(only));
    }
    if !site.has_bulk()? {
        println!("left out: bulk create; this server has no POST /v1/accounts/bulk");
        scenarios.retain(|scenario| *scenario != Scenario::BulkCreate);
    }
    let name = |scenario: &Scenario| Site::name(plan, *scenario);
    let mut rows: Vec<Row> =
        scenarios.iter().map(|s| Row { name: name(s), samples: Vec::new() }).collect();
    for repetition in 0..REPETITIONS {
        println!("repetition {} of {REPETITIONS}", repetition + 1);
        for index in Plan::order(repetition, scenarios.len()) {
            let sample = site.run(scenarios[index])?;
            let cpu = sample.cpu_micros.unwrap_or(0.0);
            println!("  {:36} {:>9.0} /s {cpu:>8.1} us", rows[index].name, sample.rate);
            rows[index].samples.push(sample);
        }
    }
    Ok(rows)
}

/// How long it takes from starting the process to its first answer: on a directory that does not
/// exist, and on the large store.
fn starts(binary: &Path, stores: &Path, large: &Store, more: &[String]) -> Outcome<Vec<Figure>> {
    let new = stores.join("new");
    let (mut empty, mut full) = (Vec::new(), Vec::new());
    for _ in 0..REPETITIONS {
        if new.exists() {
            fs::remove_dir_all(&new)?;
        }
        for (folder, times) in [(&new, &mut empty), (&large.data(), &mut full)] {
            let server = Server::tenantry(binary, folder, 1000, more)?;
            times.push(server.ready_after.as_secs_f64() * 1e3);
            server.stop()?;
        }
    }
    fs::remove_dir_all(&new)?;
    let middle = |times: &[f64]| crate::statistics::median(times).unwrap_or(f64::NAN);
    Ok(vec![
        Figure::one("start to first answer, new directory".to_owned(), "ms", middle(&empty)),
        Figure::one(format!("start to first answer, {} keys", large.keys), "ms", middle(&full)),
    ])
}

/// Reads a file once, so that what fits into the machine's memory is there.
fn read_through(path: &Path) -> Outcome {
    std::io::copy(&mut File::open(path)?, &mut std::io::sink())?;
    Ok(())
}

/// The commit that is checked out, marked where files differ from it.
pub(crate) fn commit() -> String {
    let mut git = Command::new("git");
    let output = git.args(["describe", "--always", "--dirty"]).output();
    output.map_or_else(|_| String::new(), |o| String::from_utf8_lossy(&o.stdout).trim().to_owned())
}
