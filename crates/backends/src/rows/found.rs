//! A credential with the rows that decide about it, from one statement.

use super::{
    ACCOUNT_COLUMNS, CREDENTIAL_COLUMNS, SERVICE_ACCOUNT_COLUMNS, Source, Unread, damaged, is_null,
    read_account, read_credential, read_service_account,
};
use tenantry_core::commit::Revision;
use tenantry_core::error::Result;
use tenantry_core::store::Found;

/// Reads a credential, its service account, its account, that account's parent, the shard of the
/// change log and its head.
pub(crate) fn read_found(row: &impl Source) -> Result<Found> {
    const SERVICE_ACCOUNT: usize = CREDENTIAL_COLUMNS;
    const ACCOUNT: usize = SERVICE_ACCOUNT + SERVICE_ACCOUNT_COLUMNS;
    const PARENT: usize = ACCOUNT + ACCOUNT_COLUMNS;
    const HEAD: usize = PARENT + ACCOUNT_COLUMNS;
    let joined = |from| (!is_null(row, from)).then_some(from);
    // Whether it is the root account's shard is looked at where the seals are.
    let shard = number(row, HEAD)?.and_then(|shard| u8::try_from(shard).ok()).unwrap_or(u8::MAX);
    Ok(Found {
        credential: read_credential(row, 0)?,
        service_account: joined(SERVICE_ACCOUNT)
            .map(|from| read_service_account(row, from))
            .transpose()?,
        account: joined(ACCOUNT).map(|from| read_account(row, from)).transpose()?,
        parent: joined(PARENT).map(|from| read_account(row, from)).transpose()?,
        revision: read_head(shard, number(row, HEAD + 1)?)?,
    })
}

/// The head of a shard from the column `rev`, none where the row is missing.
pub(crate) fn read_head(shard: u8, rev: Option<i64>) -> Result<Revision> {
    let number = rev.and_then(|rev| u64::try_from(rev).ok());
    number
        .map(|number| Revision { shard, number })
        .ok_or_else(|| damaged("change_head", shard.to_string(), "column rev"))
}

fn number(row: &impl Source, column: usize) -> Result<Option<i64>> {
    match row.number(column) {
        Ok(number) => Ok(number),
        Err(Unread::Kind) => Ok(None),
        Err(Unread::Failed(error)) => Err(error),
    }
}
