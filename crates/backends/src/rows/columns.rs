//! Columns to values, one after the other.

use tenantry_core::clock::Timestamp;
use tenantry_core::error::{Error, Result};

/// A row that is no record: the error, and the alarm.
pub(crate) fn damaged(table: &'static str, id: String, problem: &'static str) -> Error {
    tracing::error!(alarm = "row_integrity", table, id = %id, problem,
        "a stored row cannot be read; it is not used");
    Error::Integrity { table, id, problem }
}

/// A row of any store. What is null is none.
pub(crate) trait Source {
    /// The bytes in a column, counted from 0.
    fn bytes(&self, column: usize) -> Result<Option<&[u8]>, Unread>;
    /// The text in a column.
    fn text(&self, column: usize) -> Result<Option<&str>, Unread>;
    /// The number in a column.
    fn number(&self, column: usize) -> Result<Option<i64>, Unread>;
}

/// Why a column was not read.
pub(crate) enum Unread {
    /// Something of another kind stands there.
    Kind,
    /// The store failed, or there is no such column.
    Failed(Error),
}

/// Takes the columns of a row one after the other.
pub(crate) struct Columns<'r, R> {
    row: &'r R,
    from: usize,
    next: usize,
    table: &'static str,
    print_id: fn([u8; 16]) -> String,
}

impl<'r, R: Source> Columns<'r, R> {
    pub(crate) fn new(
        row: &'r R,
        from: usize,
        table: &'static str,
        print_id: fn([u8; 16]) -> String,
    ) -> Self {
        Self { row, from, next: from, table, print_id }
    }

    /// The refusal of this row, with the id from its first column.
    pub(crate) fn damaged(&self, problem: &'static str) -> Error {
        let id = match self.row.bytes(self.from) {
            Ok(Some(bytes)) => bytes.try_into().ok().map(self.print_id),
            _ => None,
        };
        damaged(self.table, id.unwrap_or_else(|| "unreadable".to_owned()), problem)
    }

    fn take<T>(
        &mut self,
        problem: &'static str,
        read: impl FnOnce(&'r R, usize) -> Result<Option<T>, Unread>,
    ) -> Result<Option<T>> {
        let column = self.next;
        self.next += 1;
        read(self.row, column).map_err(|unread| match unread {
            Unread::Kind => self.damaged(problem),
            Unread::Failed(error) => error,
        })
    }

    pub(crate) fn optional_bytes<const N: usize>(
        &mut self,
        problem: &'static str,
    ) -> Result<Option<[u8; N]>> {
        let bytes = self.take(problem, R::bytes)?;
        bytes.map(|bytes| bytes.try_into().map_err(|_| self.damaged(problem))).transpose()
    }

    pub(crate) fn bytes<const N: usize>(&mut self, problem: &'static str) -> Result<[u8; N]> {
        self.optional_bytes(problem)?.ok_or_else(|| self.damaged(problem))
    }

    /// Bytes of any length.
    pub(crate) fn blob(&mut self, problem: &'static str) -> Result<&'r [u8]> {
        self.take(problem, R::bytes)?.ok_or_else(|| self.damaged(problem))
    }

    /// The same, where it may be null.
    pub(crate) fn optional_blob(&mut self, problem: &'static str) -> Result<Option<&'r [u8]>> {
        self.take(problem, R::bytes)
    }

    pub(crate) fn optional_text(&mut self, problem: &'static str) -> Result<Option<&'r str>> {
        self.take(problem, R::text)
    }

    pub(crate) fn text(&mut self, problem: &'static str) -> Result<&'r str> {
        self.optional_text(problem)?.ok_or_else(|| self.damaged(problem))
    }

    pub(crate) fn parse_optional<T>(
        &mut self,
        problem: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>> {
        let text = self.optional_text(problem)?;
        text.map(|text| parse(text).ok_or_else(|| self.damaged(problem))).transpose()
    }

    pub(crate) fn parse<T>(
        &mut self,
        problem: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T> {
        self.parse_optional(problem, parse)?.ok_or_else(|| self.damaged(problem))
    }

    pub(crate) fn convert_optional<T>(
        &mut self,
        problem: &'static str,
        convert: impl FnOnce(i64) -> Option<T>,
    ) -> Result<Option<T>> {
        let number = self.take(problem, R::number)?;
        number.map(|number| convert(number).ok_or_else(|| self.damaged(problem))).transpose()
    }

    pub(crate) fn convert<T>(
        &mut self,
        problem: &'static str,
        convert: impl FnOnce(i64) -> Option<T>,
    ) -> Result<T> {
        self.convert_optional(problem, convert)?.ok_or_else(|| self.damaged(problem))
    }

    pub(crate) fn optional_time(&mut self, problem: &'static str) -> Result<Option<Timestamp>> {
        self.convert_optional(problem, |micros| Some(Timestamp::from_micros(micros)))
    }

    pub(crate) fn time(&mut self, problem: &'static str) -> Result<Timestamp> {
        self.convert(problem, |micros| Some(Timestamp::from_micros(micros)))
    }

    pub(crate) fn version(&mut self) -> Result<u64> {
        self.convert("column version", |number| number.try_into().ok())
    }
}
