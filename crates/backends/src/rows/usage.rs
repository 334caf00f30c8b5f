//! Usage: sums, and the records of calls that are to be in them.

use super::{Cell, Columns, Source, Unread, stored_number};
use std::collections::BTreeMap;
use std::time::Duration;
use tenantry_core::error::{Error, Result};
use tenantry_core::ids::{AccountId, CredentialId, LeaseId, ServiceAccountId};
use tenantry_core::leases::{Amount, CallRecord, Costs};
use tenantry_core::text::Name;
use tenantry_core::usage::{
    Group, GroupBy, Measure, SumQuery, UnrolledCall, UsageRow, UsageSum, Verified,
};

/// What an amount beyond all reason is stored as: sums stop there.
const AMOUNT_MAX: u64 = i64::MAX.unsigned_abs();
/// Sums come in two parts, so that none is too large for a number: so many make one of the upper.
const PART: u64 = 1_000_000;
/// In the place of a credential's id where amounts are of none.
const NO_KEY: &[u8; 16] = &[0; 16];

/// An amount and what it is added to: `root_id`, `account_id`, `key_id`, hour, measure, name, amount.
pub(crate) fn usage_cells((of, amount): &UsageRow) -> Result<[Cell<'_>; 7]> {
    Ok([
        Cell::bytes(of.root.as_bytes()),
        Cell::bytes(of.account.as_bytes()),
        Cell::bytes(of.key.as_ref().map_or(NO_KEY, |key| key.as_bytes())),
        Cell::number(of.hour.micros()),
        Cell::text(of.measure.as_str()),
        Cell::text(&*of.name),
        Cell::number(stored_number((*amount).min(AMOUNT_MAX))?),
    ])
}

/// Reads the record of a call: `lease_id`, `root_id`, `account_id`, status, duration, `platform_cost`,
/// `telephony_cost`, `synthesizer_costs`, `transcriber_costs`, `llm_costs`, `ended_at`.
pub(crate) fn read_unrolled_call(row: &impl Source) -> Result<UnrolledCall> {
    let id = |bytes| LeaseId::from_bytes(bytes).to_string();
    let mut columns = Columns::new(row, 0, "call_records", id);
    let amount = |micros: i64| u64::try_from(micros).ok().map(Amount::from_millionths);
    Ok(UnrolledCall {
        lease: LeaseId::from_bytes(columns.bytes("column lease_id")?),
        root: AccountId::from_bytes(columns.bytes("column root_id")?),
        account: AccountId::from_bytes(columns.bytes("column account_id")?),
        record: CallRecord {
            status: columns.parse("column status", |text| Name::parse(text).ok())?,
            duration: columns.convert_optional("column duration", |micros| {
                micros.try_into().ok().map(Duration::from_micros)
            })?,
            costs: Costs {
                platform: columns.convert("column platform_cost", amount)?,
                telephony: columns.convert("column telephony_cost", amount)?,
                synthesizer: columns.parse("column synthesizer_costs", by_provider)?,
                transcriber: columns.parse("column transcriber_costs", by_provider)?,
                llm: columns.parse("column llm_costs", by_provider)?,
            },
            ended_at: columns.time("column ended_at")?,
        },
    })
}

fn by_provider(text: &str) -> Option<BTreeMap<Box<str>, Amount>> {
    let millionths: BTreeMap<Box<str>, u64> = serde_json::from_str(text).ok()?;
    let costs = millionths.into_iter();
    Some(costs.map(|(provider, cost)| (provider, Amount::from_millionths(cost))).collect())
}

/// The place after which groups begin, as the columns that they are in the order of: key, account,
/// time. What a group does not have is empty or 0 in all of its rows.
pub(crate) fn place_cells(query: &SumQuery) -> [Cell<'_>; 3] {
    // Of a key's account nothing is known; what is higher than any is after it.
    const HIGHEST: &[u8] = &[0xff; 16];
    let Some(place) = &query.after else {
        return [Cell::Bytes(None), Cell::Bytes(None), Cell::Number(None)];
    };
    match query.by {
        GroupBy::Account => [Cell::bytes(&[]), Cell::bytes(place), Cell::number(0)],
        GroupBy::Key => [Cell::bytes(place), Cell::bytes(HIGHEST), Cell::number(0)],
        GroupBy::Hour | GroupBy::Day => {
            [Cell::bytes(&[]), Cell::bytes(&[]), Cell::number(Group::time_of(*place).micros())]
        }
    }
}

/// Reads a sum: key, account, time, measure, name, both parts of the amount, the credential's kind.
pub(crate) fn read_sum(row: &impl Source, by: GroupBy) -> Result<UsageSum> {
    let mut columns = Columns::new(row, 0, "usage_hours", |_| "a sum".to_owned());
    let [key, account] = [columns.blob("column key_id")?, columns.blob("column account_id")?];
    let at = columns.time("the time")?;
    let measure = columns.parse("column measure", Measure::parse)?;
    let name = columns.text("column name")?.into();
    let part = |part: i64| u64::try_from(part).ok();
    let (upper, lower) = (columns.convert("a sum", part)?, columns.convert("a sum", part)?);
    let amount = upper.saturating_mul(PART).saturating_add(lower);
    let account = |problem| id(account, problem).map(AccountId::from_bytes);
    let group = match by {
        GroupBy::Account => Group::Account(account("column account_id")?),
        GroupBy::Key => Group::Key(account("column account_id")?, verified(row, key)?),
        GroupBy::Hour => Group::Hour(at),
        GroupBy::Day => Group::Day(at),
    };
    Ok(UsageSum { group, measure, name, amount })
}

/// Which credential an id is of. What is no credential's is a service account's.
fn verified(row: &impl Source, key: &[u8]) -> Result<Verified> {
    const KIND: usize = 7;
    let bytes = id(key, "column key_id")?;
    match row.text(KIND) {
        Ok(None) => Ok(Verified::Client(ServiceAccountId::from_bytes(bytes))),
        Ok(Some("client_secret")) => Ok(Verified::Secret(CredentialId::from_bytes(bytes))),
        Ok(Some(_)) => Ok(Verified::Key(CredentialId::from_bytes(bytes))),
        Err(Unread::Kind) => Err(damaged("column kind")),
        Err(Unread::Failed(error)) => Err(error),
    }
}

fn id(bytes: &[u8], problem: &'static str) -> Result<[u8; 16]> {
    bytes.try_into().map_err(|_| damaged(problem))
}

fn damaged(problem: &'static str) -> Error {
    super::damaged("usage_hours", "a sum".to_owned(), problem)
}
