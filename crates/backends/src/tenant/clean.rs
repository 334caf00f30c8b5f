//! Taking away what was made: only what carries the nonce, whatever else is there.

use super::furnish::{find_marker, unfurnish};
use super::provision::{find_database, has_roles, own_membership};
use super::servers::TenantServers;
use super::session::Session;
use super::sql::Ident;
use tenantry_core::database::{Access, Names, Origin, Refused};
use tokio_postgres::types::Type;

/// Takes everything away.
pub(super) async fn clean(
    servers: &TenantServers,
    at: Access<'_>,
    names: &Names,
) -> Result<(), Refused> {
    let session = servers.open_beside(at, names).await?;
    let has_owner = has_roles(names) && {
        let sql = "SELECT 1 FROM pg_catalog.pg_roles WHERE rolname = $1";
        session.has(sql, &[(&&*names.owner, Type::NAME)]).await?
    };
    if has_owner {
        // It may be the owner's already.
        let sql = own_membership(&session, names).await?;
        session.batch(&sql).await?;
    }
    match names.origin {
        Some(Origin::Made) => drop_database(servers, at, names, &session).await?,
        Some(Origin::Adopted) => give_back(servers, at, names, &session).await?,
        None => {}
    }
    if has_roles(names) {
        for role in names.logins.iter().chain([&names.owner]) {
            let sql = format!("DROP ROLE IF EXISTS {}", Ident(role));
            session.batch(&sql).await.map_err(Refused::from)?;
        }
    }
    Ok(())
}

/// Drops a database that was made. One that has its name already gets its temporary one back first,
/// which nothing else has: only that is ever dropped.
async fn drop_database(
    servers: &TenantServers,
    at: Access<'_>,
    names: &Names,
    session: &Session,
) -> Result<(), Refused> {
    let temporary = Ident(&names.temporary);
    if find_database(session, &names.temporary).await?.is_none()
        && find_database(session, &names.database).await?.is_some()
    {
        let inside = match servers.open(at, &names.database).await {
            Ok(inside) => inside,
            // Not for this user, so not of this making.
            Err(Refused::Login | Refused::Rights) => return Ok(()),
            Err(Refused::Unreachable(cause)) if cause.to_string().contains("42501") => {
                return Ok(());
            }
            Err(refused) => return Err(refused),
        };
        let marker = find_marker(&inside).await?;
        inside.close().await;
        if !marker.is_some_and(|marker| marker.is_of(names)) {
            return Ok(());
        }
        let sql = format!("ALTER DATABASE {} RENAME TO {temporary}", Ident(&names.database));
        session.batch(&sql).await?;
    }
    let sql = format!("DROP DATABASE IF EXISTS {temporary} WITH (FORCE)");
    session.batch(&sql).await.map_err(Refused::from)
}

/// Leaves a database that was taken over as it was: empty, and the user's own.
async fn give_back(
    servers: &TenantServers,
    at: Access<'_>,
    names: &Names,
    session: &Session,
) -> Result<(), Refused> {
    if find_database(session, &names.database).await?.is_none() {
        return Ok(());
    }
    let sql = "SELECT pg_catalog.pg_get_userbyid(datdba) = $2
         FROM pg_catalog.pg_database WHERE datname = $1";
    let row = session
        .first(sql, &[(&&*names.database, Type::NAME), (&&*names.owner, Type::NAME)])
        .await?;
    if has_roles(names) && row.is_some_and(|row| row.try_get(0).unwrap_or(false)) {
        let database = Ident(&names.database);
        let sql = format!(
            "BEGIN; ALTER DATABASE {database} OWNER TO CURRENT_USER;
             GRANT CONNECT, TEMPORARY ON DATABASE {database} TO PUBLIC; COMMIT"
        );
        session.batch(&sql).await?;
    }
    let inside = servers.open(at, &names.database).await?;
    unfurnish(&inside, names).await?;
    if has_roles(names) {
        // Rights that it was given without owning anything.
        let sql = "SELECT 1 FROM pg_catalog.pg_roles WHERE rolname = $1";
        if inside.has(sql, &[(&&*names.owner, Type::NAME)]).await? {
            inside.batch(&format!("DROP OWNED BY {}", Ident(&names.owner))).await?;
        }
    }
    Ok(())
}
