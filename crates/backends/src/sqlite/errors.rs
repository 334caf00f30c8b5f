//! Why a store does not open, and how SQLite's failures read to callers.

use rusqlite::ErrorCode;
use rusqlite::ffi;
use std::path::PathBuf;
use tenantry_core::error::{Conflict, Error};

/// What to do about a damaged database.
pub const RESTORE_HINT: &str = "stop the server, move the data directory away and run \
     `tenantry restore BACKUP`";

/// Why a store was not opened. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The data directory or a file in it cannot be made or read.
    #[error("{} cannot be used", path.display())]
    File {
        /// The directory or file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// Another process works in the data directory.
    #[error("{} is in use by another process", path.display())]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// The lock at hand is another directory's.
    #[error("{} is not the directory that was locked", path.display())]
    NotLocked {
        /// The directory that was to be opened.
        path: PathBuf,
    },
    /// The `SQLite` library is older than what the store was made for.
    #[error("SQLite {found} is too old: {wanted} or later is needed")]
    LibraryTooOld {
        /// The library's version.
        found: &'static str,
        /// The oldest that will do.
        wanted: &'static str,
    },
    /// The file holds something else.
    #[error("{} is not a database of Tenantry; if it was one, its header is damaged: {RESTORE_HINT}", path.display())]
    NotTenantry {
        /// The file.
        path: PathBuf,
    },
    /// The file system does not carry a write-ahead log, as network file systems do not.
    #[error("{} is on a file system that does not carry a write-ahead log", path.display())]
    NoWriteAheadLog {
        /// The file.
        path: PathBuf,
    },
    /// A later version of Tenantry has been here.
    #[error("the database has migration {number}, this version knows {known}: install a later one")]
    SchemaTooNew {
        /// The newest migration of the database.
        number: u32,
        /// The newest that this version knows.
        known: u32,
    },
    /// A migration that was applied is not the one that this version has.
    #[error("migration {number} ({name}) is not the one that was applied to the database")]
    MigrationChanged {
        /// Its number.
        number: u32,
        /// Its name in this version.
        name: &'static str,
    },
    /// A migration failed; it left nothing behind.
    #[error("migration {number} ({name}) failed")]
    Migration {
        /// Its number.
        number: u32,
        /// Its name.
        name: &'static str,
        /// What `SQLite` says.
        #[source]
        source: rusqlite::Error,
    },
    /// The file is not what was written to it.
    #[error("{} is damaged ({fault}): {RESTORE_HINT}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The first of its faults.
        fault: String,
    },
    /// The file cannot be read for what it is.
    #[error("the database is damaged: {RESTORE_HINT}")]
    Unreadable(#[source] rusqlite::Error),
    /// A lock is held that should be free.
    #[error("the database is locked")]
    Busy,
    /// `SQLite` refuses.
    #[error("the database does not open")]
    Sqlite(#[source] rusqlite::Error),
}

impl OpenError {
    pub(super) fn file(path: impl Into<PathBuf>, source: std::io::Error) -> Self {
        Self::File { path: path.into(), source }
    }
}

impl From<rusqlite::Error> for OpenError {
    fn from(error: rusqlite::Error) -> Self {
        if is_damage(&error) { Self::Unreadable(error) } else { Self::Sqlite(error) }
    }
}

/// True where SQLite says that the file's bytes make no sense.
pub(super) fn is_damage(error: &rusqlite::Error) -> bool {
    let damage = [ErrorCode::DatabaseCorrupt, ErrorCode::NotADatabase];
    error.sqlite_error_code().is_some_and(|code| damage.contains(&code))
}

impl From<OpenError> for Error {
    fn from(error: OpenError) -> Self {
        Self::unavailable(error)
    }
}

/// What a caller can do about a failure of SQLite.
///
/// Messages of SQLite name tables and columns but never hold a bound value, so they may be logged.
pub(super) fn from_sqlite(error: rusqlite::Error) -> Error {
    let Some(failure) = error.sqlite_error() else {
        // A wrong number of parameters, a wrong column index and the like.
        return Error::internal(error);
    };
    match (failure.code, failure.extended_code) {
        (ErrorCode::DiskFull, _) => Error::StorageFull,
        (_, ffi::SQLITE_CONSTRAINT_UNIQUE | ffi::SQLITE_CONSTRAINT_PRIMARYKEY) => {
            Error::Conflict(Conflict::Taken)
        }
        // The rules hand over finished records: what breaks a CHECK or a reference is a defect.
        (ErrorCode::ConstraintViolation, _) => Error::internal(error),
        (ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase, _) => {
            tracing::error!(alarm = "database_corrupt", error = %error,
                "the database file is damaged: {RESTORE_HINT}");
            // With the hint, for whom it ends a start or a command.
            Error::unavailable(OpenError::Unreadable(error))
        }
        _ => Error::unavailable(error),
    }
}

/// True where the system could not bring something to the disk. What it could not write it has
/// dropped, and the next fsync would report success.
pub(super) fn is_unsynced(error: &Error) -> bool {
    let Error::Unavailable(cause) = error else {
        return false;
    };
    cause.downcast_ref::<rusqlite::Error>().is_some_and(is_failed_sync)
}

/// The same, of what SQLite says.
pub(super) fn is_failed_sync(error: &rusqlite::Error) -> bool {
    error.sqlite_error().is_some_and(|failure| {
        matches!(failure.extended_code, ffi::SQLITE_IOERR_FSYNC | ffi::SQLITE_IOERR_DIR_FSYNC)
    })
}
