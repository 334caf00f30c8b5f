//! SQLite's rows.

pub(super) use crate::rows::{
    Columns, account_cells, audit_event_cells, client_settings_cells, credential_cells, damaged,
    member_cells, read_account, read_audit_event, read_chain_head, read_client_settings,
    read_credential, read_found, read_found_client, read_head, read_link, read_listed_signing_key,
    read_member, read_name, read_realm, read_service_account, read_signing_key, realm_cells,
    replay_cells, service_account_cells, signing_key_cells, stored_number,
};

use super::errors::from_sqlite;
use crate::rows::{Cell, Source, Unread};
use rusqlite::types::{ToSql, ToSqlOutput, Value, ValueRef};
use rusqlite::{Params, Row, Statement, params_from_iter};
use tenantry_core::error::Result;

/// The first row of a query, read by `read`.
pub(super) fn find<T>(
    statement: &mut Statement<'_>,
    params: impl Params,
    read: impl FnOnce(&Row<'_>) -> Result<T>,
) -> Result<Option<T>> {
    let mut rows = statement.query(params).map_err(from_sqlite)?;
    rows.next().map_err(from_sqlite)?.map(read).transpose()
}

/// Every row of a query that has a limit, read by `read`.
pub(super) fn list<T>(
    statement: &mut Statement<'_>,
    params: impl Params,
    mut read: impl FnMut(&Row<'_>) -> Result<T>,
) -> Result<Vec<T>> {
    let mut rows = statement.query(params).map_err(from_sqlite)?;
    let mut list = Vec::new();
    while let Some(row) = rows.next().map_err(from_sqlite)? {
        list.push(read(row)?);
    }
    Ok(list)
}

/// Runs `statement` with these columns as its parameters, numbered from 1.
pub(super) fn write(statement: &mut Statement<'_>, cells: &[Cell<'_>]) -> Result<usize> {
    statement.execute(params_from_iter(cells)).map_err(from_sqlite)
}

impl ToSql for Cell<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let value = match self {
            Self::Bytes(Some(bytes)) => ValueRef::Blob(bytes),
            Self::Text(Some(text)) => ValueRef::Text(text.as_bytes()),
            Self::Number(Some(number)) => ValueRef::Integer(*number),
            Self::Bytes(None) | Self::Text(None) | Self::Number(None) => {
                return Ok(ToSqlOutput::Owned(Value::Null));
            }
        };
        Ok(ToSqlOutput::Borrowed(value))
    }
}

impl Source for Row<'_> {
    fn bytes(&self, column: usize) -> Result<Option<&[u8]>, Unread> {
        match value(self, column)? {
            ValueRef::Null => Ok(None),
            ValueRef::Blob(bytes) => Ok(Some(bytes)),
            _ => Err(Unread::Kind),
        }
    }

    fn text(&self, column: usize) -> Result<Option<&str>, Unread> {
        match value(self, column)? {
            ValueRef::Null => Ok(None),
            ValueRef::Text(bytes) => std::str::from_utf8(bytes).map(Some).map_err(|_| Unread::Kind),
            _ => Err(Unread::Kind),
        }
    }

    fn number(&self, column: usize) -> Result<Option<i64>, Unread> {
        match value(self, column)? {
            ValueRef::Null => Ok(None),
            ValueRef::Integer(number) => Ok(Some(number)),
            _ => Err(Unread::Kind),
        }
    }
}

fn value<'r>(row: &'r Row<'_>, column: usize) -> Result<ValueRef<'r>, Unread> {
    row.get_ref(column).map_err(|error| Unread::Failed(from_sqlite(error)))
}
