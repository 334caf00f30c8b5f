//! Looking a database over without changing it, beside whoever writes.

mod references;
mod seals;
mod trail;

pub use trail::{CopyReport, NEWER_CHAINS_MAX, Newer, TrailReport};

use super::connection;
use super::errors::OpenError;
use super::migrations;
use crate::archive::Counts;
use rusqlite::Connection;
use std::path::{Path, PathBuf};

/// Findings that are told one by one; the rest are counted.
pub const FINDINGS_TOLD_MAX: usize = 20;

/// A database that is only read. Not more than a statement's time is spent in one transaction,
/// unless the caller holds one.
#[derive(Debug)]
pub struct Inspection {
    connection: Connection,
    path: PathBuf,
}

/// A row that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The table.
    pub table: &'static str,
    /// The row's id, printed.
    pub id: String,
    /// What is wrong with it.
    pub problem: &'static str,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// Rows that were looked at.
    pub checked: u64,
    /// Rows that are wrong.
    pub wrong: u64,
    /// The first of them.
    pub first: Vec<Finding>,
}

impl Findings {
    fn add(&mut self, finding: Finding) {
        self.wrong += 1;
        if self.first.len() < FINDINGS_TOLD_MAX {
            self.first.push(finding);
        }
    }
}

impl Inspection {
    /// Opens the database of `directory`.
    ///
    /// # Errors
    /// None there, somebody else's, one whose header is damaged.
    pub fn open(directory: &Path) -> Result<Self, OpenError> {
        let path = directory.join(super::DATABASE_FILE);
        // SQLite's own message would not name it.
        std::fs::metadata(&path).map_err(|source| OpenError::file(&path, source))?;
        let connection = connection::open_reader(&path)?;
        connection::recognize(&connection, &path)?;
        Ok(Self { connection, path })
    }

    /// The database file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Reads every page and lists the first faults; `full` compares each index with its table,
    /// too, which takes several times as long.
    ///
    /// # Errors
    /// A file that cannot be read at all.
    pub fn check_pages(&self, full: bool) -> Result<Vec<String>, OpenError> {
        let check = if full { "integrity_check" } else { "quick_check" };
        connection::check_pages(&self.connection, check)
    }

    /// The newest migration of the database, after each was found to be this version's.
    ///
    /// # Errors
    /// A later schema, a migration that is not this version's.
    pub fn schema(&self) -> Result<u32, OpenError> {
        migrations::check_applied(&self.connection)
    }

    /// The newest migration that this version has.
    #[must_use]
    pub fn schema_known() -> u32 {
        migrations::newest()
    }

    /// Counts the rows of each table.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn counts(&self) -> Result<Counts, OpenError> {
        let count = |sql| {
            self.connection
                .query_row(sql, [], |row| row.get::<_, i64>(0))
                .map(|count| u64::try_from(count).unwrap_or_default())
        };
        Ok(Counts {
            accounts: count("SELECT count(*) FROM accounts")?,
            members: count("SELECT count(*) FROM members")?,
            service_accounts: count("SELECT count(*) FROM service_accounts")?,
            credentials: count("SELECT count(*) FROM credentials")?,
            audit_events: count("SELECT count(*) FROM audit_events")?,
        })
    }
}
