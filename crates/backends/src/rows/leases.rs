//! Leases, and what their calls took.

use super::{ACCOUNT_COLUMNS, Cell, Columns, Source, is_null, read_account};
use std::collections::BTreeMap;
use std::time::Duration;
use tenantry_core::error::{Error, Result};
use tenantry_core::ids::{AccountId, LeaseId};
use tenantry_core::leases::{Amount, CallRecord, HolderRows, Lease, LeaseTtl};

/// Reads an account and its parent, null where it has none, each from its columns.
pub(crate) fn read_holder(row: &impl Source) -> Result<HolderRows> {
    let has_parent = !is_null(row, ACCOUNT_COLUMNS);
    let parent = has_parent.then(|| read_account(row, ACCOUNT_COLUMNS)).transpose()?;
    Ok(HolderRows { account: read_account(row, 0)?, parent })
}

/// Columns of a lease as [`read_lease`] wants them, in this order: id, `root_id`, `account_id`, fence,
/// ttl, `acquired_at`, `expires_at`, `released_at`.
pub(crate) const LEASE_COLUMNS: usize = 8;

/// Reads a lease from the first columns.
pub(crate) fn read_lease(row: &impl Source) -> Result<Lease> {
    let id = |bytes| LeaseId::from_bytes(bytes).to_string();
    let mut columns = Columns::new(row, 0, "leases", id);
    Ok(Lease {
        id: LeaseId::from_bytes(columns.bytes("column id")?),
        root: AccountId::from_bytes(columns.bytes("column root_id")?),
        account: AccountId::from_bytes(columns.bytes("column account_id")?),
        fence: columns.convert("column fence", |fence| fence.try_into().ok())?,
        ttl: columns.convert("column ttl", |micros| {
            LeaseTtl::from_stored(Duration::from_micros(micros.try_into().ok()?))
        })?,
        acquired_at: columns.time("column acquired_at")?,
        expires_at: columns.time("column expires_at")?,
        released_at: columns.optional_time("column released_at")?,
    })
}

/// A time to live as it is stored, in microseconds.
pub(crate) fn stored_ttl(ttl: LeaseTtl) -> Result<i64> {
    stored_micros(ttl.get())
}

/// A time as it is stored, in microseconds.
pub(crate) fn stored_micros(duration: Duration) -> Result<i64> {
    i64::try_from(duration.as_micros()).map_err(Error::internal)
}

/// What the release of a lease says of its call: `lease_id`, status, duration, `platform_cost`,
/// `telephony_cost`, `synthesizer_costs`, `transcriber_costs`, `llm_costs`, `ended_at`.
pub(crate) fn call_record_cells<'a>(
    lease: &'a LeaseId,
    record: &'a CallRecord,
) -> Result<[Cell<'a>; 9]> {
    let CallRecord { status, duration, costs, ended_at } = record;
    Ok([
        Cell::bytes(lease.as_bytes()),
        Cell::text(status.as_str()),
        Cell::Number(duration.map(stored_micros).transpose()?),
        Cell::number(stored_amount(costs.platform)?),
        Cell::number(stored_amount(costs.telephony)?),
        Cell::text(by_provider(&costs.synthesizer)?),
        Cell::text(by_provider(&costs.transcriber)?),
        Cell::text(by_provider(&costs.llm)?),
        Cell::number(ended_at.micros()),
    ])
}

fn stored_amount(amount: Amount) -> Result<i64> {
    i64::try_from(amount.millionths()).map_err(Error::internal)
}

fn by_provider(costs: &BTreeMap<Box<str>, Amount>) -> Result<String> {
    let millionths: BTreeMap<&str, u64> =
        costs.iter().map(|(provider, amount)| (&**provider, amount.millionths())).collect();
    serde_json::to_string(&millionths).map_err(Error::internal)
}
