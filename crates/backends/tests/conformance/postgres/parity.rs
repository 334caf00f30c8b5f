//! The two schemas are one: tables, columns, keys, references and indexes, but for what is listed.

use crate::support::NOW;
use rusqlite::Connection;
use std::collections::BTreeSet;
use tenantry_backends::sqlite::{SqliteOptions, SqliteStore};
use tenantry_backends::testing::{Row, Server};

/// Tables of PostgreSQL alone: rows have no order of commits there, a migration locks a row, and
/// secrets do not lie beside the database.
const ALONE: [&str; 3] = ["audit_waiting", "schema_lock", "secrets_check"];

/// A table of the embedded store alone: here leases live by the server's clock.
const EMBEDDED_ALONE: &str = "lease_clock";

/// `table.column kind null`, for each column.
type Lines = BTreeSet<String>;

fn list(connection: &Connection, sql: &str) -> Lines {
    let mut statement = connection.prepare(sql).expect("a query");
    let rows = statement.query_map([], |row| row.get::<_, String>(0)).expect("rows");
    let lines = rows.map(|line| line.expect("a line"));
    lines.filter(|line| !line.contains(EMBEDDED_ALONE)).collect()
}

/// A condition without what the two spell differently.
fn condition(text: &str) -> String {
    let text = text.split(" WHERE ").nth(1).unwrap_or_default().replace("x''", "''");
    let text =
        ["::text", "::bytea", "(", ")", " ", "\\x"].iter().fold(text, |t, w| t.replace(w, ""));
    text.to_lowercase()
}

fn embedded() -> [Lines; 4] {
    let directory = tempfile::tempdir().expect("a directory");
    let options = SqliteOptions::new(directory.path(), NOW);
    let store = SqliteStore::open(&options).expect("a store");
    let connection = Connection::open(store.path()).expect("a connection");
    let columns = "SELECT t.name || '.' || c.name || ' '
            || CASE c.type WHEN 'BLOB' THEN 'bytea' WHEN 'INTEGER' THEN 'bigint' ELSE lower(c.type) END
            || CASE WHEN c.\"notnull\" THEN '' ELSE ' null' END
        FROM sqlite_schema t, pragma_table_info(t.name) c
        WHERE t.type = 'table'";
    let references = "SELECT t.name || '.' || f.\"from\" || ' ' || f.\"table\" || '.' || f.\"to\"
        FROM sqlite_schema t, pragma_foreign_key_list(t.name) f WHERE t.type = 'table'";
    // Keys, and constraints, by their columns.
    let keys = "SELECT t.name || ' ' || (SELECT group_concat(name, ',') FROM
            (SELECT name FROM pragma_table_info(t.name) WHERE pk > 0 ORDER BY pk))
        FROM sqlite_schema t WHERE t.type = 'table'
        UNION
        SELECT t.name || ' ' || (SELECT group_concat(name, ',') FROM
            (SELECT name FROM pragma_index_info(i.name) ORDER BY seqno))
        FROM sqlite_schema t, pragma_index_list(t.name) i
        WHERE t.type = 'table' AND i.origin = 'u'";
    let indexes =
        "SELECT i.name || ' ' || t.name || CASE WHEN i.\"unique\" THEN ' unique ' ELSE ' ' END
            || (SELECT group_concat(name, ',') FROM
                (SELECT name FROM pragma_index_info(i.name) ORDER BY seqno))
            || '|' || s.sql
        FROM sqlite_schema t, pragma_index_list(t.name) i, sqlite_schema s
        WHERE t.type = 'table' AND i.origin = 'c' AND s.name = i.name";
    let indexes = list(&connection, indexes);
    let [columns, references, keys] = [columns, references, keys].map(|sql| list(&connection, sql));
    [columns, references, keys, with_conditions(indexes)]
}

fn with_conditions(indexes: Lines) -> Lines {
    let line = |index: String| {
        let (line, sql) = index.split_once('|').expect("its statement");
        let sql = sql.split_whitespace().collect::<Vec<_>>().join(" ");
        format!("{line} {}", condition(&sql))
    };
    indexes.into_iter().map(line).collect()
}

fn shared(server: &Server) -> [Lines; 4] {
    let database = server.database();
    let columns = "SELECT table_name || '.' || column_name || ' ' || data_type
            || CASE is_nullable WHEN 'YES' THEN ' null' ELSE '' END
        FROM information_schema.columns WHERE table_schema = 'public'";
    let names = "(SELECT string_agg(a.attname, ',' ORDER BY k.place)
            FROM unnest(x.conkey) WITH ORDINALITY AS k (number, place)
            JOIN pg_attribute a ON a.attrelid = x.conrelid AND a.attnum = k.number)";
    let references = format!(
        "SELECT x.conrelid::regclass || '.' || {names} || ' ' || x.confrelid::regclass || '.id'
         FROM pg_constraint x WHERE x.contype = 'f'"
    );
    let keys = format!(
        "SELECT x.conrelid::regclass || ' ' || {names} FROM pg_constraint x
         JOIN pg_namespace n ON n.oid = x.connamespace
         WHERE x.contype IN ('p', 'u') AND n.nspname = 'public'"
    );
    let indexes = "SELECT c.relname || ' ' || i.indrelid::regclass
            || CASE WHEN i.indisunique THEN ' unique ' ELSE ' ' END
            || (SELECT string_agg(a.attname, ',' ORDER BY a.attnum) FROM pg_attribute a
                WHERE a.attrelid = i.indexrelid)
            || '|' || pg_get_indexdef(i.indexrelid)
        FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
        JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = 'public'
            AND NOT EXISTS (SELECT 1 FROM pg_constraint x WHERE x.conindid = i.indexrelid
                AND x.contype IN ('p', 'u'))";
    let list = |sql: &str| -> Lines {
        let rows = database.query(sql).unwrap_or_else(|error| panic!("{sql}: {error:?}"));
        let lines = rows.iter().map(|row: &Row| row.get::<_, String>(0));
        lines.filter(|line| !ALONE.iter().any(|table| line.contains(table))).collect()
    };
    [list(columns), list(&references), list(&keys), with_conditions(list(indexes))]
}

#[test]
fn both_databases_have_the_same_schema() {
    let Some(server) = Server::shared() else { return };
    let names = ["columns", "references", "keys", "indexes"];
    for ((embedded, shared), name) in embedded().into_iter().zip(shared(server)).zip(names) {
        assert!(!embedded.is_empty(), "{name}");
        let (left, right): (Vec<_>, Vec<_>) =
            (embedded.difference(&shared).collect(), shared.difference(&embedded).collect());
        assert!(left.is_empty() && right.is_empty(), "{name}: {left:#?} / {right:#?}");
    }
}
