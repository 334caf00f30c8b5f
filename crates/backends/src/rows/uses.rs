//! What was drawn of remaining uses.

use super::{Columns, Source};
use tenantry_core::error::Result;
use tenantry_core::ids::CredentialId;
use tenantry_core::uses::DrawnRow;

/// Reads what was drawn from the columns lineage, `granted_at`, `began_at`, drawn.
pub(crate) fn read_drawn(row: &impl Source) -> Result<DrawnRow> {
    let id = |bytes| CredentialId::from_bytes(bytes).to_string();
    let mut columns = Columns::new(row, 0, "drawn_uses", id);
    let _lineage: [u8; 16] = columns.bytes("column lineage")?;
    Ok(DrawnRow {
        granted_at: columns.time("column granted_at")?,
        began_at: columns.time("column began_at")?,
        drawn: columns.convert("column drawn", |drawn| drawn.try_into().ok())?,
    })
}
