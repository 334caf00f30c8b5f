//! PostgreSQL's rows, and values on their way to it.

use super::errors::{Refused, from_refused};
use crate::rows::{Cell, Source, Unread};
use bytes::BytesMut;
use std::borrow::Cow;
use tenantry_core::error::{BoxError, Error, Result};
use tokio_postgres::Row;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};

impl Source for Row {
    fn bytes(&self, column: usize) -> Result<Option<&[u8]>, Unread> {
        read(self, column, &Type::BYTEA)
    }

    fn text(&self, column: usize) -> Result<Option<&str>, Unread> {
        read(self, column, &Type::TEXT)
    }

    fn number(&self, column: usize) -> Result<Option<i64>, Unread> {
        read(self, column, &Type::INT8)
    }
}

fn read<'r, T>(row: &'r Row, column: usize, kind: &Type) -> Result<Option<T>, Unread>
where
    Option<T>: tokio_postgres::types::FromSql<'r>,
{
    match row.columns().get(column) {
        Some(found) if found.type_() == kind => row.try_get(column).map_err(|_| Unread::Kind),
        Some(_) => Err(Unread::Kind),
        None => Err(Unread::Failed(Error::internal("a column is missing"))),
    }
}

/// A number in a column that is never null.
pub(super) fn number(row: &Row, column: usize) -> Result<i64> {
    row.try_get(column).map_err(|error| from_refused(Refused::from(&error)))
}

/// The id in a row's first column.
pub(super) fn id(row: &Row) -> Result<[u8; 16]> {
    let bytes: &[u8] = row.try_get(0).map_err(|error| from_refused(Refused::from(&error)))?;
    bytes.try_into().map_err(Error::internal)
}

/// A parameter of a statement: a value, or the values of one column of many rows.
pub(super) enum Param<'a> {
    /// One value.
    One(Cell<'a>),
    /// Bytes of many rows.
    Bytes(Vec<Option<&'a [u8]>>),
    /// Texts of many rows.
    Texts(Vec<Option<Cow<'a, str>>>),
    /// Numbers of many rows.
    Numbers(Vec<Option<i64>>),
}

impl<'a> Param<'a> {
    /// One text.
    pub(super) fn text(text: &'a str) -> Self {
        Self::One(Cell::text(text))
    }

    /// One number.
    pub(super) fn number(number: impl Into<i64>) -> Self {
        Self::One(Cell::number(number))
    }

    /// One value of bytes.
    pub(super) fn bytes(bytes: &'a [u8]) -> Self {
        Self::One(Cell::bytes(bytes))
    }

    /// The bytes of many rows, none of them null.
    pub(super) fn many(bytes: impl IntoIterator<Item = &'a [u8]>) -> Self {
        Self::Bytes(bytes.into_iter().map(Some).collect())
    }

    /// What PostgreSQL is told that this is.
    pub(super) fn kind(&self) -> Type {
        match self {
            Self::One(Cell::Bytes(_)) => Type::BYTEA,
            Self::One(Cell::Text(_)) => Type::TEXT,
            Self::One(Cell::Number(_)) => Type::INT8,
            Self::Bytes(_) => Type::BYTEA_ARRAY,
            Self::Texts(_) => Type::TEXT_ARRAY,
            Self::Numbers(_) => Type::INT8_ARRAY,
        }
    }
}

impl std::fmt::Debug for Param<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Param")
    }
}

impl ToSql for Param<'_> {
    fn to_sql(&self, kind: &Type, out: &mut BytesMut) -> Result<IsNull, BoxError> {
        match self {
            Self::One(Cell::Bytes(bytes)) => bytes.to_sql(kind, out),
            Self::One(Cell::Text(text)) => text.as_deref().to_sql(kind, out),
            Self::One(Cell::Number(number)) => number.to_sql(kind, out),
            Self::Bytes(column) => column.to_sql(kind, out),
            Self::Texts(column) => {
                let texts: Vec<Option<&str>> = column.iter().map(Option::as_deref).collect();
                texts.to_sql(kind, out)
            }
            Self::Numbers(column) => column.to_sql(kind, out),
        }
    }

    fn accepts(kind: &Type) -> bool {
        let kinds = [
            Type::BYTEA,
            Type::TEXT,
            Type::INT8,
            Type::BYTEA_ARRAY,
            Type::TEXT_ARRAY,
            Type::INT8_ARRAY,
        ];
        kinds.contains(kind)
    }

    to_sql_checked!();
}

/// The values of one row.
pub(super) fn one<'a>(cells: impl IntoIterator<Item = Cell<'a>>) -> Vec<Param<'a>> {
    cells.into_iter().map(Param::One).collect()
}

/// The values of many rows, at least one, column by column.
pub(super) fn columns<'a, const N: usize>(rows: Vec<[Cell<'a>; N]>) -> Result<Vec<Param<'a>>> {
    let mut columns: Vec<Param<'a>> = Vec::with_capacity(N);
    for cells in rows {
        let first = columns.is_empty();
        for (index, cell) in cells.into_iter().enumerate() {
            if first {
                columns.push(match cell {
                    Cell::Bytes(bytes) => Param::Bytes(vec![bytes]),
                    Cell::Text(text) => Param::Texts(vec![text]),
                    Cell::Number(number) => Param::Numbers(vec![number]),
                });
                continue;
            }
            match (&mut columns[index], cell) {
                (Param::Bytes(column), Cell::Bytes(bytes)) => column.push(bytes),
                (Param::Texts(column), Cell::Text(text)) => column.push(text),
                (Param::Numbers(column), Cell::Number(number)) => column.push(number),
                _ => return Err(Error::internal("a column holds values of two kinds")),
            }
        }
    }
    Ok(columns)
}
