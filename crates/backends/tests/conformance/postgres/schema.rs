//! Migrations.

use super::open;
use crate::support::NOW;
use tenantry_backends::postgres::{OpenError, PostgresOptions, PostgresStore};
use tenantry_backends::testing::{Database, Row, Server};

/// Seen failing without the row's lock: a node then applies a file that another one is applying.
#[tokio::test]
async fn of_nodes_that_start_at_once_one_applies_each_migration() {
    let Some(server) = Server::shared() else { return };
    for _ in 0..3 {
        let database = server.empty_database();
        let options = PostgresOptions::new(database.url(), NOW);
        let nodes = (0..4).map(|_| PostgresStore::open(&options));
        for opened in futures_util::future::join_all(nodes).await {
            opened.expect("a store");
        }
        let rows = database.query("SELECT number FROM schema_migrations ORDER BY number");
        let numbers: Vec<i64> = rows.expect("rows").iter().map(|row| row.get(0)).collect();
        assert!(numbers.iter().copied().eq(1..=numbers.len().try_into().expect("few")));
    }
}

#[tokio::test]
async fn a_schema_of_another_version_is_refused() {
    let Some(server) = Server::shared() else { return };
    let database = server.database();
    let opened = async || PostgresStore::open(&PostgresOptions::new(database.url(), NOW)).await;
    let edit = |sql: &str| database.execute(sql).expect("changed");
    edit("UPDATE schema_migrations SET checksum = sha256('x') WHERE number = 2");
    let refused = opened().await.expect_err("changed");
    assert!(matches!(refused, OpenError::MigrationChanged { number: 2, .. }), "{refused}");
    edit("INSERT INTO schema_migrations VALUES (99, 'later', ''::bytea, 0)");
    let refused = opened().await.expect_err("later");
    assert!(matches!(refused, OpenError::SchemaTooNew { number: 99, .. }), "{refused}");
}

/// The schema as it was before migration `number`.
fn apply_below(database: &Database, number: u32) {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/postgres");
    let files = std::fs::read_dir(folder).expect("the folder");
    let mut files: Vec<_> = files.map(|file| file.expect("a file").path()).collect();
    files.sort();
    let list = "CREATE TABLE schema_migrations (number BIGINT NOT NULL PRIMARY KEY,
        name TEXT NOT NULL, checksum BYTEA NOT NULL, applied_at BIGINT NOT NULL)";
    database.execute(list).expect("a table");
    for (file, number) in files.iter().zip(1..number) {
        let sql = std::fs::read_to_string(file).expect("a migration");
        database.execute(&sql).expect("applied");
        let noted = format!(
            "INSERT INTO schema_migrations
             VALUES ({number}, '', sha256(convert_to($sql${sql}$sql$, 'UTF8')), 0)"
        );
        database.execute(&noted).expect("noted");
    }
}

/// Requests that come after a migration wait for the table behind it.
///
/// Seen failing with a migration that waits for as long as it takes: the read then waits behind it.
#[tokio::test]
async fn f27_a_migration_that_has_to_wait_lets_requests_pass() {
    let Some(server) = Server::shared() else { return };
    let database = server.empty_database();
    apply_below(&database, 8);
    let connect = async || {
        let no_tls = tokio_postgres::NoTls;
        let (client, connection) =
            tokio_postgres::connect(database.url(), no_tls).await.expect("a session");
        tokio::spawn(connection);
        client
    };
    let (reader, other) = (connect().await, connect().await);
    let read = "SELECT count(*) FROM change_head";
    reader.batch_execute(&format!("BEGIN; {read}")).await.expect("a long read");
    let options = PostgresOptions::new(database.url(), NOW);
    let opening = tokio::spawn(async move { PostgresStore::open(&options).await });
    let waits = "SELECT 1 FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock'";
    while other.query(waits, &[]).await.expect("rows").is_empty() {
        tokio::task::yield_now().await;
    }
    // It gives way before the read that it waits for has ended.
    other.batch_execute("SET lock_timeout = 10000").await.expect("set");
    other.batch_execute(read).await.expect("a read");
    assert!(!opening.is_finished());
    reader.batch_execute("ROLLBACK").await.expect("ended");
    opening.await.expect("no panic").expect("a store");
}

#[tokio::test]
async fn the_secrets_of_the_first_node_are_those_of_all() {
    let Some(server) = Server::shared() else { return };
    let database = server.database();
    let (one, other) = (open(database.url()).await, open(database.url()).await);
    assert_eq!(one.find_secrets_check().await.expect("a read"), None);
    assert_eq!(one.claim_secrets(&[1; 32]).await.expect("claimed"), [1; 32]);
    assert_eq!(other.claim_secrets(&[2; 32]).await.expect("claimed"), [1; 32]);
    assert_eq!(other.find_secrets_check().await.expect("a read"), Some([1; 32]));
    // It moves on from what it is alone: a node that is late does not take it back.
    one.move_secrets_check(&[1; 32], &[3; 32]).await.expect("moved");
    one.move_secrets_check(&[1; 32], &[4; 32]).await.expect("nothing to do");
    assert_eq!(other.find_secrets_check().await.expect("a read"), Some([3; 32]));
}

/// Sequences, triggers, functions and types of ours would not run on what this is designed for; see
/// the rules in `docs/operating/postgresql.md`.
#[tokio::test]
async fn the_schema_is_tables_and_indexes_and_nothing_else() {
    let Some(server) = Server::shared() else { return };
    let database = server.database();
    let kinds = "SELECT DISTINCT c.relkind::text FROM pg_class c
        JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'public' ORDER BY 1";
    let read = |row: &Row| row.get::<_, String>(0);
    let kinds: Vec<String> = database.query(kinds).expect("rows").iter().map(read).collect();
    assert_eq!(kinds, ["i", "r"]);
    let others = "SELECT 'function ' || p.proname FROM pg_proc p
            JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = 'public'
        UNION ALL SELECT 'trigger ' || t.tgname FROM pg_trigger t WHERE NOT t.tgisinternal
        UNION ALL SELECT 'type ' || t.typname FROM pg_type t
            JOIN pg_namespace n ON n.oid = t.typnamespace
            WHERE n.nspname = 'public' AND t.typtype NOT IN ('b', 'c')
        UNION ALL SELECT 'column ' || a.attname FROM pg_attribute a
            JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE n.nspname = 'public' AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped
                AND a.atttypid::regtype::text NOT IN ('bigint', 'bytea', 'text')";
    let others: Vec<String> = database.query(others).expect("rows").iter().map(read).collect();
    assert_eq!(others, [""; 0]);
}
