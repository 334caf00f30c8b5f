//! The rules, each of which can be taken out.

/// What a node or the store does so that no answer is too old.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// A cached answer is given only by a node that is fresh.
    Freshness,
    /// A node is asked whether it is fresh before its cache is looked at, not after.
    FreshnessFirst,
    /// An answer of the log counts from when it was asked for, not from when it came.
    LeaseFromAsking,
    /// A node that was not fresh when an answer came becomes fresh by the next one only.
    FreshByTheSecond,
    /// The change log says what changed.
    ChangesApplied,
    /// A node applies its own change before it acknowledges it.
    OwnChangeAtOnce,
    /// Rows that were read before a change that is known do not enter the cache.
    LateFills,
    /// Rows that were read ahead of the log have to be borne out by it.
    Claims,
    /// Rows that were read ahead of the log do not enter once an answer is asked for that they could
    /// not be claimed of.
    NoFillsAheadOfAPoll,
    /// Of a row's place the nonce is compared, and not the number alone.
    Nonces,
    /// A log that begins after what was applied is noticed.
    Gaps,
    /// `?wait=true` waits for nodes that may be fresh.
    WaitForNodes,
    /// After another server has taken over, what nodes have noted says nothing until the bound has
    /// passed.
    SettledServer,
}

/// What nodes go by.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// The rule that is taken out.
    pub without: Option<Rule>,
    /// The bound, in ticks.
    pub bound: u8,
}

impl Setting {
    pub(crate) fn has(self, rule: Rule) -> bool {
        self.without != Some(rule)
    }
}

impl Rule {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::Freshness,
        Self::FreshnessFirst,
        Self::LeaseFromAsking,
        Self::FreshByTheSecond,
        Self::ChangesApplied,
        Self::OwnChangeAtOnce,
        Self::LateFills,
        Self::Claims,
        Self::NoFillsAheadOfAPoll,
        Self::Nonces,
        Self::Gaps,
        Self::WaitForNodes,
        Self::SettledServer,
    ];
}
