//! The change log of one shard, as the store has it or as it was read.

/// Most rows.
pub(crate) const NUMBERS: usize = 3;

/// A place in the log; number 0 before the first row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Mark {
    pub(crate) number: u8,
    pub(crate) nonce: u8,
}

/// A row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Row {
    pub(crate) nonce: u8,
    /// Whether it is the key that changed, or something else.
    pub(crate) of_the_key: bool,
    /// Whether the key is off after it.
    pub(crate) off: bool,
}

/// The log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Log {
    rows: [Row; NUMBERS],
    len: u8,
    /// How many of the oldest are gone.
    pub(crate) pruned: u8,
}

impl Log {
    /// The number of the last row.
    pub(crate) const fn len(&self) -> u8 {
        self.len
    }

    pub(crate) fn push(&mut self, row: Row) {
        self.rows[usize::from(self.len)] = row;
        self.len += 1;
    }

    /// Loses all rows but the first so many.
    pub(crate) fn truncate(&mut self, len: u8) {
        self.rows[usize::from(len)..].fill(Row::default());
        self.len = len;
    }

    /// The last row, pruned or not.
    fn last(&self) -> Row {
        self.len.checked_sub(1).map_or_else(Row::default, |last| self.rows[usize::from(last)])
    }

    pub(crate) fn head(&self) -> Mark {
        Mark { number: self.len, nonce: self.last().nonce }
    }

    /// Whether the key is on.
    pub(crate) fn is_on(&self) -> bool {
        !self.last().off
    }

    /// The row of a number, unless it is gone or not there yet.
    pub(crate) fn find(&self, number: u8) -> Option<Row> {
        (self.pruned < number && number <= self.len).then(|| self.rows[usize::from(number) - 1])
    }
}
