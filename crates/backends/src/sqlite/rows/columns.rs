//! Columns to values, one after the other.

use crate::sqlite::errors::from_sqlite;
use rusqlite::Row;
use rusqlite::types::ValueRef;
use tenantry_core::clock::Timestamp;
use tenantry_core::error::{Error, Result};

/// A row that is no record: the error, and the alarm.
pub(in crate::sqlite) fn damaged(table: &'static str, id: String, problem: &'static str) -> Error {
    tracing::error!(alarm = "row_integrity", table, id = %id, problem,
        "a stored row cannot be read; it is not used");
    Error::Integrity { table, id, problem }
}

/// Takes the columns of a row one after the other.
pub(in crate::sqlite) struct Columns<'r> {
    row: &'r Row<'r>,
    from: usize,
    next: usize,
    table: &'static str,
    print_id: fn([u8; 16]) -> String,
}

impl<'r> Columns<'r> {
    pub(in crate::sqlite) fn new(
        row: &'r Row<'r>,
        from: usize,
        table: &'static str,
        print_id: fn([u8; 16]) -> String,
    ) -> Self {
        Self { row, from, next: from, table, print_id }
    }

    /// The refusal of this row, with the id from its first column.
    pub(in crate::sqlite) fn damaged(&self, problem: &'static str) -> Error {
        let id = match self.row.get_ref(self.from) {
            Ok(ValueRef::Blob(bytes)) => bytes.try_into().ok().map(self.print_id),
            _ => None,
        };
        damaged(self.table, id.unwrap_or_else(|| "unreadable".to_owned()), problem)
    }

    fn value(&mut self) -> Result<ValueRef<'r>> {
        let value = self.row.get_ref(self.next).map_err(from_sqlite)?;
        self.next += 1;
        Ok(value)
    }

    pub(in crate::sqlite) fn optional_bytes<const N: usize>(
        &mut self,
        problem: &'static str,
    ) -> Result<Option<[u8; N]>> {
        match self.value()? {
            ValueRef::Null => Ok(None),
            ValueRef::Blob(bytes) => bytes.try_into().map(Some).map_err(|_| self.damaged(problem)),
            _ => Err(self.damaged(problem)),
        }
    }

    pub(in crate::sqlite) fn bytes<const N: usize>(
        &mut self,
        problem: &'static str,
    ) -> Result<[u8; N]> {
        self.optional_bytes(problem)?.ok_or_else(|| self.damaged(problem))
    }

    pub(in crate::sqlite) fn optional_text(
        &mut self,
        problem: &'static str,
    ) -> Result<Option<&'r str>> {
        match self.value()? {
            ValueRef::Null => Ok(None),
            ValueRef::Text(bytes) => {
                std::str::from_utf8(bytes).map(Some).map_err(|_| self.damaged(problem))
            }
            _ => Err(self.damaged(problem)),
        }
    }

    pub(in crate::sqlite) fn text(&mut self, problem: &'static str) -> Result<&'r str> {
        self.optional_text(problem)?.ok_or_else(|| self.damaged(problem))
    }

    pub(in crate::sqlite) fn parse_optional<T>(
        &mut self,
        problem: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>> {
        let text = self.optional_text(problem)?;
        text.map(|text| parse(text).ok_or_else(|| self.damaged(problem))).transpose()
    }

    pub(in crate::sqlite) fn parse<T>(
        &mut self,
        problem: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T> {
        self.parse_optional(problem, parse)?.ok_or_else(|| self.damaged(problem))
    }

    pub(in crate::sqlite) fn convert_optional<T>(
        &mut self,
        problem: &'static str,
        convert: impl FnOnce(i64) -> Option<T>,
    ) -> Result<Option<T>> {
        match self.value()? {
            ValueRef::Null => Ok(None),
            ValueRef::Integer(number) => {
                convert(number).map(Some).ok_or_else(|| self.damaged(problem))
            }
            _ => Err(self.damaged(problem)),
        }
    }

    pub(in crate::sqlite) fn convert<T>(
        &mut self,
        problem: &'static str,
        convert: impl FnOnce(i64) -> Option<T>,
    ) -> Result<T> {
        self.convert_optional(problem, convert)?.ok_or_else(|| self.damaged(problem))
    }

    pub(in crate::sqlite) fn optional_time(
        &mut self,
        problem: &'static str,
    ) -> Result<Option<Timestamp>> {
        self.convert_optional(problem, |micros| Some(Timestamp::from_micros(micros)))
    }

    pub(in crate::sqlite) fn time(&mut self, problem: &'static str) -> Result<Timestamp> {
        self.convert(problem, |micros| Some(Timestamp::from_micros(micros)))
    }

    pub(in crate::sqlite) fn version(&mut self) -> Result<u64> {
        self.convert("column version", |number| number.try_into().ok())
    }
}
