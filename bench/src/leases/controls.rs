//! The same rows without a server before them: in SQLite behind a writer, in PostgreSQL by `pgbench`.

use crate::postgres::controls;
use crate::postgres::database::Database;
use crate::sample::Sample;
use crate::{Outcome, clock};
use rusqlite::{Connection, params};
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::time::Duration;

/// The store's own schema and statements, so that the controls do what it does.
const SCHEMA: &str = include_str!("../../../crates/backends/migrations/sqlite/0012_leases.sql");
const STATEMENTS: &str = include_str!("../../../crates/backends/src/postgres/leases.rs");

/// Rows at which all are forgotten, which the server's sweep does in time.
const ROWS_KEPT: u64 = 32_000;

/// A change that somebody waits for: the row's number, whether it is inserted or changed, and where to
/// tell that it is committed.
type Job = (u64, bool, SyncSender<()>);

/// Pairs per second of SQLite behind a writer: callers who wait, each for a row of its own to be
/// inserted and then changed. Those who come while others are committed share the next transaction, a
/// savepoint each; `synchronous=FULL`.
pub(super) fn sqlite_pairs(
    directory: &Path,
    (callers, roots): (u32, u32),
    time: Duration,
) -> Outcome<f64> {
    let folder = directory.join("leases-control");
    fs::create_dir_all(&folder)?;
    let connection = Connection::open(folder.join("control.db"))?;
    let tables = SCHEMA.split_once("CREATE TABLE leases").ok_or("no leases in the schema")?.1;
    let tables = tables.split_once("-- The last fencing token").ok_or("no end of them")?.0;
    connection.execute_batch(&format!(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE leases{tables}"
    ))?;
    let (sender, jobs) = channel();
    let (numbers, pairs) = (AtomicU64::new(0), AtomicU64::new(0));
    let started = clock::now();
    let written = std::thread::scope(|scope| {
        for _ in 0..callers {
            let (sender, numbers, pairs) = (sender.clone(), &numbers, &pairs);
            scope.spawn(move || {
                let (told, committed) = sync_channel(1);
                while started.elapsed() < time {
                    let number = numbers.fetch_add(1, Ordering::Relaxed);
                    for insert in [true, false] {
                        if sender.send((number, insert, told.clone())).is_err()
                            || committed.recv().is_err()
                        {
                            return;
                        }
                    }
                    pairs.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        drop(sender);
        write(&connection, roots, &jobs)
    });
    let seconds = started.elapsed().as_secs_f64();
    written?;
    drop(connection);
    fs::remove_dir_all(&folder)?;
    Ok(f64::from(u32::try_from(pairs.into_inner())?) / seconds)
}

fn write(connection: &Connection, roots: u32, jobs: &Receiver<Job>) -> Outcome {
    let mut insert = connection.prepare(
        "INSERT INTO leases (id, root_id, account_id, fence, ttl, acquired_at, expires_at)
         VALUES (?1, ?2, ?2, ?3, 60000000, ?3, ?3 + 60000000)",
    )?;
    let mut update = connection.prepare("UPDATE leases SET released_at = ?2 WHERE id = ?1")?;
    let id = |number: u64| {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&number.to_be_bytes());
        id
    };
    let mut rows = 0;
    while let Ok(first) = jobs.recv() {
        let batch: Vec<Job> = std::iter::once(first).chain(jobs.try_iter()).collect();
        connection.execute_batch("BEGIN IMMEDIATE")?;
        for (number, inserts, _) in &batch {
            connection.execute_batch("SAVEPOINT job")?;
            let at = i64::try_from(*number)?;
            if *inserts {
                let root = id(number.wrapping_mul(2_654_435_761) % u64::from(roots));
                insert.execute(params![id(*number), root, at])?;
                rows += 1;
            } else {
                update.execute(params![id(*number), at])?;
            }
            connection.execute_batch("RELEASE job")?;
        }
        if rows >= ROWS_KEPT {
            connection.execute_batch("DELETE FROM leases WHERE released_at IS NOT NULL")?;
            rows = 0;
        }
        connection.execute_batch("COMMIT")?;
        for (.., told) in batch {
            let _ = told.send(());
        }
    }
    Ok(())
}

/// The pairs of `pgbench`: what a node sends for an acquire and a release, one statement after the
/// other.
pub(super) struct Pairs {
    folder: tempfile::TempDir,
}

impl Pairs {
    /// Numbers the root accounts, since `pgbench` draws numbers, and writes a script for one of them
    /// and one for all.
    pub(super) fn new(database: &Database) -> Outcome<Self> {
        database.execute(
            "CREATE TABLE bench_roots AS SELECT row_number() OVER (ORDER BY id) AS n, id
             FROM accounts WHERE parent_id IS NULL",
        )?;
        database.execute("ALTER TABLE bench_roots ADD PRIMARY KEY (n)")?;
        let count = database.ask("SELECT count(*) FROM bench_roots")?;
        let folder = tempfile::tempdir()?;
        for (name, n) in [("hot", "1".to_owned()), ("all", format!("random(1, {count})"))] {
            fs::write(folder.path().join(name), script(&n)?)?;
        }
        Ok(Self { folder })
    }

    pub(super) fn run(
        &self,
        database: &Database,
        (script, clients): (&str, usize),
        time: Duration,
    ) -> Outcome<Sample> {
        controls::run(database.program("pgbench"), &self.folder.path().join(script), clients, time)
    }
}

/// A pair for the root account with the number that `n` draws.
fn script(n: &str) -> Outcome<String> {
    let id = "decode(lpad(to_hex((extract(epoch FROM clock_timestamp()) * 1000)::bigint), 12, '0') \
              || lpad(to_hex(:r::bigint), 20, '0'), 'hex')";
    let account = "(SELECT id FROM bench_roots WHERE n = :n)";
    let (root, version, lease) = (":root::bytea", ":version_of::bigint", ":id::bytea");
    let holder = statement("HOLDER", &[account, "NULL"])?;
    let holder =
        holder.replacen("SELECT a.id,", "SELECT a.id AS root, a.version AS version_of,", 1);
    let acquire = statement(
        "ACQUIRE",
        &[
            root,
            root,
            version,
            version,
            "NULL::text",
            "10000",
            "10000",
            id,
            "60000000",
            "NULL::text",
        ],
    )?;
    let acquire = acquire.replace("stands.account + stands.root FROM", "1 AS stood FROM");
    let lines = [
        format!("\\set n {n}"),
        "\\set r random(1, 1000000000000000000)".to_owned(),
        format!("{holder} \\gset"),
        "BEGIN;".to_owned(),
        "SELECT id FROM accounts WHERE id = :root::bytea FOR NO KEY UPDATE;".to_owned(),
        format!("{acquire} \\gset"),
        "COMMIT;".to_owned(),
        format!("{};", statement("FIND", &[lease, "NULL"])?),
        "BEGIN;".to_owned(),
        format!("{};", statement("LOCK_ONE", &[lease, root])?),
        format!("{};", statement("RELEASE", &[lease, root])?),
        "COMMIT;".to_owned(),
    ];
    Ok(lines.join("\n") + "\n")
}

/// A statement of the store in one line, with these in the place of its parameters.
fn statement(name: &str, values: &[&str]) -> Outcome<String> {
    let begin = format!("const {name}: &str =");
    let text = STATEMENTS.split_once(&begin).ok_or_else(|| format!("no statement {name}"))?.1;
    let mut parts = text.split('"');
    let sql = parts.nth(1).ok_or("a statement without a text")?;
    let mut sql = sql.split_whitespace().collect::<Vec<_>>().join(" ");
    // The last first: `$1` is in `$10` too.
    for (index, value) in values.iter().enumerate().rev() {
        sql = sql.replace(&format!("${}", index + 1), value);
    }
    Ok(sql)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_has_the_stores_statements_and_no_parameter_is_left() {
        let script = script("1").expect("a script");
        for part in
            ["INSERT INTO leases", "INSERT INTO lease_fences", "UPDATE leases SET released_at"]
        {
            assert_eq!(script.matches(part).count(), 1, "{script}");
        }
        assert!(!script.contains('$'), "{script}");
        assert_eq!(script.lines().count(), 12);
    }

    #[test]
    fn sqlite_alone_makes_pairs() {
        let folder = tempfile::tempdir().expect("a folder");
        let rate = sqlite_pairs(folder.path(), (4, 3), Duration::from_millis(50)).expect("pairs");
        assert!(rate > 0.0);
    }
}
