//! The product's schema in one database.

use super::servers::owner;
use super::session::{Session, StatementError};
use super::sql::Ident;
use std::collections::HashMap;
use std::fmt::Write as _;
use tenantry_core::database::{Inspected, Migration, MigrationSet, Names, Owner, Refused};
use tenantry_core::limits;
use tokio_postgres::types::Type;

/// What an applied file is that is not what it was.
const CHANGED: &str = "checksum";

/// Applies the files that are missing, in their order; answers the version that the database has then,
/// and how many it took.
///
/// Each file is a transaction that begins with the note of it: whoever applies the same file at the same
/// time waits for the outcome, and no file is ever applied twice.
pub(super) async fn apply(
    session: &Session,
    names: &Names,
    migrations: &MigrationSet,
) -> Result<(u64, u64), Refused> {
    let mut applied = 0;
    let mut there = find_history(session).await?;
    for migration in migrations.0.iter() {
        let checksum = hex(&migration.checksum);
        if !there.contains_key(&migration.version) {
            if apply_one(session, names, migration, &checksum).await? {
                applied += 1;
                continue;
            }
            there = find_history(session).await?;
        }
        if there.get(&migration.version) != Some(&checksum) {
            let version = migration.version;
            return Err(Refused::Migration { version, code: CHANGED.into() });
        }
    }
    let version = there.keys().copied().max().unwrap_or(0).max(migrations.version());
    Ok((version, applied))
}

/// Applies one file; false where somebody was faster.
async fn apply_one(
    session: &Session,
    names: &Names,
    migration: &Migration,
    checksum: &str,
) -> Result<bool, Refused> {
    let role = match owner(names) {
        Owner::Role => format!("SET LOCAL ROLE {};", Ident(&names.owner)),
        Owner::Login => String::new(),
    };
    // As long as it takes: the deadline is of all files together.
    let begin = format!(
        "BEGIN; {role} SET LOCAL search_path = public; SET LOCAL statement_timeout = 0;
         SET LOCAL idle_in_transaction_session_timeout = 0"
    );
    session.batch(&begin).await?;
    let version = i64::try_from(migration.version).unwrap_or(i64::MAX);
    let noted = session
        .rows(
            "INSERT INTO tenantry.schema_history (version, name, checksum) VALUES ($1, $2, $3)",
            &[(&version, Type::INT8), (&&*migration.name, Type::TEXT), (&checksum, Type::TEXT)],
        )
        .await;
    match noted {
        Err(error) if error.code() == Some("23505") => {
            session.batch("ROLLBACK").await?;
            return Ok(false);
        }
        noted => drop(noted?),
    }
    let failed = |error: StatementError| match error.code() {
        Some(code) => Refused::Migration { version: migration.version, code: code.into() },
        None => error.into(),
    };
    let deadline = limits::DATABASE_MIGRATION_DEADLINE;
    if let Err(error) = session.batch_within(&migration.sql, deadline).await {
        if error.code().is_some() {
            session.batch("ROLLBACK").await?;
        }
        return Err(failed(error));
    }
    session.batch_within("COMMIT", deadline).await.map_err(failed)?;
    Ok(true)
}

/// The files that were applied, by version, with their checksums.
async fn find_history(session: &Session) -> Result<HashMap<u64, String>, Refused> {
    let rows = session.rows("SELECT version, checksum FROM tenantry.schema_history", &[]).await?;
    let read = |row: &tokio_postgres::Row| {
        let version: i64 = row.try_get(0).ok()?;
        Some((u64::try_from(version).ok()?, row.try_get(1).ok()?))
    };
    Ok(rows.iter().filter_map(read).collect())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // A string takes every write.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// What a database in use is like.
pub(super) async fn inspect(session: &Session) -> Result<Inspected, Refused> {
    let row = session
        .first(
            "SELECT pg_catalog.current_setting('server_version_num')::int8,
                 pg_catalog.pg_database_size(pg_catalog.current_database()),
                 (SELECT coalesce(max(version), 0) FROM tenantry.schema_history),
                 (SELECT count(*) FROM pg_catalog.pg_database
                  WHERE datallowconn AND NOT datistemplate
                      AND datname <> pg_catalog.current_database()
                      AND pg_catalog.has_database_privilege(session_user, oid, 'CONNECT'))",
            &[],
        )
        .await?;
    let row = row.ok_or_else(|| Refused::Failed("no answer".into()))?;
    let number =
        |index: usize| u64::try_from(row.try_get::<_, i64>(index).unwrap_or(0)).unwrap_or(0);
    Ok(Inspected {
        server_version: u32::try_from(number(0)).unwrap_or(0),
        size: number(1),
        schema_version: number(2),
        reachable: number(3),
    })
}
