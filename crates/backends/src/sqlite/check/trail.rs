//! Whether the audit trail, and the rows that it is about, are what was written.
//!
//! All of one instant, in memory that grows with neither: chains are walked link by link, rows and
//! events are compared by sums, checkpoints one after the other.

mod checkpoints;
mod rows;

use super::Inspection;
use crate::sqlite::errors::from_sqlite;
use crate::sqlite::rows::{read_audit_event, read_link};
use crate::sqlite::trail::{self, unsealed};
use rusqlite::{Connection, Row, params};
use std::collections::{BTreeMap, HashSet};
use std::io::BufRead;
use tenantry_core::audit::chain::ChainHead;
use tenantry_core::audit::checkpoint::StoredCheckpoint;
use tenantry_core::audit::copies::RESTORED_CHECKPOINT;
use tenantry_core::audit::trail::{ChainCheck, Findings, Problem};
use tenantry_core::audit::{Action, StoredAuditEvent, VersionSums};
use tenantry_core::clock::Timestamp;
use tenantry_core::error::{Error, Result};
use tenantry_core::ids::{AccountId, EventId};
use tenantry_core::secrets::{Secrets, Unverified};

/// Work between two calls of the progress.
const PROGRESS_EVERY: u64 = 1024;
/// Restores that are remembered, to explain what the outside copy has beyond the store.
const RESTORES_MAX: usize = 1000;

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrailReport {
    /// Chains, one for each root account and one for the plane.
    pub chains: u64,
    /// Events in them.
    pub sealed: u64,
    /// Events that are in none yet.
    pub unsealed: u64,
    /// Chains that grew since they were last in a checkpoint.
    pub uncovered: u64,
    /// Checkpoints in the store.
    pub checkpoints: u64,
    /// Accounts, service accounts and credentials.
    pub rows: u64,
    /// What the outside copy says, where there is one.
    pub copy: Option<CopyReport>,
    /// What is wrong.
    pub findings: Findings,
}

/// What was found in the outside copy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CopyReport {
    /// Its last checkpoint that the store has, too; 0 for none.
    pub common: u64,
    /// Newer checkpoints of the store, which it lacks.
    pub lacking: u64,
    /// Checkpoints of histories that a restore from a backup ended.
    pub superseded: u64,
    /// Whether its last line was not written to its end.
    pub torn: bool,
    /// What it knows that the store does not, save for what a restore ended.
    pub newer: Newer,
}

/// What the outside copy knows and the store does not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Newer {
    /// How many checkpoints.
    pub checkpoints: u64,
    /// When the latest of them was made.
    pub until: Option<Timestamp>,
    /// For each of their chains, at most [`NEWER_CHAINS_MAX`], how many events the store lacks.
    pub chains: BTreeMap<AccountId, u64>,
}

/// Chains whose missing events are counted one by one.
pub const NEWER_CHAINS_MAX: usize = 10_000;

impl Inspection {
    /// How many events are in no chain yet, and the last checkpoint.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn trail_state(&self) -> Result<(u64, Option<StoredCheckpoint>)> {
        let connection = self.connection();
        Ok((unsealed::count(connection)?, trail::find_last_checkpoint(connection)?))
    }

    /// How many events and rows [`Self::check_trail`] will look at.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn count_trail(&self) -> Result<u64> {
        let sql = "SELECT (SELECT count(*) FROM audit_events) + (SELECT count(*) FROM accounts)
             + (SELECT count(*) FROM service_accounts) + (SELECT count(*) FROM credentials)";
        count(self.connection(), sql, [])
    }

    /// Looks the whole trail over, compares it with the rows that it is about, with its checkpoints
    /// and, where there is one, with their copy outside the store. `progress` is told how many
    /// events and rows are done. The schema has to be this version's.
    ///
    /// # Errors
    /// What SQLite and the copy's file say; what is wrong is a finding.
    pub fn check_trail(
        &self,
        secrets: &Secrets,
        copy: Option<&mut dyn BufRead>,
        progress: &mut dyn FnMut(u64),
    ) -> Result<TrailReport> {
        // One instant for all of it; whoever writes goes on.
        let instant = self.connection().unchecked_transaction().map_err(from_sqlite)?;
        let mut check = Check {
            connection: &instant,
            secrets,
            report: TrailReport::default(),
            sums: VersionSums::default(),
            restores: Vec::new(),
            told: HashSet::new(),
            done: 0,
            progress,
        };
        check.chains()?;
        check.checkpoints()?;
        if let Some(copy) = copy {
            check.copy(copy)?;
        }
        // Last: where an event is gone, so is what it says of its rows.
        check.rows()?;
        Ok(check.report)
    }
}

struct Check<'a> {
    connection: &'a Connection,
    secrets: &'a Secrets,
    report: TrailReport,
    sums: VersionSums,
    /// The last checkpoints of the backups that were restored.
    restores: Vec<u64>,
    /// Chains of which it was told that a checkpoint says otherwise.
    told: HashSet<AccountId>,
    done: u64,
    progress: &'a mut dyn FnMut(u64),
}

impl Check<'_> {
    fn step(&mut self) {
        self.done += 1;
        if self.done.is_multiple_of(PROGRESS_EVERY) {
            (self.progress)(self.done);
        }
    }

    fn chains(&mut self) -> Result<()> {
        let place = self.mark()?;
        let mut last = None;
        while let Some(root) = self.next_root(last)? {
            self.chain(root, place)?;
            last = Some(root);
        }
        self.unsealed(place)
    }

    /// The place in the order of rows up to which every event should be in its chain.
    fn mark(&mut self) -> Result<i64> {
        let links: bool = self
            .connection
            .prepare_cached("SELECT 1 FROM audit_links LIMIT 1")
            .and_then(|mut statement| statement.exists([]))
            .map_err(from_sqlite)?;
        let mark = match unsealed::find_mark(self.connection)? {
            (None, _) if !links => return Ok(i64::MIN),
            (Some(_), Some(place)) => return Ok(place),
            (mark, _) => mark,
        };
        // The mark's own event may be what was dropped, which its chain tells.
        let linked = "SELECT count(*) FROM audit_links WHERE event_id = ?1";
        let mark = mark.as_ref().map(EventId::as_bytes);
        if count(self.connection, linked, [mark])? == 0 {
            self.report.findings.add(None, None, Problem::MarkAltered);
        }
        let last = "SELECT coalesce(max(e.rowid), ?1)
             FROM audit_links l JOIN audit_events e ON e.id = l.event_id";
        let mut statement = self.connection.prepare_cached(last).map_err(from_sqlite)?;
        statement.query_row([i64::MIN], |row| row.get(0)).map_err(from_sqlite)
    }

    /// The next root account that has an event, a link or a head.
    fn next_root(&self, after: Option<AccountId>) -> Result<Option<AccountId>> {
        let (first, after) = match after {
            None => (true, [0; 16]),
            Some(after) => (false, *after.as_bytes()),
        };
        let mut next: Option<[u8; 16]> = None;
        for sql in [
            "SELECT root_id FROM audit_links WHERE root_id > ?1 OR (?2 AND root_id = ?1)
             ORDER BY root_id LIMIT 1",
            "SELECT root_id FROM audit_chains WHERE root_id > ?1 OR (?2 AND root_id = ?1)
             ORDER BY root_id LIMIT 1",
            "SELECT root_id FROM audit_events WHERE root_id > ?1 OR (?2 AND root_id = ?1)
             ORDER BY root_id LIMIT 1",
        ] {
            let mut statement = self.connection.prepare_cached(sql).map_err(from_sqlite)?;
            let mut rows = statement.query(params![after, first]).map_err(from_sqlite)?;
            if let Some(row) = rows.next().map_err(from_sqlite)? {
                let found: [u8; 16] = row.get(0).map_err(from_sqlite)?;
                next = Some(next.map_or(found, |next| next.min(found)));
            }
        }
        Ok(next.map(AccountId::from_bytes))
    }

    fn chain(&mut self, root: AccountId, place: i64) -> Result<()> {
        let connection = self.connection;
        let mut statement = connection.prepare_cached(LINKS).map_err(from_sqlite)?;
        let mut rows = statement.query([root.as_bytes()]).map_err(from_sqlite)?;
        let mut check = ChainCheck::after(ChainHead::empty(root), self.secrets);
        let (mut present, mut beyond) = (0, false);
        while let Some(row) = rows.next().map_err(from_sqlite)? {
            let link = match read_link(row) {
                Ok(link) => link,
                Err(error) => {
                    self.row_altered(error)?;
                    continue;
                }
            };
            if link.event.is_some() {
                present += 1;
                beyond |= row.get::<_, i64>(16).map_err(from_sqlite)? > place;
            }
            if let Some(event) = check.next(link, &mut self.report.findings) {
                self.event(&event);
            }
            self.step();
        }
        drop(rows);
        match trail::find_head(connection, root) {
            Ok(head) => check.end(head, &mut self.report.findings),
            Err(error) => self.row_altered(error)?,
        }
        self.report.chains += 1;
        self.report.sealed += check.checked;
        if beyond {
            self.report.findings.add(Some(root), None, Problem::MarkAltered);
        }
        let sql = "SELECT count(*) FROM audit_events WHERE root_id = ?1 AND rowid <= ?2";
        let events = count(connection, sql, params![root.as_bytes(), place])?;
        if events != present {
            self.not_in_chain(root, place)?;
        }
        Ok(())
    }

    /// Names the events that should be in a chain and are not.
    fn not_in_chain(&mut self, root: AccountId, place: i64) -> Result<()> {
        let mut statement = self
            .connection
            .prepare_cached(
                "SELECT id FROM audit_events WHERE root_id = ?1 AND rowid <= ?2
                     AND id NOT IN (SELECT event_id FROM audit_links WHERE root_id = ?1)
                 ORDER BY rowid",
            )
            .map_err(from_sqlite)?;
        let mut rows = statement.query(params![root.as_bytes(), place]).map_err(from_sqlite)?;
        while let Some(row) = rows.next().map_err(from_sqlite)? {
            let id = EventId::from_bytes(row.get(0).map_err(from_sqlite)?);
            self.report.findings.add(Some(root), None, Problem::NotInChain(id));
        }
        Ok(())
    }

    /// Events that are in no chain yet: sealed one by one they are.
    fn unsealed(&mut self, place: i64) -> Result<()> {
        let connection = self.connection;
        let mut statement = connection.prepare_cached(UNSEALED).map_err(from_sqlite)?;
        let mut rows = statement.query([place]).map_err(from_sqlite)?;
        while let Some(row) = rows.next().map_err(from_sqlite)? {
            self.report.unsealed += 1;
            let id = EventId::from_bytes(row.get(0).map_err(from_sqlite)?);
            match read_audit_event(row, 0).and_then(|event| open(event, self.secrets)) {
                Ok(event) => self.event(&event),
                Err(Error::Integrity { .. }) => {
                    self.report.findings.add(None, None, Problem::EventAltered(id));
                }
                Err(error) => return Err(error),
            }
            self.step();
        }
        Ok(())
    }

    /// What an event that was believed says.
    fn event(&mut self, event: &StoredAuditEvent) {
        self.sums.add_event(event, self.secrets);
        if event.action == Action::StoreRestored.as_str() && self.restores.len() < RESTORES_MAX {
            let checkpoint = event.fact(RESTORED_CHECKPOINT);
            self.restores.extend(checkpoint.and_then(|text| text.parse::<u64>().ok()));
        }
    }

    /// A row that cannot be read is a finding; anything else ends the check.
    fn row_altered(&mut self, error: Error) -> Result<()> {
        match error {
            Error::Integrity { table, id, .. } => {
                self.report.findings.add(None, None, Problem::RowAltered(table, id));
                Ok(())
            }
            error => Err(error),
        }
    }
}

/// As [`trail::LINKS`], of a whole chain, with the place of each event.
const LINKS: &str = "SELECT l.root_id, l.sequence, l.event_id, l.hash,
         e.id, e.root_id, e.at, e.actor_kind, e.actor_id, e.action, e.target_kind, e.target_id,
         e.facts, e.request_id, e.address, e.mac, e.rowid
     FROM audit_links l
     LEFT JOIN audit_events e ON e.id = l.event_id
     WHERE l.root_id = ?1 ORDER BY l.sequence";

const UNSEALED: &str = "SELECT id, root_id, at, actor_kind, actor_id, action, target_kind,
         target_id, facts, request_id, address, mac
     FROM audit_events WHERE rowid > ?1 ORDER BY rowid";

fn open(event: Unverified<StoredAuditEvent>, secrets: &Secrets) -> Result<StoredAuditEvent> {
    event.open(secrets)
}

/// A query that counts.
fn count(connection: &Connection, sql: &str, params: impl rusqlite::Params) -> Result<u64> {
    let mut statement = connection.prepare_cached(sql).map_err(from_sqlite)?;
    let count = statement.query_row(params, |row: &Row<'_>| row.get::<_, i64>(0));
    Ok(u64::try_from(count.map_err(from_sqlite)?).unwrap_or(0))
}
