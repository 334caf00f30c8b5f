//! Measures a release server against a bare axum handler and the disk, in one run, interleaved.
//!
//! `cargo xtask bench` builds both and starts this; `docs/operating/performance.md` tells how the
//! figures are made and how to read them.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a measurement talks to the terminal"
)]

mod clock;
mod controls;
mod databases;
mod hello;
mod history;
mod keys;
mod leases;
mod load;
mod memory;
mod plan;
mod postgres;
mod prepare;
mod process;
mod reply;
mod report;
mod requests;
mod run;
mod sample;
mod server;
mod site;
mod statistics;
mod tokens;

use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

/// What a step returns: its message goes to the terminal and nobody matches on it.
type Outcome<T = ()> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Measures a release server of Tenantry against its controls
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Measures everything and writes the result
    Run(Run),
    /// Measures tokens and introspection, and writes the result
    Tokens(tokens::Tokens),
    /// Measures the store of several nodes against pgbench, and writes the result
    Postgres(postgres::Postgres),
    /// Measures leases and rate limits against the same rows in SQLite and by pgbench, and writes the result
    Leases(leases::Leases),
    /// Measures tenants' databases: their schema against psql, and others' calls while half of them are away;
    /// and writes the result
    Databases(databases::Databases),
    /// Makes a store with that many keys, or finds the one that is there
    Prepare {
        /// Sub-accounts, a key each
        keys: u64,
        /// Where stores are kept
        #[arg(long, default_value = "target/bench-store")]
        stores: PathBuf,
    },
    /// Serves the control: a bare axum handler
    Hello {
        /// Port of 127.0.0.1
        port: u16,
    },
    /// Loads a server that runs already, for comparing with other load generators and for profiles
    Load(load::Loose),
}

#[derive(Args)]
struct Run {
    /// The release server
    #[arg(long, default_value = "target/release/tenantry")]
    server: PathBuf,
    /// Small stores and short runs: two minutes
    #[arg(long)]
    quick: bool,
    /// Keep large stores for the next run
    #[arg(long)]
    keep: bool,
    /// Where stores are kept
    #[arg(long, default_value = "target/bench-store")]
    stores: PathBuf,
    /// Where results are kept
    #[arg(long, default_value = "bench/results")]
    results: PathBuf,
    /// One more argument for the servers; may be repeated
    #[arg(long, allow_hyphen_values = true)]
    serve_with: Vec<String>,
    /// Only scenarios whose name contains this (no result is written)
    #[arg(long)]
    only: Option<String>,
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Run(run) => run::run(&run),
        Command::Tokens(tokens) => tokens.run(),
        Command::Postgres(postgres) => postgres.run(),
        Command::Leases(leases) => leases.run(),
        Command::Databases(databases) => databases.run(),
        Command::Prepare { keys, stores } => prepare::store(&stores, keys).map(|_| ()),
        Command::Hello { port } => hello::serve(port),
        Command::Load(loose) => loose.run(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
