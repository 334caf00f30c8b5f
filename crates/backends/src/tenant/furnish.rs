//! What belongs into a tenant database: the schema `tenantry`.

use super::provision::own_membership;
use super::servers::{name_in_making, owner};
use super::session::{Session, StatementError};
use super::sql::Ident;
use tenantry_core::database::{Names, Origin, OwnRecord, Owner, Refused};
use tokio_postgres::types::Type;

/// The tables. One row each in the first two.
const TABLES: &str = "
    CREATE TABLE tenantry.marker (
        account_id text NOT NULL,
        nonce      text NOT NULL,
        made_at    timestamptz NOT NULL DEFAULT pg_catalog.now()
    );
    CREATE TABLE tenantry.account (
        id         text NOT NULL PRIMARY KEY,
        uuid       uuid NOT NULL,
        parent_id  text NOT NULL,
        name       text NOT NULL,
        profile    json NOT NULL,
        metadata   json NOT NULL,
        updated_at timestamptz NOT NULL DEFAULT pg_catalog.now()
    );
    CREATE TABLE tenantry.schema_history (
        version    bigint NOT NULL PRIMARY KEY,
        name       text NOT NULL,
        checksum   text NOT NULL,
        applied_at timestamptz NOT NULL DEFAULT pg_catalog.now()
    );";

/// Whatever a database has beyond what it is born with.
const ANYTHING: &str = "
    SELECT 1 FROM pg_catalog.pg_namespace
    WHERE nspname NOT IN ('pg_catalog', 'information_schema', 'public') AND nspname !~ '^pg_'
    UNION ALL
    SELECT 1 FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_'
    UNION ALL
    SELECT 1 FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
    WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_'
    UNION ALL
    SELECT 1 FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
    WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_'
    UNION ALL
    SELECT 1 FROM pg_catalog.pg_extension WHERE extname <> 'plpgsql'
    UNION ALL
    SELECT 1 FROM pg_catalog.pg_event_trigger
    LIMIT 1";

/// Whose a database is.
pub(super) struct Marker {
    account: String,
    nonce: String,
}

impl Marker {
    /// Whether it is of this making.
    pub(super) fn is_of(&self, names: &Names) -> bool {
        self.account == names.account.to_string() && self.nonce == names.nonce.to_string()
    }
}

/// Whether nothing is in a database.
pub(super) async fn is_empty(session: &Session) -> Result<bool, StatementError> {
    session.has(ANYTHING, &[]).await.map(|found| !found)
}

/// The marker in a database, where there is one that can be read.
pub(super) async fn find_marker(session: &Session) -> Result<Option<Marker>, Refused> {
    let sql = "SELECT account_id::text, nonce::text FROM tenantry.marker LIMIT 1";
    match session.first(sql, &[]).await {
        Ok(row) => Ok(row.and_then(|row| {
            Some(Marker { account: row.try_get(0).ok()?, nonce: row.try_get(1).ok()? })
        })),
        // No such schema or table, or somebody else's.
        Err(error) if matches!(error.code(), Some("3F000" | "42P01" | "42501" | "42703")) => {
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

/// Puts marker and record into a database, unless they are there. One that is somebody's is refused.
pub(super) async fn furnish(
    session: &Session,
    names: &Names,
    record: &OwnRecord,
) -> Result<(), Refused> {
    let empty = is_empty(session).await?;
    if !empty {
        let marker = find_marker(session).await?;
        return if marker.is_some_and(|marker| marker.is_of(names)) {
            Ok(())
        } else {
            Err(Refused::Exists)
        };
    }
    let begun = match owner(names) {
        Owner::Login => "BEGIN; CREATE SCHEMA tenantry;".to_owned(),
        Owner::Role => {
            let (database, owner) = (Ident(name_in_making(names)), Ident(&names.owner));
            let become_owner = own_membership(session, names).await?;
            // The database becomes the owner's last of all; until then it may as much.
            format!(
                "BEGIN; {become_owner}
                 GRANT CREATE, CONNECT, TEMPORARY ON DATABASE {database} TO {owner};
                 GRANT CREATE, USAGE ON SCHEMA public TO {owner};
                 SET LOCAL ROLE {owner};
                 CREATE SCHEMA tenantry;"
            )
        }
    };
    match session.batch(&begun).await {
        // Somebody takes it over at the same time.
        Err(error) if matches!(error.code(), Some("42P06" | "23505")) => {
            return Err(Refused::Exists);
        }
        outcome => outcome?,
    }
    session.batch(TABLES).await?;
    session
        .rows(
            "INSERT INTO tenantry.marker (account_id, nonce) VALUES ($1, $2)",
            &[(&names.account.to_string(), Type::TEXT), (&names.nonce.to_string(), Type::TEXT)],
        )
        .await?;
    session
        .rows(
            "INSERT INTO tenantry.account (id, uuid, parent_id, name, profile, metadata)
             VALUES ($1, $2::text::uuid, $3, $4, $5::text::json, $6::text::json)",
            &[
                (&names.account.to_string(), Type::TEXT),
                (&names.account.to_uuid(), Type::TEXT),
                (&names.root.to_string(), Type::TEXT),
                (&record.name.as_str(), Type::TEXT),
                (&record.profile_text(), Type::TEXT),
                (&record.metadata.as_str(), Type::TEXT),
            ],
        )
        .await?;
    match session.batch("COMMIT").await {
        Err(error) if error.code() == Some("23505") => Err(Refused::Exists),
        outcome => outcome.map_err(Refused::from),
    }
}

/// Takes out of a database that was taken over what was put there.
pub(super) async fn unfurnish(session: &Session, names: &Names) -> Result<(), Refused> {
    debug_assert_eq!(names.origin, Some(Origin::Adopted));
    let marker = find_marker(session).await?;
    if !marker.is_some_and(|marker| marker.is_of(names)) {
        return Ok(());
    }
    let sql = match owner(names) {
        Owner::Login => "DROP SCHEMA tenantry CASCADE".to_owned(),
        // All that the role has here: it was made for this.
        Owner::Role => format!("DROP OWNED BY {} CASCADE", Ident(&names.owner)),
    };
    session.batch(&sql).await.map_err(Refused::from)
}
