//! Numbered SQL files, applied in order, each in a transaction of its own that holds a row's lock:
//! of nodes that start at once, one applies a file and the others find it applied.

use super::errors::{OpenError, Refused};
use aws_lc_rs::digest;
use std::time::Duration;
use tenantry_core::clock::Timestamp;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Error};

/// A migration of this version. Its file is `migrations/postgres/<number>_<name>.sql`.
struct Migration {
    number: u32,
    name: &'static str,
    sql: &'static str,
}

macro_rules! migrations {
    ($($number:literal $name:literal $file:literal,)*) => {
        &[$(Migration {
            number: $number,
            name: $name,
            sql: include_str!(concat!("../../migrations/postgres/", $file)),
        },)*]
    };
}

/// Every migration, numbered from 1 without gaps, as in the embedded store.
const MIGRATIONS: &[Migration] = migrations! {
    1 "initial" "0001_initial.sql",
    2 "kept_replies" "0002_kept_replies.sql",
    3 "foreign_keys" "0003_foreign_keys.sql",
    4 "pages_of_sub_accounts" "0004_pages_of_sub_accounts.sql",
    5 "rotation" "0005_rotation.sql",
    6 "names_of_deleted" "0006_names_of_deleted.sql",
    7 "audit_chains" "0007_audit_chains.sql",
    8 "nodes" "0008_nodes.sql",
    9 "oauth" "0009_oauth.sql",
    10 "realms" "0010_realms.sql",
    11 "bounds_of_nodes" "0011_bounds_of_nodes.sql",
    12 "leases" "0012_leases.sql",
    13 "rates" "0013_rates.sql",
    14 "usage" "0014_usage.sql",
    15 "tenant_databases" "0015_tenant_databases.sql",
};

/// What has to be there before anything else: the list of what was applied, and the row whose lock
/// its writer holds.
const PREPARE: &str = "CREATE TABLE IF NOT EXISTS schema_migrations (
        number     BIGINT NOT NULL PRIMARY KEY,
        name       TEXT   NOT NULL,
        checksum   BYTEA  NOT NULL,
        applied_at BIGINT NOT NULL
    );
    CREATE TABLE IF NOT EXISTS schema_lock (id BIGINT NOT NULL PRIMARY KEY CHECK (id = 1));
    INSERT INTO schema_lock (id) VALUES (1) ON CONFLICT (id) DO NOTHING;";

/// How often the tables above are made while another node makes them.
const PREPARE_MAX: u32 = 20;

/// How long a migration waits for a table that requests use. Those that come after it wait behind it,
/// so it gives way and comes again.
const TABLE_WAIT: &str = "SET LOCAL lock_timeout = 1000";
/// How long it stays away.
const GIVE_WAY: Duration = Duration::from_millis(500);
/// How often it comes.
const ATTEMPTS_MAX: u32 = 60;

/// Brings the schema to this version's, after checking that what was applied is what this version
/// has. `now` is noted beside each migration that is applied.
pub(super) async fn migrate(client: &Client, now: Timestamp) -> Result<(), OpenError> {
    prepare(client).await?;
    let mut attempts = 0;
    loop {
        let error = match step(client, MIGRATIONS, now).await {
            Ok(true) => continue,
            Ok(false) => return Ok(()),
            Err(error) => error,
        };
        // Closed by whoever has the connection, should this not be answered.
        let _ = client.batch_execute("ROLLBACK").await;
        attempts += 1;
        match error {
            OpenError::Migration { number, name, source }
                if source.is_lock_timeout() && attempts < ATTEMPTS_MAX =>
            {
                tracing::warn!(number, name, "a migration waits until a table is free");
                tokio::time::sleep(GIVE_WAY).await;
            }
            error => return Err(error),
        }
    }
}

/// Of two nodes that make a table at once, one may be told that it, or its name, is taken.
async fn prepare(client: &Client) -> Result<(), OpenError> {
    let raced = [
        SqlState::UNIQUE_VIOLATION,
        SqlState::DUPLICATE_TABLE,
        SqlState::DUPLICATE_OBJECT,
        SqlState::T_R_DEADLOCK_DETECTED,
        SqlState::T_R_SERIALIZATION_FAILURE,
    ];
    for _ in 1..PREPARE_MAX {
        match client.batch_execute(PREPARE).await {
            Err(error) if error.code().is_some_and(|code| raced.contains(code)) => {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            outcome => return outcome.map_err(OpenError::from),
        }
    }
    client.batch_execute(PREPARE).await.map_err(OpenError::from)
}

/// Applies the next migration, if there is one.
async fn step(
    client: &Client,
    migrations: &'static [Migration],
    now: Timestamp,
) -> Result<bool, OpenError> {
    client
        .batch_execute(
            "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;
             SELECT id FROM schema_lock WHERE id = 1 FOR UPDATE;",
        )
        .await?;
    // After the lock: what another node applied meanwhile is there.
    let applied = list_applied(client).await?;
    compare(&applied, migrations)?;
    let Some(migration) = migrations.get(applied.len()) else {
        client.batch_execute("ROLLBACK").await?;
        return Ok(false);
    };
    let Migration { number, name, sql } = *migration;
    let failed =
        |error: Error| OpenError::Migration { number, name, source: Refused::from(&error) };
    client.batch_execute(TABLE_WAIT).await.map_err(failed)?;
    client.batch_execute(sql).await.map_err(failed)?;
    let checksum = checksum(sql);
    let params: [(&(dyn ToSql + Sync), Type); 4] = [
        (&i64::from(number), Type::INT8),
        (&name, Type::TEXT),
        (&&checksum[..], Type::BYTEA),
        (&now.micros(), Type::INT8),
    ];
    client
        .query_typed(
            "INSERT INTO schema_migrations (number, name, checksum, applied_at)
             VALUES ($1, $2, $3, $4)",
            &params,
        )
        .await
        .map_err(failed)?;
    client.batch_execute("COMMIT").await.map_err(failed)?;
    tracing::info!(number, name, "the schema was migrated");
    Ok(true)
}

async fn list_applied(client: &Client) -> Result<Vec<(u32, Vec<u8>)>, OpenError> {
    let rows = client
        .query_typed("SELECT number, checksum FROM schema_migrations ORDER BY number", &[])
        .await?;
    let read = |row: &tokio_postgres::Row| -> Result<(u32, Vec<u8>), Error> {
        let number: i64 = row.try_get(0)?;
        Ok((u32::try_from(number).unwrap_or(u32::MAX), row.try_get(1)?))
    };
    rows.iter().map(|row| read(row).map_err(OpenError::from)).collect()
}

/// Refuses what was applied unless it is what `migrations` begins with.
fn compare(applied: &[(u32, Vec<u8>)], migrations: &'static [Migration]) -> Result<(), OpenError> {
    let known = migrations.last().map_or(0, |migration| migration.number);
    if let Some((number, _)) = applied.last().filter(|(number, _)| *number > known) {
        return Err(OpenError::SchemaTooNew { number: *number, known });
    }
    for (migration, (applied_number, applied_checksum)) in migrations.iter().zip(applied) {
        let Migration { number, name, sql } = *migration;
        if *applied_number != number || *applied_checksum != checksum(sql) {
            return Err(OpenError::MigrationChanged { number, name });
        }
    }
    Ok(())
}

fn checksum(sql: &str) -> Vec<u8> {
    digest::digest(&digest::SHA256, sql.as_bytes()).as_ref().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &str) -> Vec<String> {
        let folder = format!("{}/migrations/{folder}", env!("CARGO_MANIFEST_DIR"));
        let mut files: Vec<String> = std::fs::read_dir(folder)
            .expect("the folder")
            .map(|entry| entry.expect("a file").file_name().into_string().expect("a name"))
            .collect();
        files.sort();
        files
    }

    #[test]
    fn the_list_is_the_folder_and_has_the_embedded_stores_numbers_and_names() {
        let listed: Vec<String> =
            MIGRATIONS.iter().map(|m| format!("{:04}_{}.sql", m.number, m.name)).collect();
        assert_eq!(listed, names("postgres"));
        assert_eq!(listed, names("sqlite"));
    }
}
