//! A copy of the database as it is at one instant, beside whoever writes.

use super::check::Inspection;
use super::errors::OpenError;
use crate::archive::Counts;
use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};
use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};

/// Pages that are copied at a time, 4 MiB of the usual size.
const STEP_PAGES: i32 = 1024;

/// What a snapshot is busy with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Reading every page, so that no damage is handed on.
    Checking,
    /// Counting rows.
    Counting,
    /// Copying pages.
    Copying {
        /// Pages that are copied.
        done: u64,
        /// Pages that there are.
        total: u64,
    },
}

/// A database file that nobody else has and that is gone when this is dropped.
#[derive(Debug)]
pub struct Snapshot {
    /// The file, to be read from its beginning.
    pub file: File,
    /// Its length.
    pub bytes: u64,
    /// The newest migration in it.
    pub schema: u32,
    /// Its rows.
    pub counts: Counts,
}

/// Copies the database of `directory` as it is now, while another process may be writing to it.
///
/// SQLite's backup API would begin again after each foreign commit, and never end beside a busy
/// writer; under a read transaction that is held from beginning to end it does not. Such a
/// transaction blocks no writer, but the log grows until it ends.
///
/// The copy is staged in the data directory, where the same bytes are already. Its name is taken
/// away before anything is written: whatever ends this process leaves nothing behind.
///
/// # Errors
/// No database, another version's, a damaged one, no room for the copy.
pub fn snapshot(directory: &Path, progress: &mut dyn FnMut(Phase)) -> Result<Snapshot, OpenError> {
    let source = Inspection::open(directory)?;
    let connection = source.connection();
    connection.execute_batch("BEGIN")?;
    // The first read is what takes the snapshot.
    let schema = source.schema()?;
    progress(Phase::Checking);
    let faults = source.check_pages(false)?;
    if !faults.is_empty() {
        return Err(OpenError::Damaged {
            path: source.path().to_owned(),
            fault: faults[0].clone(),
        });
    }
    progress(Phase::Counting);
    let counts = source.counts()?;
    let (file, mut staged) = stage(directory)?;
    copy(connection, &mut staged, progress)?;
    drop(staged);
    connection.execute_batch("COMMIT")?;
    let bytes = file.metadata().map_err(|error| OpenError::file(directory, error))?.len();
    Ok(Snapshot { file, bytes, schema, counts })
}

/// A new file without a name, and a connection that writes to it.
fn stage(directory: &Path) -> Result<(File, Connection), OpenError> {
    let path: PathBuf = directory.join(format!("backup-{}.partial", std::process::id()));
    let failed = |error| OpenError::file(&path, error);
    match fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(&path).map_err(failed)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let opened = Connection::open_with_flags(&path, flags).and_then(|connection| {
        // A copy that fails is thrown away: it needs neither journal nor sync.
        connection.execute_batch(
            "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;",
        )?;
        Ok(connection)
    });
    fs::remove_file(&path).map_err(failed)?;
    Ok((file, opened?))
}

fn copy(
    from: &Connection,
    to: &mut Connection,
    progress: &mut dyn FnMut(Phase),
) -> Result<(), OpenError> {
    let backup = Backup::new(from, to)?;
    loop {
        let step = backup.step(STEP_PAGES)?;
        let pages = backup.progress();
        let total = u64::try_from(pages.pagecount).unwrap_or_default();
        let left = u64::try_from(pages.remaining).unwrap_or_default();
        progress(Phase::Copying { done: total.saturating_sub(left), total });
        match step {
            StepResult::Done => return Ok(()),
            StepResult::More => {}
            // The source has its snapshot and nobody knows of the copy.
            _ => return Err(OpenError::Busy),
        }
    }
}
