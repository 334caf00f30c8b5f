//! What `pgbench` makes of the same work: one statement after the other, prepared, a session for each
//! client.

use super::database::Database;
use crate::Outcome;
use crate::sample::Sample;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// A number for each key, since `pgbench` draws numbers; and each key's row by that number. A queue of
/// `pgbench`'s own, whose events no node seals while something else is measured.
const PREPARE: &str = "CREATE TABLE bench_rows AS
        SELECT row_number() OVER (ORDER BY lineage) AS n, c.* FROM credentials c;
    ALTER TABLE bench_rows ADD PRIMARY KEY (n);
    CREATE TABLE bench_tags AS SELECT n, tag FROM bench_rows;
    ALTER TABLE bench_tags ADD PRIMARY KEY (n);
    CREATE TABLE bench_waiting (LIKE audit_waiting INCLUDING ALL);";

/// The statement of a look-up, for one tag.
const JOINED: &str = "SELECT c.*, s.*, a.*, p.*, h.*
    FROM credentials c
    LEFT JOIN service_accounts s ON s.id = c.service_account_id
    LEFT JOIN accounts a ON a.id = c.account_id
    LEFT JOIN accounts p ON p.id = a.parent_id
    LEFT JOIN change_head h ON h.shard = coalesce(a.shard, 0)
    WHERE c.tag = (SELECT tag FROM bench_tags WHERE n = :n);";

/// The rows of a create, in one transaction. Ids grow with time, as ours do.
const INSERT: &str = "\\set r random(1, 1000000000000000000)
BEGIN;
INSERT INTO accounts (id, parent_id, shard, name, profile, metadata, status, entitlements,
    concurrent_calls, sub_account_concurrent_calls, created_by_member, created_at, updated_at, version, row_mac)
    VALUES (ID, 'PARENT', SHARD, 'bench 000000000001', 'PROFILE', 'METADATA', 'active', 'ENTITLEMENTS',
    NULL, NULL, 'MEMBER', 1790000000000000, 1790000000000000, 1, sha256(ID));
INSERT INTO credentials (id, kind, account_id, root_id, member_id, format, tag, pepper_id, start, name,
    permissions, allowed_ips, metadata, status, lineage, created_at, version, row_mac)
    VALUES (ID, 'api_key', ID, 'PARENT', 'MEMBER', 'sub_account', sha256(ID), 1, 'tnt_abc', NULL,
    '[\"*:*\"]', '[]', '{}', 'active', ID, 1790000000000000, 1, sha256(ID));
INSERT INTO audit_events (id, root_id, at, actor_kind, actor_id, action, target_kind, target_id, facts,
    request_id, address, mac)
    VALUES (ID, 'PARENT', 1790000000000000, 'key', 'key_000000000000000000000000', 'account.created', 'account',
    'acc_000000000000000000000000', '{\"key_id\":\"key_000000000000000000000000\",\"key_start\":\"tnt_abc\"}',
    'req_000000000000000000000000', '127.0.0.1', sha256(ID));
INSERT INTO bench_waiting (event_id, queued_at) VALUES (ID, 1790000000000000);
COMMIT;
";

/// Sixteen bytes: the transaction's time and what was drawn.
const ID: &str = "decode(lpad(to_hex((extract(epoch FROM now()) * 1000000)::bigint), 16, '0')
    || lpad(to_hex(:r::bigint), 16, '0'), 'hex')";

/// The scripts, and how they are run.
pub(super) struct Controls {
    folder: tempfile::TempDir,
    arguments: Vec<std::ffi::OsString>,
    program: std::ffi::OsString,
}

impl Controls {
    /// Makes the scripts and what they read.
    pub(super) fn new(database: &Database) -> Outcome<Self> {
        PREPARE.split_inclusive(';').try_for_each(|sql| database.execute(sql))?;
        let count = database.ask("SELECT count(*) FROM bench_rows")?;
        // The account that creates go under, and what its rows hold.
        let found = database.ask(
            "SELECT parent_id, shard, profile, metadata, entitlements, created_by_member
             FROM accounts WHERE parent_id IS NOT NULL ORDER BY id LIMIT 1",
        )?;
        let values: Vec<&str> = found.split('|').collect();
        let [parent, shard, profile, metadata, entitlements, member] = values[..] else {
            return Err(format!("an account with other columns: {found}").into());
        };
        let insert = INSERT
            .replace("ENTITLEMENTS", entitlements)
            .replace("METADATA", metadata)
            .replace("PROFILE", profile)
            .replace("PARENT", parent)
            .replace("MEMBER", member)
            .replace("SHARD", shard)
            .replace("(ID", &format!("({ID}"))
            .replace(" ID", &format!(" {ID}"));
        let folder = tempfile::tempdir()?;
        let draw = format!("\\set n random(1, {count})\n");
        fs::write(folder.path().join("joined"), format!("{draw}{}\n", JOINED.replace('\n', " ")))?;
        let by_key = format!("{draw}SELECT * FROM bench_rows WHERE n = :n;\n");
        fs::write(folder.path().join("by_key"), by_key)?;
        fs::write(folder.path().join("insert"), insert)?;
        let pgbench = database.program("pgbench");
        let arguments = pgbench.get_args().map(Into::into).collect();
        Ok(Self { folder, arguments, program: pgbench.get_program().into() })
    }

    /// The four rows that a look-up reads.
    pub(super) fn select_joined(&self, clients: usize, time: Duration) -> Outcome<Sample> {
        self.run("joined", clients, time)
    }

    /// One row by its primary key, which is less than a look-up reads.
    pub(super) fn select_by_key(&self, clients: usize, time: Duration) -> Outcome<Sample> {
        self.run("by_key", clients, time)
    }

    /// The four rows that a create writes.
    pub(super) fn insert(&self, clients: usize, time: Duration) -> Outcome<Sample> {
        self.run("insert", clients, time)
    }

    fn run(&self, script: &str, clients: usize, time: Duration) -> Outcome<Sample> {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments);
        run(command, &self.folder.path().join(script), clients, time)
    }
}

/// Runs a script of `pgbench`, which `command` begins, for that long.
pub(crate) fn run(
    mut command: Command,
    script: &Path,
    clients: usize,
    time: Duration,
) -> Outcome<Sample> {
    command.args(["--no-vacuum", "--protocol", "prepared"]);
    command.args(["--client", &clients.to_string(), "--jobs", "2"]);
    command.args(["--time", &time.as_secs().max(1).to_string()]);
    command.arg("--file").arg(script).arg("postgres");
    let output = command.output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let rate = transactions_per_second(&text);
    match rate {
        Some(rate) if output.status.success() => Ok(Sample::of_rate(rate)),
        _ => Err(format!("pgbench: {text}{}", String::from_utf8_lossy(&output.stderr)).into()),
    }
}

pub(crate) fn transactions_per_second(text: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix("tps = "))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_read_from_what_pgbench_prints() {
        let text = "latency average = 1.2 ms\ntps = 5123.25 (without initial connection time)\n";
        assert_eq!(transactions_per_second(text), Some(5123.25));
        assert_eq!(transactions_per_second("pgbench: error"), None);
    }
}
