//! Signing keys and clients.

use super::found::{number, read_head};
use super::json::{keys_from_json, keys_to_json};
use super::{
    ACCOUNT_COLUMNS, Cell, Columns, SERVICE_ACCOUNT_COLUMNS, Source, is_null, read_account,
    read_service_account, stored_number,
};
use tenantry_core::clock::Timestamp;
use tenantry_core::error::Result;
use tenantry_core::ids::{AccountId, ServiceAccountId};
use tenantry_core::oauth::{ClientSettings, SigningAlgorithm, SigningKey};
use tenantry_core::secrets::{Protected, Sealed, Unverified};
use tenantry_core::store::FoundClient;

/// Columns of a client's settings as [`read_client_settings`] wants them, in this order:
/// `service_account_id`, `root_id`, keys, `token_endpoint_audience`, `not_before`, version,
/// `row_mac`.
const CLIENT_SETTINGS_COLUMNS: usize = 7;

/// Reads a signing key from the columns at `from`: number, kid, algorithm, `sealed_key`,
/// `created_at`, `signs_from`, `row_mac`.
pub(crate) fn read_signing_key(row: &impl Source, from: usize) -> Result<Unverified<SigningKey>> {
    let mut columns = Columns::new(row, from, SigningKey::TABLE, |_| String::new());
    let record = SigningKey {
        number: columns.convert("column number", |number| number.try_into().ok())?,
        kid: columns.text("column kid")?.into(),
        algorithm: columns.parse("column algorithm", SigningAlgorithm::parse)?,
        sealed: columns.blob("column sealed_key")?.to_vec(),
        created_at: columns.time("column created_at")?,
        signs_from: columns.time("column signs_from")?,
    };
    Ok(Unverified::new(record, columns.bytes("column row_mac")?))
}

/// As [`read_signing_key`], with the number of one that cannot be read.
pub(crate) fn read_listed_signing_key(
    row: &impl Source,
) -> Result<(u64, Result<Unverified<SigningKey>>)> {
    let place = number(row, 0)?.and_then(|number| u64::try_from(number).ok()).unwrap_or(0);
    Ok((place, read_signing_key(row, 0)))
}

/// A signing key's columns in the order of [`read_signing_key`].
pub(crate) fn signing_key_cells(sealed: &Sealed<SigningKey>) -> Result<[Cell<'_>; 7]> {
    let key = sealed.record();
    Ok([
        Cell::number(stored_number(key.number)?),
        Cell::text(&*key.kid),
        Cell::text(key.algorithm.as_str()),
        Cell::bytes(&key.sealed),
        Cell::number(key.created_at.micros()),
        Cell::number(key.signs_from.micros()),
        Cell::bytes(sealed.seal()),
    ])
}

/// Reads a client's settings from the columns at `from`.
pub(crate) fn read_client_settings(
    row: &impl Source,
    from: usize,
) -> Result<Unverified<ClientSettings>> {
    let id = |bytes| ServiceAccountId::from_bytes(bytes).to_string();
    let mut columns = Columns::new(row, from, ClientSettings::TABLE, id);
    let record = ClientSettings {
        service_account: ServiceAccountId::from_bytes(columns.bytes("column service_account_id")?),
        root: AccountId::from_bytes(columns.bytes("column root_id")?),
        keys: columns.parse("column keys", keys_from_json)?,
        token_endpoint_audience: columns.convert("column token_endpoint_audience", |flag| {
            match flag {
                0 => Some(false),
                1 => Some(true),
                _ => None,
            }
        })?,
        not_before: columns.optional_time("column not_before")?,
        version: columns.version()?,
    };
    Ok(Unverified::new(record, columns.bytes("column row_mac")?))
}

/// A client's settings in the order of [`CLIENT_SETTINGS_COLUMNS`].
pub(crate) fn client_settings_cells(sealed: &Sealed<ClientSettings>) -> Result<[Cell<'_>; 7]> {
    let settings = sealed.record();
    Ok([
        Cell::bytes(settings.service_account.as_bytes()),
        Cell::bytes(settings.root.as_bytes()),
        Cell::text(keys_to_json(&settings.keys)?),
        Cell::number(settings.token_endpoint_audience),
        Cell::Number(settings.not_before.map(Timestamp::micros)),
        Cell::number(stored_number(settings.version)?),
        Cell::bytes(sealed.seal()),
    ])
}

/// Reads a service account, its account, that account's parent, its settings, the shard of the
/// change log and its head's `rev` and `nonce`.
pub(crate) fn read_found_client(row: &impl Source) -> Result<FoundClient> {
    const ACCOUNT: usize = SERVICE_ACCOUNT_COLUMNS;
    const PARENT: usize = ACCOUNT + ACCOUNT_COLUMNS;
    const SETTINGS: usize = PARENT + ACCOUNT_COLUMNS;
    const HEAD: usize = SETTINGS + CLIENT_SETTINGS_COLUMNS;
    let joined = |from| (!is_null(row, from)).then_some(from);
    // Whether it is the root account's shard is looked at where the seals are.
    let shard = number(row, HEAD)?.and_then(|shard| u8::try_from(shard).ok()).unwrap_or(u8::MAX);
    Ok(FoundClient {
        service_account: read_service_account(row, 0)?,
        settings: joined(SETTINGS).map(|from| read_client_settings(row, from)).transpose()?,
        account: joined(ACCOUNT).map(|from| read_account(row, from)).transpose()?,
        parent: joined(PARENT).map(|from| read_account(row, from)).transpose()?,
        head: read_head(row, HEAD + 1, shard)?,
    })
}
