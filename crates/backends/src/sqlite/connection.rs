//! How connections are opened: one to write, several to read.

use super::errors::{OpenError, is_damage};
use super::lock::open_private;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use std::path::Path;
use std::time::Duration;

/// `TNTR`: what the file's header says whose database it is.
pub(super) const APPLICATION_ID: i32 = 0x544e_5452;

/// The oldest library that will do: 3.51.3 mends a race of checkpoints that could damage a
/// database in WAL mode.
const LIBRARY_VERSION_MIN: (i32, &str) = (3_051_003, "3.51.3");

/// How long a connection waits for a lock that an operator's own tool holds.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Prepared statements kept by a connection: more than the store has, so that each is prepared
/// once.
const STATEMENTS_MAX: usize = 128;

/// How much of the file a reader maps into memory: all of it. What lies beyond is read by calls,
/// which cost a quarter more CPU per look-up; a SQLite that was built without this project's flags
/// stops at 2 GB.
const MMAP_BYTES: i64 = 1 << 40;

/// SQLite's own cap on the pages of a database.
const PAGES_MAX: i64 = 0xffff_fffe;

/// Opens the connection that writes, making the file where there is none.
pub(super) fn open_writer(
    path: &Path,
    size_max_bytes: Option<u64>,
) -> Result<Connection, OpenError> {
    if rusqlite::version_number() < LIBRARY_VERSION_MIN.0 {
        let (found, wanted) = (rusqlite::version(), LIBRARY_VERSION_MIN.1);
        return Err(OpenError::LibraryTooOld { found, wanted });
    }
    // Made here, because SQLite would make it readable for everybody; its log inherits the mode.
    open_private(path).map_err(|source| OpenError::file(path, source))?;
    let connection = open(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    claim(&connection, path)?;
    let mode = connection
        .pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get::<_, String>(0))?;
    if mode != "wal" {
        return Err(OpenError::NoWriteAheadLog { path: path.to_owned() });
    }
    // The file was opened to be written: it is its header that says no.
    if connection.is_readonly("main")? {
        let fault = "its header forbids writing".to_owned();
        return Err(OpenError::Damaged { path: path.to_owned(), fault });
    }
    // Every commit is on the disk before its reply leaves.
    connection.pragma_update(None, "synchronous", "FULL")?;
    if let Some(bytes) = size_max_bytes {
        let page_bytes: i64 = connection.pragma_query_value(None, "page_size", |row| row.get(0))?;
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        let pages = (bytes / page_bytes.max(1)).clamp(1, PAGES_MAX);
        connection.pragma_update(None, "max_page_count", pages)?;
    }
    Ok(connection)
}

/// Opens a connection that reads.
pub(super) fn open_reader(path: &Path) -> Result<Connection, OpenError> {
    let connection = open(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    connection.pragma_update(None, "query_only", true)?;
    // Looks at every cell of a page whenever the page is mapped, several pages a look-up. What a
    // reader believes is sealed, and SQLite's own checks of what it reads stay.
    connection.pragma_update(None, "cell_size_check", false)?;
    connection.pragma_update(None, "mmap_size", MMAP_BYTES)?;
    Ok(connection)
}

fn open(path: &Path, mode: OpenFlags) -> Result<Connection, OpenError> {
    // A connection is used by one thread at a time, which Rust checks: SQLite's own lock is not
    // needed. Without the URI flag no path is taken for one.
    let connection = Connection::open_with_flags(path, mode | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    // One plan for every value: else a statement is prepared anew for each that is bound.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    // A misspelled column is an error and not a text.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DDL, false)?;
    connection.execute_batch(
        "PRAGMA foreign_keys = ON;
         PRAGMA trusted_schema = OFF;
         PRAGMA cell_size_check = ON;
         PRAGMA temp_store = MEMORY;",
    )?;
    Ok(connection)
}

/// Marks a new file as Tenantry's, and refuses a file that is somebody else's.
fn claim(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    let not_tenantry = || OpenError::NotTenantry { path: path.to_owned() };
    let id = connection.pragma_query_value(None, "application_id", |row| row.get::<_, i32>(0));
    match id {
        Ok(APPLICATION_ID) => Ok(()),
        Ok(0) => {
            let objects: i64 =
                connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
            if objects > 0 {
                return Err(not_tenantry());
            }
            Ok(connection.pragma_update(None, "application_id", APPLICATION_ID)?)
        }
        Ok(_) => Err(not_tenantry()),
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::NotADatabase) => {
            Err(not_tenantry())
        }
        Err(error) => Err(error.into()),
    }
}

/// Refuses a file that is not Tenantry's. Changes nothing.
pub(super) fn recognize(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    let id = connection.pragma_query_value(None, "application_id", |row| row.get::<_, i32>(0));
    match id {
        Ok(APPLICATION_ID) => Ok(()),
        Ok(_) => Err(OpenError::NotTenantry { path: path.to_owned() }),
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::NotADatabase) => {
            Err(OpenError::NotTenantry { path: path.to_owned() })
        }
        Err(error) => Err(error.into()),
    }
}

/// Runs `check`, `quick_check` or `integrity_check`, and lists what is damaged.
pub(super) fn check_pages(
    connection: &Connection,
    check: &'static str,
) -> Result<Vec<String>, OpenError> {
    const FAULTS_MAX: i64 = 20;
    let mut faults = Vec::new();
    let checked = connection.pragma(None, check, FAULTS_MAX, |row| {
        faults.push(row.get::<_, String>(0)?);
        Ok(())
    });
    match checked {
        // Damage that keeps the check itself from ending.
        Err(error) if is_damage(&error) => faults.push(error.to_string()),
        checked => checked?,
    }
    faults.retain(|fault| fault != "ok");
    Ok(faults)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setting(connection: &Connection, name: &str) -> i64 {
        connection.pragma_query_value(None, name, |row| row.get(0)).expect("a number")
    }

    #[test]
    fn connections_have_their_settings() {
        const FULL: i64 = 2;
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("a.db");
        let writer = open_writer(&path, Some(1 << 20)).expect("a writer");
        let reader = open_reader(&path).expect("a reader");
        assert_eq!(setting(&writer, "synchronous"), FULL);
        assert_eq!(setting(&writer, "max_page_count"), 256);
        assert_eq!(setting(&reader, "mmap_size"), MMAP_BYTES);
        assert_eq!(setting(&reader, "query_only"), 1);
        for connection in [&writer, &reader] {
            assert_eq!(setting(connection, "foreign_keys"), 1);
            assert_eq!(setting(connection, "trusted_schema"), 0);
            assert_eq!(setting(connection, "application_id"), i64::from(APPLICATION_ID));
            assert_eq!(setting(connection, "busy_timeout"), 5000);
        }
    }

    #[test]
    fn somebody_elses_files_are_refused_untouched() {
        let directory = tempfile::tempdir().expect("a directory");
        let database = directory.path().join("a.db");
        let other = Connection::open(&database).expect("a database");
        other.execute_batch("CREATE TABLE t (a)").expect("a table");
        drop(other);
        let text = directory.path().join("b.db");
        std::fs::write(&text, "no database at all, but longer than a header ".repeat(30))
            .expect("a file");
        for path in [database, text] {
            let before = std::fs::read(&path).expect("the file");
            assert!(matches!(open_writer(&path, None), Err(OpenError::NotTenantry { .. })));
            assert!(std::fs::read(&path).expect("the file") == before);
        }
    }
}
