//! What the database holds after a crash, read from outside: whole creates and nothing else.

use rusqlite::{Connection, OpenFlags};
use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use tenantry::secrets_file;
use tenantry_backends::checkpoint_file::CHECKPOINT_FILE;
use tenantry_backends::sqlite::Inspection;
use tenantry_core::ids::{AccountId, ServiceAccountId};
use tenantry_core::secrets::Secrets;

/// Up to where the database was looked at before: each look reads only what is new.
#[derive(Debug, Default)]
pub(crate) struct Stored {
    rows: HashMap<&'static str, i64>,
    /// Sub-accounts and service accounts found so far.
    pub(crate) things: usize,
}

impl Stored {
    /// Looks at everything that is new and answers how many whole creates that is and their ids, in
    /// every spelling. Nobody writes meanwhile.
    pub(crate) fn look(&mut self, database: &Path) -> HashSet<String> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let database = Connection::open_with_flags(database, flags).expect("the database");
        let accounts = self.new_rows(
            &database,
            "accounts",
            "SELECT rowid, id FROM accounts WHERE rowid > ?1 AND parent_id IS NOT NULL",
            |row| row.get::<_, [u8; 16]>(1).map(AccountId::from_bytes),
        );
        let services = self.new_rows(
            &database,
            "service_accounts",
            "SELECT rowid, id FROM service_accounts WHERE rowid > ?1",
            |row| row.get::<_, [u8; 16]>(1).map(ServiceAccountId::from_bytes),
        );
        let events = self.new_rows(
            &database,
            "audit_events",
            "SELECT rowid, target_id FROM audit_events WHERE rowid > ?1
             AND action IN ('account.created', 'service_account.created')",
            |row| row.get::<_, String>(1),
        );
        let owners = self.new_rows(
            &database,
            "credentials",
            "SELECT rowid, account_id, service_account_id FROM credentials WHERE rowid > ?1
             AND (account_id <> root_id OR service_account_id IS NOT NULL)",
            |row| {
                let service = row.get::<_, Option<[u8; 16]>>(2)?;
                Ok(match service {
                    Some(id) => ServiceAccountId::from_bytes(id).to_string(),
                    None => AccountId::from_bytes(row.get(1)?).to_string(),
                })
            },
        );
        let mut things: Vec<String> = accounts.iter().map(ToString::to_string).collect();
        things.extend(services.iter().map(ToString::to_string));
        things.sort_unstable();
        // One event and one credential for each, and none of either without its thing.
        for (what, mut found) in [("audit events", events), ("credentials", owners)] {
            found.sort_unstable();
            assert!(found == things, "half-made: {} {what}, {} things", found.len(), things.len());
        }
        self.things += things.len();
        things.extend(accounts.iter().map(|id| id.to_uuid()));
        things.extend(services.iter().map(|id| format!("sa-{}", id.to_uuid())));
        things.into_iter().collect()
    }

    fn new_rows<T>(
        &mut self,
        database: &Connection,
        table: &'static str,
        sql: &str,
        read: impl Fn(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
    ) -> Vec<T> {
        let last = self.rows.entry(table).or_default();
        let mut statement = database.prepare(sql).expect("a statement");
        let rows = statement.query_map([*last], |row| Ok((row.get::<_, i64>(0)?, read(row)?)));
        let rows: Vec<_> = rows.expect("rows").map(|row| row.expect("a row")).collect();
        *last = rows.iter().map(|(id, _)| *id).max().unwrap_or(*last);
        rows.into_iter().map(|(_, value)| value).collect()
    }
}

/// References that lead nowhere, and damage.
pub(crate) fn assert_sound(database: &Path) {
    let database = Connection::open(database).expect("the database");
    let verdict: String =
        database.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("a check");
    assert_eq!(verdict, "ok");
    let mut statement = database.prepare("PRAGMA foreign_key_check").expect("a check");
    assert!(!statement.exists([]).expect("a check"), "a row refers to one that is not there");
}

/// How many events the audit trail of a stopped server has, all of them in their chains and these
/// in checkpoints that the file beside them has, too.
pub(crate) fn assert_trail_intact(data: &Path) -> usize {
    let material = secrets_file::read(&data.join("secrets.toml")).expect("readable");
    let secrets = Secrets::new(&material.expect("secrets"));
    let mut copy = BufReader::new(File::open(data.join(CHECKPOINT_FILE)).expect("the copy"));
    let inspection = Inspection::open(data).expect("the database");
    let report = inspection.check_trail(&secrets, Some(&mut copy), &mut |_| {}).expect("a report");
    assert_eq!(report.findings.wrong, 0, "{report:?}");
    assert_eq!((report.unsealed, report.uncovered), (0, 0), "{report:?}");
    assert_eq!(report.copy.map(|copy| copy.lacking), Some(0));
    usize::try_from(report.sealed).expect("small")
}
