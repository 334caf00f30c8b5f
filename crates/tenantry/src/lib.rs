//! The binary's parts: configuration, wiring and commands. A library so that the tests can start a
//! server in their own process and the measurement can prepare its stores; no layer depends on it.

mod cli;
mod commands;
pub mod config;
mod descriptors;
pub mod logging;
mod metrics;
mod output;
mod passphrase;
mod private_file;
mod progress;
mod sealing;
pub mod secrets_file;
mod traces;
mod transport;
pub mod wiring;

use clap::Parser as _;
use std::ffi::OsString;
use std::process::ExitCode;
use std::time::Duration;

/// How long what is still under way may take when the process ends.
const STOP_DEADLINE: Duration = Duration::from_secs(1);

/// Runs the command line `arguments`. Exit codes: 0 done, 1 refused or failed, 2 usage, 3 the disk failed
/// under the store.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match cli::Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return output::fail(&Failure::Io("start the runtime".to_owned(), error)),
    };
    let outcome = runtime.block_on(commands::run(cli));
    // What still runs now was asked to end and did not.
    runtime.shutdown_timeout(STOP_DEADLINE);
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => output::fail(&failure),
    }
}

/// Why a command did not do what was asked. Printed once, at the end.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// A setting cannot be used.
    #[error("{0}")]
    Setting(String),
    /// A file, socket or directory cannot be used.
    #[error("could not {0}: {1}")]
    Io(String, #[source] std::io::Error),
    /// The plane or its store says no.
    #[error("{0}")]
    Plane(#[from] tenantry_core::Error),
    /// The store cannot be opened.
    #[error(transparent)]
    Open(#[from] tenantry_backends::sqlite::OpenError),
    /// The database that several nodes share cannot be opened.
    #[error(transparent)]
    Database(#[from] tenantry_backends::postgres::OpenError),
    /// A backup's file cannot be written or read.
    #[error("{0}: {1}")]
    Archive(String, #[source] tenantry_backends::archive::ArchiveError),
    /// The server says no.
    #[error("{}", describe(.0))]
    Refused(Box<tenantry_api::problem::Problem>),
    /// The server's answer cannot be read.
    #[error("the server's answer could not be read: {0}")]
    Answer(String),
}

fn describe(problem: &tenantry_api::problem::Problem) -> String {
    let mut text = format!("{} ({})", problem.detail, problem.code);
    for error in &problem.errors {
        text.push_str("\n  ");
        text.push_str(error.pointer.trim_start_matches('/'));
        text.push(' ');
        text.push_str(&error.detail);
    }
    text
}

/// What a command answers.
pub type Result<T, E = Failure> = std::result::Result<T, E>;
