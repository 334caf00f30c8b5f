//! Values on their way into a store.

use std::borrow::Cow;

/// What stands in one column of a row.
#[derive(Clone)]
pub(crate) enum Cell<'a> {
    /// Bytes.
    Bytes(Option<&'a [u8]>),
    /// Text.
    Text(Option<Cow<'a, str>>),
    /// A number.
    Number(Option<i64>),
}

impl<'a> Cell<'a> {
    /// Bytes that are there.
    pub(crate) fn bytes(bytes: &'a [u8]) -> Self {
        Self::Bytes(Some(bytes))
    }

    /// Text that is there.
    pub(crate) fn text(text: impl Into<Cow<'a, str>>) -> Self {
        Self::Text(Some(text.into()))
    }

    /// Text that may be there.
    pub(crate) fn optional_text(text: Option<&'a str>) -> Self {
        Self::Text(text.map(Cow::Borrowed))
    }

    /// Text that was made for the row and may be there.
    pub(crate) fn owned_text(text: Option<String>) -> Self {
        Self::Text(text.map(Cow::Owned))
    }

    /// A number that is there.
    pub(crate) fn number(number: impl Into<i64>) -> Self {
        Self::Number(Some(number.into()))
    }
}
