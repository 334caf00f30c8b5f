//! Usage: what accounts took, in verifications and in calls.
//!
//! Verifications are counted in memory and added to the store in batches (`flush`): a number that a
//! crash takes with it is at most the last few seconds', and none is added twice. Calls are counted
//! from the records that their leases leave (`roll`), which are rows of their own until they are in
//! the sums: a call is never lost, and in no answer twice.

mod flush;
mod period;
mod read;
mod roll;
mod sums;

pub(crate) use flush::Outbox;
pub use period::{AskedPeriod, Period, Span};
pub use read::{AskedUsage, CallUsage, SubAccountsUsage, UsagePage};
pub use roll::rows_of;
pub use sums::{CallSums, Sums, UsageEntry};

use crate::clock::Timestamp;
use crate::ids::{AccountId, CredentialId, LeaseId, ServiceAccountId};
use crate::leads::NodeId;
use crate::leases::CallRecord;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

pub(crate) const HOUR: Duration = Duration::from_hours(1);
pub(crate) const DAY: Duration = Duration::from_hours(24);

/// What is summed up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Measure {
    /// Verifications, by code.
    Verifications,
    /// Calls, by the status of their records.
    Calls,
    /// How long calls took, in microseconds.
    Duration,
    /// What they cost for the platform, as every cost in millionths of a cent.
    PlatformCost,
    /// For telephony.
    TelephonyCost,
    /// For speech synthesis, by provider.
    SynthesizerCost,
    /// For transcription, by provider.
    TranscriberCost,
    /// For language models, by provider.
    LlmCost,
}

impl Measure {
    /// Every measure.
    pub const ALL: [Self; 8] = [
        Self::Verifications,
        Self::Calls,
        Self::Duration,
        Self::PlatformCost,
        Self::TelephonyCost,
        Self::SynthesizerCost,
        Self::TranscriberCost,
        Self::LlmCost,
    ];

    /// The word in rows.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Verifications => "verifications",
            Self::Calls => "calls",
            Self::Duration => "duration",
            Self::PlatformCost => "platform_cost",
            Self::TelephonyCost => "telephony_cost",
            Self::SynthesizerCost => "synthesizer_cost",
            Self::TranscriberCost => "transcriber_cost",
            Self::LlmCost => "llm_cost",
        }
    }

    /// Reads that word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|measure| measure.as_str() == text)
    }
}

/// What an amount is added to. Ordered, so that whoever adds many takes their rows in one order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct UsageOf {
    /// The root account of the tree.
    pub root: AccountId,
    /// The account.
    pub account: AccountId,
    /// The first instant of the hour.
    pub hour: Timestamp,
    /// The credential that was verified; none for calls.
    pub key: Option<CredentialId>,
    /// What is summed up.
    pub measure: Measure,
    /// Code, status or provider; empty for what has none.
    pub name: Box<str>,
}

/// An amount, and what it is added to.
pub type UsageRow = (UsageOf, u64);

/// Amounts of one node that are added once, however often they are sent.
#[derive(Clone, Debug)]
pub struct UsageBatch {
    /// Whose it is: drawn by a process when it sends its first one.
    pub node: NodeId,
    /// One more than that of the node's batch before; 1 for its first.
    pub number: u64,
    /// When it is sent.
    pub at: Timestamp,
    /// The amounts, each of something else, in order.
    pub rows: Arc<[UsageRow]>,
}

/// The record of a call that is not in the sums yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnrolledCall {
    /// The lease that it was released with.
    pub lease: LeaseId,
    /// The root account of the tree.
    pub root: AccountId,
    /// The account whose call it was.
    pub account: AccountId,
    /// What it says.
    pub record: CallRecord,
}

/// What is old enough to be forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UsageEnds {
    /// Ids of the leases of such calls are lower. This only narrows the search.
    pub leases_below: LeaseId,
    /// Records of calls that ended before then, and hours that began before then.
    pub before: Timestamp,
    /// Days that began before then.
    pub days_before: Timestamp,
    /// Nodes' last batches of before then.
    pub flushes_before: Timestamp,
}

/// How sums are grouped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupBy {
    /// By account.
    Account,
    /// By the credential that was verified. Calls have none.
    Key,
    /// By the hour.
    Hour,
    /// By the day (UTC).
    Day,
}

impl GroupBy {
    /// Every way.
    pub const ALL: [Self; 4] = [Self::Account, Self::Key, Self::Hour, Self::Day];

    /// The word in queries.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Key => "key",
            Self::Hour => "hour",
            Self::Day => "day",
        }
    }

    /// Reads that word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|by| by.as_str() == text)
    }
}

/// What sums are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// Verifications and calls.
    All,
    /// Verifications alone.
    Verifications,
    /// Calls alone.
    Calls,
}

impl Counted {
    /// The word that stores are asked with.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Verifications => "verifications",
            Self::Calls => "calls",
        }
    }
}

/// Whose usage is summed up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whose {
    /// Every account's of the tree, in whole hours alone.
    Tree,
    /// That of these accounts of the tree.
    Accounts(Box<[AccountId]>),
}

/// Which rows sums are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grain {
    /// Those of hours.
    Hours,
    /// Those of days, for whole days.
    Days,
}

/// Sums as a store is asked for them.
#[derive(Clone, Debug)]
pub struct SumQuery {
    /// The root account of the tree.
    pub root: AccountId,
    /// Whose.
    pub whose: Whose,
    /// Of when.
    pub span: Span,
    /// From which rows.
    pub grain: Grain,
    /// Of what.
    pub counted: Counted,
    /// In which groups.
    pub by: GroupBy,
    /// The group after which they begin, by [`Group::place`].
    pub after: Option<[u8; 16]>,
    /// Most groups.
    pub limit: u32,
}

/// A group of sums.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// An account's.
    Account(AccountId),
    /// Those of a credential, and the account that it belongs to.
    Key(AccountId, Verified),
    /// Those of the hour that begins then.
    Hour(Timestamp),
    /// Those of the day that begins then.
    Day(Timestamp),
}

impl Group {
    /// Where it stands among the groups of a list.
    #[must_use]
    pub fn place(&self) -> [u8; 16] {
        match self {
            Self::Account(id) => *id.as_bytes(),
            Self::Key(_, Verified::Key(id) | Verified::Secret(id)) => *id.as_bytes(),
            Self::Key(_, Verified::Client(id)) => *id.as_bytes(),
            Self::Hour(at) | Self::Day(at) => {
                let mut place = [0; 16];
                place[8..].copy_from_slice(&at.micros().to_be_bytes());
                place
            }
        }
    }

    /// The time that a place among hours or days stands for.
    #[must_use]
    pub fn time_of(place: [u8; 16]) -> Timestamp {
        Timestamp::from_micros(i64::from_be_bytes(std::array::from_fn(|index| place[8 + index])))
    }
}

/// Which credential was verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verified {
    /// A key.
    Key(CredentialId),
    /// A client secret, or an access token that was got with it.
    Secret(CredentialId),
    /// An access token that a service account got with a key of its own.
    Client(ServiceAccountId),
}

/// One sum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageSum {
    /// Of which group.
    pub group: Group,
    /// Of what.
    pub measure: Measure,
    /// Code, status or provider. Of what has names, an empty one is that of all beyond
    /// [`crate::limits::USAGE_NAMES_MAX`].
    pub name: Box<str>,
    /// How much.
    pub amount: u64,
}

/// The first instant of the hour, or day, of an instant.
pub(crate) fn start_of(unit: Duration, at: Timestamp) -> Timestamp {
    let unit = i64::try_from(unit.as_micros()).unwrap_or(i64::MAX);
    Timestamp::from_micros(at.micros().saturating_sub(at.micros().rem_euclid(unit)))
}

/// Amounts that are being summed up.
#[derive(Debug, Default)]
pub(crate) struct Amounts(BTreeMap<UsageOf, u64>);

impl Amounts {
    pub(crate) fn add(&mut self, of: UsageOf, amount: u64) {
        // What is nothing leaves no row, so that sums read the same before and after.
        if amount > 0 {
            let sum = self.0.entry(of).or_default();
            *sum = sum.saturating_add(amount);
        }
    }

    pub(crate) fn into_rows(self) -> Vec<UsageRow> {
        self.0.into_iter().collect()
    }
}
