//! The account's own record in its database.

use super::session::Session;
use tenantry_core::database::{OwnRecord, Refused};
use tokio_postgres::types::Type;

/// Reads it.
pub(super) async fn read(session: &Session) -> Result<OwnRecord, Refused> {
    // As it stands there: the database is its owner's to write into, so nothing of it is believed to be
    // of any form or length.
    let row = session
        .first(
            "SELECT name::text, profile::text, metadata::text FROM tenantry.account LIMIT 1",
            &[],
        )
        .await
        .map_err(Refused::from)?;
    let row = row.ok_or_else(|| Refused::Failed("the account's record is gone".into()))?;
    let text = |index: usize| {
        row.try_get::<_, &str>(index)
            .map_err(|_| Refused::Failed("the account's record is not as it was".into()))
    };
    OwnRecord::from_parts(text(0)?, text(1)?, text(2)?)
        .map_err(|part| Refused::Failed(format!("the account's {part} is none").into()))
}

/// Replaces it.
pub(super) async fn write(session: &Session, record: &OwnRecord) -> Result<(), Refused> {
    let written = session
        .rows(
            "UPDATE tenantry.account SET name = $1, profile = $2::text::json,
                 metadata = $3::text::json, updated_at = pg_catalog.now()
             RETURNING 1",
            &[
                (&record.name.as_str(), Type::TEXT),
                (&record.profile_text(), Type::TEXT),
                (&record.metadata.as_str(), Type::TEXT),
            ],
        )
        .await
        .map_err(Refused::from)?;
    match written.len() {
        1 => Ok(()),
        _ => Err(Refused::Failed("the account's record is gone".into())),
    }
}
