//! Making roles and a database on a server, each step as often as it takes.

use super::furnish::find_marker;
use super::furnish::is_empty;
use super::servers::{TenantServers, of_statement};
use super::session::{Session, StatementError};
use super::sql::{Ident, Literal};
use postgres_protocol::password::scram_sha_256;
use std::fmt::Write as _;
use tenantry_core::database::{Access, CredentialKind, Existing, Login, Names, Refused, Seen};
use tokio_postgres::types::Type;

/// `datconnlimit` of a database whose making or dropping was interrupted.
const INVALID: i32 = -2;

/// What the user may do, and whether there is a database of the name.
pub(super) async fn look(
    servers: &TenantServers,
    at: Access<'_>,
    names: &Names,
) -> Result<Seen, Refused> {
    let session = servers.open_beside(at, names).await?;
    let role = session
        .first(
            "SELECT rolsuper OR rolcreaterole, rolsuper OR rolcreatedb
             FROM pg_catalog.pg_roles WHERE rolname = current_user",
            &[],
        )
        .await
        .map_err(Refused::from)?;
    let flag = |index: usize| role.as_ref().is_some_and(|row| row.try_get(index).unwrap_or(false));
    let found = session
        .first(
            "SELECT pg_catalog.pg_get_userbyid(datdba) = current_user AND datallowconn
                 AND NOT datistemplate
             FROM pg_catalog.pg_database WHERE datname = $1",
            &[(&&*names.database, Type::NAME)],
        )
        .await
        .map_err(Refused::from)?;
    let existing = match found {
        None => None,
        Some(row) if row.try_get(0).unwrap_or(false) => {
            let inside = servers.open(at, &names.database).await?;
            let empty = is_empty(&inside).await.map_err(Refused::from)?;
            // What an interrupted attempt of the same making left there is no obstacle.
            let ours = !empty && find_marker(&inside).await?.is_some_and(|it| it.is_of(names));
            Some(if empty || ours { Existing::Adoptable } else { Existing::Foreign })
        }
        Some(_) => Some(Existing::Foreign),
    };
    Ok(Seen { may_make_roles: flag(0), may_make_databases: flag(1), existing })
}

/// The owner, who does not log in, and two logins, which act as the owner in all that they do.
pub(super) async fn make_roles(
    servers: &TenantServers,
    at: Access<'_>,
    names: &Names,
    passwords: [&str; 2],
) -> Result<(), Refused> {
    let session = servers.open_beside(at, names).await?;
    let owner = Ident(&names.owner);
    let mut sql = "BEGIN;".to_owned();
    if !has_role(&session, &names.owner).await? {
        // A string takes every write, here and below.
        let _ = write!(sql, "CREATE ROLE {owner} NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE;");
    }
    for login in Login::BOTH {
        let name = Ident(names.login(login));
        // Hashed here: the server, its log and its statistics never see the password.
        let verifier = scram_sha_256(passwords[login.index()].as_bytes());
        let verifier = Literal(&verifier);
        if has_role(&session, names.login(login)).await? {
            let _ = write!(sql, "ALTER ROLE {name} PASSWORD {verifier};");
        } else {
            let _ = write!(
                sql,
                "CREATE ROLE {name} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE INHERIT
                     PASSWORD {verifier} IN ROLE {owner};
                 ALTER ROLE {name} SET role = {};",
                Literal(&names.owner)
            );
        }
    }
    sql += &own_membership(&session, names).await?;
    sql += "COMMIT";
    session.batch(&sql).await.map_err(Refused::from)
}

/// Lets the user act as the owner, until the database is the owner's. A superuser does anyway; since
/// PostgreSQL 16 whoever made a role may administer it, and has to let themselves become it.
pub(super) async fn own_membership(session: &Session, names: &Names) -> Result<String, Refused> {
    let row = session
        .first(
            "SELECT rolsuper, pg_catalog.current_setting('server_version_num')::int4
             FROM pg_catalog.pg_roles WHERE rolname = current_user",
            &[],
        )
        .await
        .map_err(Refused::from)?;
    let row = row.ok_or(Refused::Rights)?;
    let superuser = row.try_get(0).unwrap_or(false);
    let version: i32 = row.try_get(1).unwrap_or(0);
    let owner = Ident(&names.owner);
    Ok(match (superuser, version >= 160_000) {
        (true, _) => String::new(),
        (false, true) => format!("GRANT {owner} TO CURRENT_USER WITH SET TRUE, INHERIT TRUE;"),
        (false, false) => format!("GRANT {owner} TO CURRENT_USER;"),
    })
}

async fn has_role(session: &Session, name: &str) -> Result<bool, Refused> {
    let sql = "SELECT 1 FROM pg_catalog.pg_roles WHERE rolname = $1";
    session.has(sql, &[(&name, Type::NAME)]).await.map_err(Refused::from)
}

/// A database's `datconnlimit`; none where there is no such database.
pub(super) async fn find_database(session: &Session, name: &str) -> Result<Option<i32>, Refused> {
    let sql = "SELECT datconnlimit FROM pg_catalog.pg_database WHERE datname = $1";
    let row = session.first(sql, &[(&name, Type::NAME)]).await.map_err(Refused::from)?;
    Ok(row.map(|row| row.try_get(0).unwrap_or(-1)))
}

/// The database under its temporary name.
pub(super) async fn make_database(
    servers: &TenantServers,
    at: Access<'_>,
    names: &Names,
) -> Result<(), Refused> {
    let session = servers.open_beside(at, names).await?;
    let temporary = Ident(&names.temporary);
    match find_database(&session, &names.temporary).await? {
        Some(INVALID) => {
            let drop = format!("DROP DATABASE {temporary}");
            session.batch(&drop).await.map_err(Refused::from)?;
        }
        Some(_) => return Ok(()),
        None => {}
    }
    // Nobody's objects are in the pristine template.
    let make = format!("CREATE DATABASE {temporary} TEMPLATE template0");
    match session.batch(&make).await {
        // Made meanwhile, by whoever was at it before: the name is this making's alone.
        Err(error) if error.code() == Some("42P04") => Ok(()),
        outcome => outcome.map_err(Refused::from),
    }
}

/// The database by its name.
pub(super) async fn rename(
    servers: &TenantServers,
    at: Access<'_>,
    names: &Names,
) -> Result<(), Refused> {
    let session = servers.open_beside(at, names).await?;
    if find_database(&session, &names.temporary).await?.is_none() {
        // It has its name already, if it is this one.
        if find_database(&session, &names.database).await?.is_none() {
            return Err(Refused::Failed("the database is gone".into()));
        }
        let inside = servers.open(at, &names.database).await?;
        let marker = find_marker(&inside).await?;
        return if marker.is_some_and(|marker| marker.is_of(names)) {
            Ok(())
        } else {
            Err(Refused::Exists)
        };
    }
    let (from, to) = (Ident(&names.temporary), Ident(&names.database));
    match session.batch(&format!("ALTER DATABASE {from} RENAME TO {to}")).await {
        Err(error) if error.code() == Some("42P04") => Err(Refused::Exists),
        outcome => outcome.map_err(Refused::from),
    }
}

/// The database to its owner, and to nobody else.
pub(super) async fn give(
    servers: &TenantServers,
    at: Access<'_>,
    names: &Names,
) -> Result<(), Refused> {
    let session = servers.open_beside(at, names).await?;
    let sql = "SELECT pg_catalog.pg_get_userbyid(datdba) = $2
         FROM pg_catalog.pg_database WHERE datname = $1";
    let row = session
        .first(sql, &[(&&*names.database, Type::NAME), (&&*names.owner, Type::NAME)])
        .await
        .map_err(Refused::from)?;
    let row = row.ok_or_else(|| Refused::Failed("the database is gone".into()))?;
    if row.try_get(0).unwrap_or(false) {
        return Ok(());
    }
    let (database, owner) = (Ident(&names.database), Ident(&names.owner));
    let mut sql = "BEGIN;".to_owned();
    sql += &own_membership(&session, names).await?;
    let _ = write!(
        sql,
        "REVOKE ALL ON DATABASE {database} FROM PUBLIC;
         ALTER DATABASE {database} OWNER TO {owner};
         REVOKE {owner} FROM CURRENT_USER;
         COMMIT"
    );
    session.batch(&sql).await.map_err(Refused::from)
}

/// Another password for the role that is logged in.
pub(super) async fn set_password(
    session: &Session,
    user: &str,
    password: &str,
) -> Result<(), Refused> {
    let verifier = scram_sha_256(password.as_bytes());
    // As itself, not as the owner.
    let sql = format!("SET ROLE NONE; ALTER ROLE {} PASSWORD {}", Ident(user), Literal(&verifier));
    session.batch(&sql).await.map_err(Refused::from)
}

/// Whether roles are among what was made.
pub(super) fn has_roles(names: &Names) -> bool {
    names.credential == Some(CredentialKind::Limited)
}

impl From<StatementError> for Refused {
    fn from(error: StatementError) -> Self {
        of_statement(&error)
    }
}
