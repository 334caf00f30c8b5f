//! Rows against the trail: is each of the version that its last event says?

use super::{Check, UNSEALED, open};
use crate::sqlite::check::seals::{ACCOUNTS, CREDENTIALS, SERVICE_ACCOUNTS};
use crate::sqlite::errors::from_sqlite;
use crate::sqlite::rows;
use rusqlite::{Row as SqlRow, params};
use std::collections::{BTreeMap, HashSet};
use tenantry_core::audit::trail::Problem;
use tenantry_core::audit::{Row, VersionSums};
use tenantry_core::error::{Error, Result};
use tenantry_core::secrets::Secrets;

/// Groups of ids that are looked at one by one where the sums say that something differs.
const GROUPS_MAX: usize = 64;
/// Rows that are looked at one by one.
const ROWS_MAX: usize = 100_000;

/// A row's id and version, once its seal was found to be right.
type Read = fn(&SqlRow<'_>, &Secrets) -> Result<(Row, u64)>;

const TABLES: [(&str, Read); 3] = [
    (ACCOUNTS, |row, secrets| {
        let account = rows::read_account(row, 1)?.open(secrets)?;
        Ok((Row::Account(account.id), account.version))
    }),
    (SERVICE_ACCOUNTS, |row, secrets| {
        let account = rows::read_service_account(row, 1)?.open(secrets)?;
        Ok((Row::ServiceAccount(account.id), account.version))
    }),
    (CREDENTIALS, |row, secrets| {
        let credential = rows::read_credential(row, 1)?.open(secrets)?;
        Ok((Row::Credential(credential.id), credential.version))
    }),
];

/// What is done with each row.
type Look<'l, 'a> = dyn FnMut(&mut Check<'a>, Result<(Row, u64)>) -> Result<()> + 'l;

/// What rows and trail say of one row.
#[derive(Default)]
struct Versions {
    /// What the row says, where it is there.
    row: Option<u64>,
    /// The highest that the trail says.
    trail: u64,
    /// How many events say one.
    events: u64,
}

impl<'a> Check<'a> {
    pub(super) fn rows(&mut self) -> Result<()> {
        let mut altered = HashSet::new();
        self.each_row(&mut |check, read| match read {
            Ok((row, version)) => {
                check.sums.take_row(&row, version, check.secrets);
                check.report.rows += 1;
                check.step();
                Ok(())
            }
            Err(error) => {
                if let Error::Integrity { id, .. } = &error
                    && altered.len() < ROWS_MAX
                {
                    altered.insert(id.clone());
                }
                check.report.rows += 1;
                check.row_altered(error)
            }
        })?;
        let differing = self.sums.differing();
        if differing.is_empty() { Ok(()) } else { self.explain(&differing, &altered) }
    }

    fn each_row(&mut self, look: &mut Look<'_, 'a>) -> Result<()> {
        let connection = self.connection;
        for (sql, read) in TABLES {
            let mut statement = connection.prepare_cached(sql).map_err(from_sqlite)?;
            let mut rows = statement.query(params![i64::MIN, i64::MAX]).map_err(from_sqlite)?;
            while let Some(row) = rows.next().map_err(from_sqlite)? {
                let read = read(row, self.secrets);
                look(self, read)?;
            }
        }
        Ok(())
    }

    /// Names the rows of which trail and row disagree, but for those that were told to be altered.
    fn explain(&mut self, groups: &[usize], altered: &HashSet<String>) -> Result<()> {
        let groups: HashSet<usize> = groups.iter().copied().take(GROUPS_MAX).collect();
        let mut found: BTreeMap<String, (Row, Versions)> = BTreeMap::new();
        let mut note = |row: Row, set: &dyn Fn(&mut Versions)| {
            let known = found.contains_key(&row.to_string());
            if groups.contains(&VersionSums::bucket(&row)) && (known || found.len() < ROWS_MAX) {
                let entry = found.entry(row.to_string()).or_insert((row, Versions::default()));
                set(&mut entry.1);
            }
        };
        let connection = self.connection;
        let mut statement = connection.prepare_cached(UNSEALED).map_err(from_sqlite)?;
        let mut events = statement.query([i64::MIN]).map_err(from_sqlite)?;
        while let Some(row) = events.next().map_err(from_sqlite)? {
            match rows::read_audit_event(row, 0).and_then(|event| open(event, self.secrets)) {
                Ok(event) => {
                    for (row, version) in event.rows() {
                        note(row, &|versions| {
                            versions.trail = versions.trail.max(version);
                            versions.events += 1;
                        });
                    }
                }
                // Told before.
                Err(Error::Integrity { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        self.each_row(&mut |_, read| {
            if let Ok((row, version)) = read {
                note(row, &|versions| versions.row = Some(version));
            }
            Ok(())
        })?;
        for (id, (row, Versions { row: version, trail, events })) in found {
            let problem = match version {
                None if altered.contains(&id) => continue,
                None => Problem::RowDropped(row),
                Some(version) if version < trail => Problem::RowPutBack { row, version, trail },
                Some(version) if version > trail || version != events => {
                    Problem::RowAhead { row, version }
                }
                Some(_) => continue,
            };
            self.report.findings.add(None, None, problem);
        }
        Ok(())
    }
}
