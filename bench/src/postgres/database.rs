//! A private PostgreSQL, and the rows of a prepared store in it.

use crate::Outcome;
use crate::prepare::Store;
use crate::server::Server;
use crate::{clock, process};
use rusqlite::Connection;
use rusqlite::types::ValueRef;
use std::fmt::Write as _;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use tenantry_testbed::postgres::{Durability, Postgres, ROLE, USUAL_PORT};
use tenantry_testbed::programs;

/// The database that exists from the start.
const NAME: &str = "postgres";
/// Tables that a verification and a create read, each after what it refers to.
const TABLES: [&str; 3] = ["accounts", "members", "credentials"];
/// What the store fits into, a log that is not flushed to the tables in the middle of a scenario, and
/// tables that are tidied between repetitions.
const SETTINGS: [&str; 4] =
    ["shared_buffers=512MB", "max_wal_size=4GB", "checkpoint_timeout=1h", "autovacuum=off"];
/// How long the seal of what was created may take.
const SEALED_MAX: Duration = Duration::from_mins(2);

/// A running server.
pub(crate) struct Database {
    postgres: Postgres,
    programs: PathBuf,
}

impl Database {
    /// Starts a server that loses nothing that it has acknowledged.
    pub(crate) fn start() -> Outcome<Self> {
        let programs = programs::find_postgres().ok_or("there is no PostgreSQL")?;
        let mut postgres = Postgres::make(&programs, Durability::Full);
        postgres.configure(&SETTINGS);
        postgres.start();
        Ok(Self { postgres, programs })
    }

    /// Starts a node, which has a directory of that name.
    pub(crate) fn node(
        &self,
        binary: &Path,
        store: &Store,
        name: &str,
        cache_entries: u64,
        more: &[String],
    ) -> Outcome<Server> {
        let secrets = store.data().join("secrets.toml");
        let mut arguments = more.to_vec();
        arguments.extend(["--database".to_owned(), self.postgres.url(NAME)]);
        arguments.extend(["--secrets-file".to_owned(), secrets.display().to_string()]);
        // What a node writes of its own goes beside the store.
        Server::tenantry(binary, &store.folder.join(name), cache_entries, &arguments)
    }

    /// Copies the store's rows.
    pub(crate) fn fill(&self, store: &Store) -> Outcome {
        let source = Connection::open(store.data().join("tenantry.db"))?;
        for table in TABLES {
            self.copy(&source, table)?;
        }
        self.tidy()
    }

    /// Takes dead rows away, and counts the others.
    pub(crate) fn tidy(&self) -> Outcome {
        self.execute("VACUUM ANALYZE")
    }

    /// Waits until the nodes have sealed every event.
    pub(crate) fn await_sealed(&self) -> Outcome {
        let began = clock::now();
        while self.ask("SELECT count(*) FROM audit_waiting")? != "0" {
            if began.elapsed() > SEALED_MAX {
                return Err("events are not sealed".into());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(())
    }

    /// One of PostgreSQL's programs, on this database.
    pub(crate) fn program(&self, name: &str) -> Command {
        // Clients need not be where the server's programs are.
        let beside = self.programs.join(name);
        let found = if beside.is_file() { beside } else { PathBuf::from(name) };
        let mut command = Command::new(found);
        command.arg("--host").arg(self.postgres.folder());
        command.args(["--port", &USUAL_PORT.to_string(), "--username", ROLE]);
        command
    }

    /// Processor time of the server's processes so far, in microseconds.
    pub(crate) fn cpu_micros(&self) -> Outcome<f64> {
        let file = std::fs::read_to_string(self.postgres.folder().join("data/postmaster.pid"))?;
        let pid = file.lines().next().ok_or("postmaster.pid is empty")?;
        process::cpu_micros_with_children(pid.trim().parse()?)
    }

    /// Runs SQL.
    pub(crate) fn execute(&self, sql: &str) -> Outcome {
        self.ask(sql).map(drop)
    }

    /// Runs SQL and returns what it prints.
    pub(crate) fn ask(&self, sql: &str) -> Outcome<String> {
        let mut psql = self.program("psql");
        psql.args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align"]);
        let output = psql.args(["--set", "ON_ERROR_STOP=1", "--command", sql, NAME]).output()?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into());
        }
        Ok(String::from_utf8(output.stdout)?.trim().to_owned())
    }

    fn copy(&self, source: &Connection, table: &str) -> Outcome {
        let mut select = source.prepare(&format!("SELECT * FROM {table}"))?;
        let columns = select.column_names().collect::<Vec<_>>().join(", ");
        let count = select.column_count();
        let command = format!("COPY {table} ({columns}) FROM STDIN (FORMAT csv)");
        let mut psql = self.program("psql");
        psql.args(["--no-psqlrc", "--quiet", "--set", "ON_ERROR_STOP=1", "--command", &command]);
        let mut child = psql.arg(NAME).stdin(Stdio::piped()).spawn()?;
        let mut out = BufWriter::new(child.stdin.take().ok_or("no pipe")?);
        let mut rows = select.query([])?;
        let mut line = String::new();
        while let Some(row) = rows.next()? {
            line.clear();
            for column in 0..count {
                if column > 0 {
                    line.push(',');
                }
                write_value(&mut line, row.get_ref(column)?)?;
            }
            line.push('\n');
            out.write_all(line.as_bytes())?;
        }
        out.flush()?;
        drop(out);
        let status = child.wait()?;
        if status.success() { Ok(()) } else { Err(format!("{table} was not copied").into()) }
    }
}

/// A value as CSV has it: nothing at all is null.
fn write_value(line: &mut String, value: ValueRef<'_>) -> Outcome {
    match value {
        ValueRef::Null => {}
        ValueRef::Integer(number) => write!(line, "{number}")?,
        ValueRef::Real(number) => write!(line, "{number}")?,
        ValueRef::Text(text) => {
            let text = std::str::from_utf8(text)?.replace('"', "\"\"");
            write!(line, "\"{text}\"")?;
        }
        ValueRef::Blob(bytes) => {
            line.push_str("\\x");
            bytes.iter().try_for_each(|byte| write!(line, "{byte:02x}"))?;
        }
    }
    Ok(())
}
