//! Numbered SQL files, applied in order, each in a transaction of its own, never edited and never
//! undone.

use super::errors::OpenError;
use aws_lc_rs::digest;
use rusqlite::{Connection, TransactionBehavior, params};
use tenantry_core::clock::Timestamp;

/// A migration of this version. Its file is `migrations/sqlite/<number>_<name>.sql`.
struct Migration {
    number: u32,
    name: &'static str,
    sql: &'static str,
}

/// Every migration, numbered from 1 without gaps.
const MIGRATIONS: &[Migration] = &[
    Migration {
        number: 1,
        name: "initial",
        sql: include_str!("../../migrations/sqlite/0001_initial.sql"),
    },
    Migration {
        number: 2,
        name: "kept_replies",
        sql: include_str!("../../migrations/sqlite/0002_kept_replies.sql"),
    },
    Migration {
        number: 3,
        name: "foreign_keys",
        sql: include_str!("../../migrations/sqlite/0003_foreign_keys.sql"),
    },
    Migration {
        number: 4,
        name: "pages_of_sub_accounts",
        sql: include_str!("../../migrations/sqlite/0004_pages_of_sub_accounts.sql"),
    },
    Migration {
        number: 5,
        name: "rotation",
        sql: include_str!("../../migrations/sqlite/0005_rotation.sql"),
    },
    Migration {
        number: 6,
        name: "names_of_deleted",
        sql: include_str!("../../migrations/sqlite/0006_names_of_deleted.sql"),
    },
    Migration {
        number: 7,
        name: "audit_chains",
        sql: include_str!("../../migrations/sqlite/0007_audit_chains.sql"),
    },
    Migration {
        number: 8,
        name: "nodes",
        sql: include_str!("../../migrations/sqlite/0008_nodes.sql"),
    },
    Migration {
        number: 9,
        name: "oauth",
        sql: include_str!("../../migrations/sqlite/0009_oauth.sql"),
    },
    Migration {
        number: 10,
        name: "realms",
        sql: include_str!("../../migrations/sqlite/0010_realms.sql"),
    },
    Migration {
        number: 11,
        name: "bounds_of_nodes",
        sql: include_str!("../../migrations/sqlite/0011_bounds_of_nodes.sql"),
    },
    Migration {
        number: 12,
        name: "leases",
        sql: include_str!("../../migrations/sqlite/0012_leases.sql"),
    },
    Migration {
        number: 13,
        name: "rates",
        sql: include_str!("../../migrations/sqlite/0013_rates.sql"),
    },
    Migration {
        number: 14,
        name: "usage",
        sql: include_str!("../../migrations/sqlite/0014_usage.sql"),
    },
    Migration {
        number: 15,
        name: "tenant_databases",
        sql: include_str!("../../migrations/sqlite/0015_tenant_databases.sql"),
    },
];

/// Brings the schema to this version's, after checking that what was applied is what this version
/// has. `now` is noted beside each migration that is applied.
pub(super) fn migrate(connection: &mut Connection, now: Timestamp) -> Result<(), OpenError> {
    apply(connection, MIGRATIONS, now)
}

/// The newest migration of this version.
pub(super) fn newest() -> u32 {
    MIGRATIONS.last().map_or(0, |migration| migration.number)
}

/// The newest migration that was applied, after each was found to be what this version has.
/// Changes nothing.
pub(super) fn check_applied(connection: &Connection) -> Result<u32, OpenError> {
    let applied = list_applied(connection)?;
    compare(&applied, MIGRATIONS)?;
    Ok(applied.last().map_or(0, |(number, _)| *number))
}

fn apply(
    connection: &mut Connection,
    migrations: &'static [Migration],
    now: Timestamp,
) -> Result<(), OpenError> {
    connection.execute_batch(
        "CREATE TABLE IF NOT EXISTS schema_migrations (
             number     INTEGER NOT NULL PRIMARY KEY,
             name       TEXT    NOT NULL,
             checksum   BLOB    NOT NULL,
             applied_at INTEGER NOT NULL
         ) STRICT",
    )?;
    let applied = list_applied(connection)?;
    compare(&applied, migrations)?;
    for migration in &migrations[applied.len()..] {
        let Migration { number, name, sql } = *migration;
        let checksum = digest::digest(&digest::SHA256, sql.as_bytes());
        run(connection, migration, checksum.as_ref(), now)
            .map_err(|source| OpenError::Migration { number, name, source })?;
        tracing::info!(number, name, "the schema was migrated");
    }
    Ok(())
}

/// Refuses what was applied unless it is what `migrations` begins with.
fn compare(applied: &[(u32, Vec<u8>)], migrations: &'static [Migration]) -> Result<(), OpenError> {
    let known = migrations.last().map_or(0, |migration| migration.number);
    if let Some((number, _)) = applied.last().filter(|(number, _)| *number > known) {
        return Err(OpenError::SchemaTooNew { number: *number, known });
    }
    for (migration, (applied_number, applied_checksum)) in migrations.iter().zip(applied) {
        let Migration { number, name, sql } = *migration;
        let checksum = digest::digest(&digest::SHA256, sql.as_bytes());
        if *applied_number != number || applied_checksum != checksum.as_ref() {
            return Err(OpenError::MigrationChanged { number, name });
        }
    }
    Ok(())
}

fn list_applied(connection: &Connection) -> rusqlite::Result<Vec<(u32, Vec<u8>)>> {
    let mut statement =
        connection.prepare("SELECT number, checksum FROM schema_migrations ORDER BY number")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    rows.collect()
}

fn run(
    connection: &mut Connection,
    migration: &Migration,
    checksum: &[u8],
    now: Timestamp,
) -> rusqlite::Result<()> {
    // Dropped without a commit, the transaction is rolled back.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute_batch(migration.sql)?;
    transaction.execute(
        "INSERT INTO schema_migrations (number, name, checksum, applied_at)
         VALUES (?1, ?2, ?3, ?4)",
        params![migration.number, migration.name, checksum, now.micros()],
    )?;
    transaction.commit()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_700_000_000);

    fn tables(connection: &Connection) -> i64 {
        connection
            .query_row("SELECT count(*) FROM sqlite_schema WHERE type = 'table'", [], |row| {
                row.get(0)
            })
            .expect("a count")
    }

    #[test]
    fn the_list_is_the_folder() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/sqlite");
        let mut files: Vec<String> = std::fs::read_dir(folder)
            .expect("the folder")
            .map(|entry| entry.expect("a file").file_name().into_string().expect("a name"))
            .collect();
        files.sort();
        let listed: Vec<String> =
            MIGRATIONS.iter().map(|m| format!("{:04}_{}.sql", m.number, m.name)).collect();
        assert_eq!(listed, files);
        for (migration, number) in MIGRATIONS.iter().zip(1..) {
            assert_eq!(migration.number, number);
        }
    }

    #[test]
    fn migrating_twice_changes_nothing() {
        let mut connection = Connection::open_in_memory().expect("a database");
        migrate(&mut connection, NOW).expect("migrated");
        let before = tables(&connection);
        migrate(&mut connection, NOW.plus(std::time::Duration::from_secs(1))).expect("migrated");
        assert_eq!(tables(&connection), before);
        let applied_at: i64 = connection
            .query_row("SELECT applied_at FROM schema_migrations WHERE number = 1", [], |row| {
                row.get(0)
            })
            .expect("the row");
        assert_eq!(applied_at, NOW.micros());
    }

    #[test]
    fn a_migration_that_fails_leaves_nothing_behind() {
        const BROKEN: &[Migration] = &[
            Migration { number: 1, name: "good", sql: "CREATE TABLE a (a INTEGER) STRICT;" },
            Migration {
                number: 2,
                name: "broken",
                sql: "CREATE TABLE b (b INTEGER) STRICT; INSERT INTO nowhere VALUES (1);",
            },
        ];
        let mut connection = Connection::open_in_memory().expect("a database");
        let refused = apply(&mut connection, BROKEN, NOW);
        assert!(matches!(refused, Err(OpenError::Migration { number: 2, .. })));
        // The first one and the list of migrations.
        assert_eq!(tables(&connection), 2);
        assert_eq!(list_applied(&connection).expect("the list").len(), 1);
    }

    #[test]
    fn service_accounts_move_with_all_that_points_at_them() {
        let moving = MIGRATIONS.iter().position(|m| m.name == "names_of_deleted");
        let moving = moving.expect("the migration");
        let mut connection = Connection::open_in_memory().expect("a database");
        connection.pragma_update(None, "foreign_keys", true).expect("set");
        apply(&mut connection, &MIGRATIONS[..moving], NOW).expect("migrated");
        let rows = "
            INSERT INTO accounts (id, shard, name, profile, metadata, status, entitlements,
                created_by_member, created_at, updated_at, version, row_mac)
            VALUES (zeroblob(16), 0, 'a', '{}', '{}', 'active', '', zeroblob(16), 1, 1, 1,
                zeroblob(32));
            INSERT INTO service_accounts (id, account_id, root_id, name, client_id, permissions,
                status, created_by, created_at, version, row_mac)
            VALUES (zeroblob(16), zeroblob(16), zeroblob(16), 'n', 'c', '[]', 'deleted',
                zeroblob(16), 1, 7, zeroblob(32));
            INSERT INTO credentials (id, kind, account_id, root_id, service_account_id, format,
                tag, pepper_id, start, permissions, allowed_ips, metadata, status, lineage,
                created_at, version, row_mac)
            VALUES (zeroblob(16), 'client_secret', zeroblob(16), zeroblob(16), zeroblob(16),
                'client_secret', zeroblob(32), 1, 's', '[]', '[]', '{}', 'active', zeroblob(16),
                1, 1, zeroblob(32));";
        connection.execute_batch(rows).expect("rows of the version before");
        let all = "SELECT group_concat(hex(id) || name || client_id || status || version)
                   FROM service_accounts";
        let read = |connection: &Connection| -> String {
            connection.query_row(all, [], |row| row.get(0)).expect("the rows")
        };
        let before = read(&connection);
        migrate(&mut connection, NOW).expect("migrated");
        assert_eq!(read(&connection), before);
        let violations: i64 = connection
            .query_row("SELECT count(*) FROM pragma_foreign_key_check", [], |row| row.get(0))
            .expect("a count");
        assert_eq!(violations, 0);
        // What points at them still holds them.
        assert!(connection.execute("DELETE FROM service_accounts", []).is_err());
        let again = "INSERT INTO service_accounts
            SELECT randomblob(16), account_id, root_id, name, 'd', permissions, 'active', created_by,
                created_at, version, row_mac
            FROM service_accounts";
        connection.execute(again, []).expect("the name of a deleted one is free");
        assert!(connection.execute(&again.replace("'d'", "'e'"), []).is_err(), "and taken now");
    }
}
