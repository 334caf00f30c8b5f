//! The embedded store: one SQLite database in the data directory, one process.
//!
//! - [`lock`]: the directory belongs to one process; an unclean stop is seen at the next start
//! - `connection`: settings, and whose database it is
//! - `migrations`: the schema, by numbered files in `migrations/sqlite/`
//! - `writer`: one thread, group commit
//! - `readers`: look-ups on the calling task
//! - `rows`: rows to records and back
//! - `changes`: what every change writes beside itself
//! - `backup`, `check`, `restore`: a copy of one instant; looking over; what a restore writes
//! - a file per feature with its SQL: `accounts`, `credentials`, `databases`, `members`, `service_accounts`,
//!   `oauth`, `realms`, `audit`, `trail`, `leads`, `leases`, `call_records`,
//!   `given_calls`, `usage`, `usage_sums`, `nodes`, `health`
//! - `lease_clock`: what leases measure time by

mod accounts;
mod audit;
mod backup;
mod call_records;
mod changes;
mod check;
mod connection;
mod credentials;
mod databases;
mod errors;
mod foreign_keys;
mod given_calls;
mod health;
mod leads;
mod lease_clock;
mod leases;
pub mod lock;
mod members;
mod migrations;
mod nodes;
mod oauth;
mod readers;
mod realms;
mod replays;
mod restore;
mod rows;
mod service_accounts;
mod trail;
mod usage;
mod usage_sums;
mod uses;
mod writer;

pub use backup::{Phase, Snapshot, snapshot};
pub use check::{
    CopyReport, FINDINGS_TOLD_MAX, Finding, Findings, Inspection, NEWER_CHAINS_MAX, Newer,
    TrailReport,
};
pub use errors::{OpenError, RESTORE_HINT};
pub use writer::{DiskFailed, Stats};

use lease_clock::LeaseClock;
use lock::DataDirLock;
use readers::Readers;
use rusqlite::Connection;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tenantry_core::clock::{Clock, SystemClock, Timestamp};
use tenantry_core::error::{Error, Result};
use tenantry_core::store::Committed;
use writer::Writer;

/// The database's name in the data directory.
pub const DATABASE_FILE: &str = "tenantry.db";

/// How a store is opened.
#[derive(Clone, Debug)]
pub struct SqliteOptions {
    /// The data directory, made where there is none.
    pub directory: PathBuf,
    /// Connections that read, at least one: as many as the runtime has threads, unless memory is
    /// short.
    pub readers: usize,
    /// The operator's cap on the database file, in bytes, in whole pages. At the cap, changes
    /// that need room are refused with `StorageFull` and everything else goes on. The log beside
    /// the file comes on top of it.
    pub size_max_bytes: Option<u64>,
    /// What is done where an fsync failed. Nothing by default: changes are refused from then on.
    pub disk_failed: DiskFailed,
    /// When the store is opened: noted beside migrations that are applied.
    pub now: Timestamp,
    /// What the lives of leases are measured by.
    pub clock: Arc<dyn Clock>,
}

impl SqliteOptions {
    /// A store in `directory` without a cap, opened at `now`, with a reader for each of the
    /// machine's processors and the machine's clock.
    #[must_use]
    pub fn new(directory: impl Into<PathBuf>, now: Timestamp) -> Self {
        let readers = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let directory = directory.into();
        Self {
            directory,
            readers,
            size_max_bytes: None,
            disk_failed: || (),
            now,
            clock: Arc::new(SystemClock),
        }
    }

    /// The database.
    #[must_use]
    pub fn database_file(&self) -> PathBuf {
        self.directory.join(DATABASE_FILE)
    }
}

/// A store on SQLite.
///
/// Dropping it does what is queued, moves the log into the database, closes it and gives the
/// directory up. That blocks for as long as the disk takes.
pub struct SqliteStore {
    // Dropped in this order: the writer's connection closes last and clears the log away, the
    // directory is free after that.
    readers: Readers,
    /// For reads that look at many rows, one at a time.
    apart: Arc<tokio::sync::Mutex<Connection>>,
    writer: Writer,
    lock: DataDirLock,
    path: PathBuf,
    lease_clock: LeaseClock,
    /// Set for good once damage was seen: what a damaged file says is not to be relied on, and
    /// what is written to it may be lost.
    damaged: Arc<AtomicBool>,
}

impl SqliteStore {
    /// Locks the data directory and opens the store in it, bringing the schema up to date.
    /// Blocks for as long as the disk takes.
    ///
    /// # Errors
    /// Every reason of [`OpenError`].
    pub fn open(options: &SqliteOptions) -> Result<Self, OpenError> {
        let lock = DataDirLock::acquire(&options.directory)?;
        Self::open_locked(options, lock)
    }

    /// Opens the store in a directory that was locked before, for other files in it.
    ///
    /// # Errors
    /// Every reason of [`OpenError`] but `InUse`.
    pub fn open_locked(options: &SqliteOptions, lock: DataDirLock) -> Result<Self, OpenError> {
        if lock.directory() != options.directory {
            return Err(OpenError::NotLocked { path: options.directory.clone() });
        }
        let path = options.database_file();
        let mut connection = connection::open_writer(&path, options.size_max_bytes)?;
        migrations::migrate(&mut connection, options.now)?;
        let lease_clock = LeaseClock::open(&connection, options.clock.clone())?;
        let readers = Readers::open(&path, options.readers)?;
        let apart = Arc::new(tokio::sync::Mutex::new(connection::open_reader(&path)?));
        let writer = Writer::start(connection, options.disk_failed)
            .map_err(|source| OpenError::file(&path, source))?;
        if lock.after_unclean_stop() {
            tracing::warn!("the process before this one did not stop cleanly");
        }
        Ok(Self { readers, apart, writer, lock, path, lease_clock, damaged: Arc::default() })
    }

    /// True where the process before this one did not come to its end. What it acknowledged is
    /// here; [`Self::quick_check`] tells whether the disk kept it whole.
    #[must_use]
    pub fn after_unclean_stop(&self) -> bool {
        self.lock.after_unclean_stop()
    }

    /// The database file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the writer has done since the store was opened.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.writer.stats()
    }

    /// Whether changes are accepted, as far as the last of them, or the last probe, tell.
    ///
    /// # Errors
    /// `StorageFull` or `Unavailable`, where they are refused.
    pub fn accepts_writes(&self) -> Result<()> {
        self.refuse_if_damaged()?;
        self.writer.check()
    }

    /// A check of the whole database, to be run where nobody waits for it: it blocks for long on a
    /// large one. It has a connection of its own and does not keep the store from being closed. It
    /// lists the first faults, none where the file is sound; where there are some, nothing is read
    /// or written from then on.
    pub fn quick_check(
        &self,
    ) -> impl FnOnce() -> Result<Vec<String>, OpenError> + Send + 'static + use<> {
        let (path, damaged) = (self.path.clone(), Arc::clone(&self.damaged));
        move || {
            let reader = connection::open_reader(&path)?;
            let faults = connection::check_pages(&reader, "quick_check")?;
            if !faults.is_empty() {
                damaged.store(true, Ordering::Relaxed);
            }
            Ok(faults)
        }
    }

    /// Runs a job on the writer's thread, in a transaction.
    async fn write(
        &self,
        run: impl FnMut(&Connection) -> Result<Committed> + Send + 'static,
    ) -> Result<Committed> {
        self.refuse_if_damaged()?;
        let outcome = self.writer.run(Box::new(run)).await;
        self.note_damage(outcome)
    }

    /// Runs a job as [`Self::write`] does, whose outcome is more than a place in the change log.
    async fn write_for<T: Send + 'static>(
        &self,
        mut run: impl FnMut(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        // A job may run more than once: what it said last is what was committed.
        let said = Arc::new(Mutex::new(None));
        let says = said.clone();
        self.write(move |connection| {
            let outcome = run(connection)?;
            *says.lock().unwrap_or_else(PoisonError::into_inner) = Some(outcome);
            Ok(None)
        })
        .await?;
        let outcome = said.lock().unwrap_or_else(PoisonError::into_inner).take();
        outcome.ok_or_else(|| Error::internal("a job was committed and said nothing"))
    }

    /// Runs a read of one statement here and now.
    fn read<T>(&self, read: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        self.refuse_if_damaged()?;
        let outcome = self.readers.read(read);
        self.note_damage(outcome)
    }

    /// Runs a read of one statement that looks at many rows: on a thread and a connection of its own,
    /// so that look-ups neither wait for it nor for a connection.
    async fn read_apart<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.refuse_if_damaged()?;
        let connection = self.apart.clone().lock_owned().await;
        let outcome = tokio::task::spawn_blocking(move || read(&connection)).await;
        self.note_damage(outcome.unwrap_or_else(|error| Err(Error::internal(error))))
    }

    fn refuse_if_damaged(&self) -> Result<()> {
        if self.damaged.load(Ordering::Relaxed) {
            return Err(Error::unavailable("the database is damaged"));
        }
        Ok(())
    }

    fn note_damage<T>(&self, outcome: Result<T>) -> Result<T> {
        if let Err(Error::Unavailable(cause)) = &outcome
            && matches!(cause.downcast_ref(), Some(OpenError::Unreadable(_)))
        {
            self.damaged.store(true, Ordering::Relaxed);
        }
        outcome
    }
}

impl std::fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SqliteStore").field("path", &self.path).finish_non_exhaustive()
    }
}
