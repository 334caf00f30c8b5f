//! The database beneath an app, for whoever has SQL: to look into it and to forge rows.
//!
//! Statements are written for SQLite; what PostgreSQL spells otherwise is put in its words here.

use super::{SharedDatabase, TestApp};
use rusqlite::types::ValueRef;
use std::collections::HashSet;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

/// Where an app's store is.
pub(crate) enum Database {
    /// In a file.
    Embedded(PathBuf),
    /// On a server that tests share.
    Shared(SharedDatabase),
}

impl TestApp {
    /// The embedded database; none where the app has another.
    pub(crate) fn embedded(&self) -> Option<rusqlite::Connection> {
        let Database::Embedded(path) = &self.database else { return None };
        let database = rusqlite::Connection::open(path).expect("the database");
        database.busy_timeout(Duration::from_secs(5)).expect("set");
        // Somebody with SQL does not mind references.
        database.pragma_update(None, "foreign_keys", false).expect("set");
        Some(database)
    }

    /// True on PostgreSQL, where what reads the embedded store's file is left out.
    pub(crate) fn is_shared(&self) -> bool {
        matches!(self.database, Database::Shared(_))
    }

    /// What somebody with SQL changes; answers how many rows the last statement changed.
    pub(crate) fn edit(&self, sql: &str) -> u64 {
        let Database::Shared(database) = &self.database else {
            let database = self.embedded().expect("the database");
            database.execute_batch(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
            return database.changes();
        };
        // As a replica, which does not mind references.
        let all = format!("SET session_replication_role = replica; {}", in_postgres(sql));
        let rows = database.execute(&all).unwrap_or_else(|error| panic!("{sql}: {error:?}"));
        rows.last().copied().unwrap_or(0)
    }

    /// How many rows `sql` counts.
    pub(crate) fn count(&self, sql: &str) -> i64 {
        match &self.database {
            Database::Embedded(_) => {
                let database = self.embedded().expect("the database");
                database.query_row(sql, [], |row| row.get(0)).expect("a count")
            }
            Database::Shared(database) => {
                let rows = database.query(&in_postgres(sql));
                rows.unwrap_or_else(|error| panic!("{sql}: {error:?}"))[0].get(0)
            }
        }
    }

    /// The bytes that `sql` reads first.
    pub(crate) fn bytes(&self, sql: &str) -> Vec<u8> {
        match &self.database {
            Database::Embedded(_) => {
                let database = self.embedded().expect("the database");
                database.query_row(sql, [], |row| row.get(0)).expect("bytes")
            }
            Database::Shared(database) => database.query(sql).expect("rows")[0].get(0),
        }
    }

    /// The texts that `sql` reads.
    pub(crate) fn texts(&self, sql: &str) -> Vec<String> {
        match &self.database {
            Database::Embedded(_) => {
                let database = self.embedded().expect("the database");
                let mut statement = database.prepare(sql).expect("a query");
                let rows = statement.query_map([], |row| row.get(0)).expect("rows");
                rows.collect::<rusqlite::Result<_>>().expect("texts")
            }
            Database::Shared(database) => {
                let rows = database.query(&in_postgres(sql)).expect("rows");
                rows.iter().map(|row| row.get(0)).collect()
            }
        }
    }

    /// Every row of every table, printed.
    pub(crate) fn rows(&self) -> HashSet<String> {
        match &self.database {
            Database::Embedded(_) => embedded_rows(&self.embedded().expect("the database")),
            Database::Shared(database) => shared_rows(database),
        }
    }

    /// True where the store holds these bytes somewhere.
    pub(crate) fn stores(&self, needle: &str) -> bool {
        match &self.database {
            Database::Embedded(_) => {
                let files = std::fs::read_dir(self.dir.path()).expect("the directory");
                files.into_iter().any(|file| {
                    let bytes = std::fs::read(file.expect("a file").path()).expect("its bytes");
                    bytes.windows(needle.len()).any(|window| window == needle.as_bytes())
                })
            }
            Database::Shared(database) => {
                // Columns of bytes are printed in hexadecimal digits.
                let mut digits = String::new();
                for byte in needle.bytes() {
                    write!(digits, "{byte:02x}").expect("strings take every write");
                }
                let rows = shared_rows(database);
                rows.iter().any(|row| row.contains(needle) || row.contains(&digits))
            }
        }
    }
}

fn embedded_rows(database: &rusqlite::Connection) -> HashSet<String> {
    let tables = "SELECT name FROM sqlite_schema WHERE type = 'table'";
    let mut statement = database.prepare(tables).expect("a query");
    let names = statement.query_map([], |row| row.get::<_, String>(0)).expect("tables");
    let names: Vec<String> = names.collect::<rusqlite::Result<_>>().expect("names");
    let mut found = HashSet::new();
    for name in names {
        let mut statement = database.prepare(&format!("SELECT * FROM {name}")).expect("a query");
        let columns = statement.column_count();
        let mut rows = statement.query([]).expect("rows");
        while let Some(row) = rows.next().expect("a row") {
            let mut printed = name.clone();
            for column in 0..columns {
                let value: ValueRef<'_> = row.get_ref(column).expect("a column");
                write!(printed, "|{value:?}").expect("strings take every write");
            }
            found.insert(printed);
        }
    }
    found
}

fn shared_rows(database: &SharedDatabase) -> HashSet<String> {
    let tables = "SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'";
    let tables = database.query(tables).expect("tables");
    let mut found = HashSet::new();
    for table in tables {
        let name: String = table.get(0);
        let rows = database.query(&format!("SELECT '{name}|' || t::text FROM {name} t"));
        found.extend(rows.expect("rows").iter().map(|row| row.get::<_, String>(0)));
    }
    found
}

/// SQLite's words for bytes and places, in PostgreSQL's.
fn in_postgres(sql: &str) -> String {
    let mut text = sql.replace("rowid", "ctid").replace("= x'", "= '\\x");
    for length in [16, 32] {
        let zeros = format!("'\\x{}'", "00".repeat(length));
        text = text.replace(&format!("zeroblob({length})"), &zeros);
    }
    text
}
