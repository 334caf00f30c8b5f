//! A credential with the rows that decide about it, from one statement.

use super::{
    ACCOUNT_COLUMNS, CREDENTIAL_COLUMNS, SERVICE_ACCOUNT_COLUMNS, Source, Unread, damaged, is_null,
    read_account, read_credential, read_service_account,
};
use tenantry_core::commit::{Head, Revision};
use tenantry_core::error::Result;
use tenantry_core::store::Found;

/// Reads a credential, its service account, its account, that account's parent, the shard of the
/// change log and its head's `rev` and `nonce`.
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
        head: read_head(row, HEAD + 1, shard)?,
    })
}

/// The head of a shard from the columns `rev` and `nonce` at `from`, null where the row is missing.
pub(crate) fn read_head(row: &impl Source, from: usize, shard: u8) -> Result<Head> {
    let rev = number(row, from)?.and_then(|rev| u64::try_from(rev).ok());
    rev.zip(number(row, from + 1)?)
        .map(|(number, nonce)| Head {
            revision: Revision { shard, number },
            nonce: nonce.cast_unsigned(),
        })
        .ok_or_else(|| damaged("change_head", shard.to_string(), "column rev"))
}

pub(super) fn number(row: &impl Source, column: usize) -> Result<Option<i64>> {
    match row.number(column) {
        Ok(number) => Ok(number),
        Err(Unread::Kind) => Ok(None),
        Err(Unread::Failed(error)) => Err(error),
    }
}
