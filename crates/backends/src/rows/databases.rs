//! Tenant databases.

use super::{Cell, Columns, Source, stored_number};
use tenantry_core::clock::Timestamp;
use tenantry_core::database::{
    CredentialKind, DatabaseHost, DatabaseIdentifier, DatabasePort, DatabaseState, Login, Nonce,
    Origin, Step, TenantDatabase,
};
use tenantry_core::error::Result;
use tenantry_core::ids::AccountId;
use tenantry_core::secrets::{Protected, Sealed, Unverified, WrappedKey};

/// Columns of a tenant database in the order of [`read_database`] and [`database_cells`].
macro_rules! database_columns {
    () => {
        "account_id, root_id, host, port, name, server, root_user, nonce, state, step, acknowledged,
            origin, credential, kek, data_key, root_password, password_a, password_b,
            next_password, login, overlap_until, pending, schema_version, failure, attempts,
            due_at, created_at, updated_at, version, row_mac"
    };
}
pub(crate) use database_columns;

/// Reads a tenant database from the columns at `from`.
pub(crate) fn read_database(row: &impl Source, from: usize) -> Result<Unverified<TenantDatabase>> {
    let id = |bytes| AccountId::from_bytes(bytes).to_string();
    let mut columns = Columns::new(row, from, TenantDatabase::TABLE, id);
    let record = TenantDatabase {
        account: AccountId::from_bytes(columns.bytes("column account_id")?),
        root: AccountId::from_bytes(columns.bytes("column root_id")?),
        host: columns.parse("column host", |text| DatabaseHost::parse(text).ok())?,
        port: columns.convert("column port", |number| DatabasePort::from_number(number).ok())?,
        name: columns.parse("column name", |text| DatabaseIdentifier::parse(text).ok())?,
        server: columns.optional_text("column server")?.map(Into::into),
        user: columns.parse("column root_user", |text| DatabaseIdentifier::parse(text).ok())?,
        nonce: Nonce(columns.bytes("column nonce")?),
        state: columns.parse("column state", DatabaseState::from_stored)?,
        step: columns.parse("column step", Step::from_stored)?,
        acknowledged: columns.convert("column acknowledged", |flag| match flag {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        })?,
        origin: columns.parse_optional("column origin", Origin::from_stored)?,
        credential: columns.parse_optional("column credential", CredentialKind::from_stored)?,
        key: WrappedKey {
            kek: columns.convert("column kek", |number| number.try_into().ok())?,
            bytes: columns.blob("column data_key")?.to_vec(),
        },
        root_password: columns.optional_blob("column root_password")?.map(<[u8]>::to_vec),
        passwords: [
            columns.optional_blob("column password_a")?.map(<[u8]>::to_vec),
            columns.optional_blob("column password_b")?.map(<[u8]>::to_vec),
        ],
        next_password: columns.optional_blob("column next_password")?.map(<[u8]>::to_vec),
        login: columns.parse("column login", Login::from_stored)?,
        overlap_until: columns.optional_time("column overlap_until")?,
        pending: columns.optional_blob("column pending")?.map(<[u8]>::to_vec),
        schema_version: columns
            .convert("column schema_version", |number| number.try_into().ok())?,
        failure: columns.optional_text("column failure")?.map(Into::into),
        attempts: columns.convert("column attempts", |number| number.try_into().ok())?,
        due_at: columns.optional_time("column due_at")?,
        created_at: columns.time("column created_at")?,
        updated_at: columns.time("column updated_at")?,
        version: columns.version()?,
    };
    Ok(Unverified::new(record, columns.bytes("column row_mac")?))
}

/// A tenant database's columns.
pub(crate) fn database_cells(sealed: &Sealed<TenantDatabase>) -> Result<[Cell<'_>; 30]> {
    let database = sealed.record();
    let time = |at: Option<Timestamp>| Cell::Number(at.map(Timestamp::micros));
    let [password_a, password_b] = &database.passwords;
    Ok([
        Cell::bytes(database.account.as_bytes()),
        Cell::bytes(database.root.as_bytes()),
        Cell::text(database.host.as_str()),
        Cell::number(database.port.get()),
        Cell::text(database.name.as_str()),
        Cell::optional_text(database.server.as_deref()),
        Cell::text(database.user.as_str()),
        Cell::bytes(&database.nonce.0),
        Cell::text(database.state.as_str()),
        Cell::text(database.step.as_str()),
        Cell::number(database.acknowledged),
        Cell::optional_text(database.origin.map(Origin::as_str)),
        Cell::optional_text(database.credential.map(CredentialKind::as_str)),
        Cell::number(database.key.kek),
        Cell::bytes(&database.key.bytes),
        Cell::Bytes(database.root_password.as_deref()),
        Cell::Bytes(password_a.as_deref()),
        Cell::Bytes(password_b.as_deref()),
        Cell::Bytes(database.next_password.as_deref()),
        Cell::text(database.login.as_str()),
        time(database.overlap_until),
        Cell::Bytes(database.pending.as_deref()),
        Cell::number(stored_number(database.schema_version)?),
        Cell::optional_text(database.failure.as_deref()),
        Cell::number(database.attempts),
        time(database.due_at),
        Cell::number(database.created_at.micros()),
        Cell::number(database.updated_at.micros()),
        Cell::number(stored_number(database.version)?),
        Cell::bytes(sealed.seal()),
    ])
}
