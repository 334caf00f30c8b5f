//! Usage: sums by hour and by day, and the records of calls that are to be in them.

use super::rows::{Param, columns, number, one};
use super::session::{Expect, Work};
use super::{PostgresStore, usage_sums};
use crate::rows::{Cell, place_cells, read_sum, read_unrolled_call, stored_number, usage_cells};
use async_trait::async_trait;
use tenantry_core::error::{Conflict, Error, Result};
use tenantry_core::ids::LeaseId;
use tenantry_core::limits;
use tenantry_core::store::UsageStore;
use tenantry_core::usage::{
    SumQuery, UnrolledCall, UsageBatch, UsageEnds, UsageRow, UsageSum, Whose,
};

// A node's first batch waits for one of the same number that is under way.
const BEGIN: &str = "INSERT INTO usage_flushes (node_id, number, at) VALUES ($1, $2, $3)
    ON CONFLICT (node_id) DO NOTHING";

const GO_ON: &str = "UPDATE usage_flushes SET number = $2, at = $3
    WHERE node_id = $1 AND number = $2 - 1";

const LAST: &str = "SELECT number FROM usage_flushes WHERE node_id = $1";

// Sums stop at the largest number.
const ADD_TO_HOURS: &str =
    "INSERT INTO usage_hours (root_id, account_id, key_id, hour, measure, name, amount)
    SELECT * FROM unnest($1::bytea[], $2::bytea[], $3::bytea[], $4::bigint[], $5::text[],
        $6::text[], $7::bigint[])
    ON CONFLICT (root_id, account_id, hour, key_id, measure, name) DO UPDATE
    SET amount = usage_hours.amount
        + least(excluded.amount, 9223372036854775807 - usage_hours.amount)";

const ADD_TO_DAYS: &str =
    "INSERT INTO usage_days (root_id, account_id, key_id, day, measure, name, amount)
    SELECT u.root_id, u.account_id, u.key_id, u.hour - u.hour % 86400000000, u.measure, u.name,
        least(sum(u.amount), 9223372036854775807)::bigint
    FROM unnest($1::bytea[], $2::bytea[], $3::bytea[], $4::bigint[], $5::text[], $6::text[],
        $7::bigint[]) AS u (root_id, account_id, key_id, hour, measure, name, amount)
    GROUP BY 1, 2, 3, 4, 5, 6
    ORDER BY 1, 2, 4, 3, 5, 6
    ON CONFLICT (root_id, account_id, day, key_id, measure, name) DO UPDATE
    SET amount = usage_days.amount
        + least(excluded.amount, 9223372036854775807 - usage_days.amount)";

const LIST_UNROLLED: &str = "SELECT lease_id, root_id, account_id, status, duration, platform_cost,
        telephony_cost, synthesizer_costs, transcriber_costs, llm_costs, ended_at
    FROM call_records WHERE rolled = 0
    ORDER BY root_id, account_id, ended_at LIMIT $1";

// In one order, so that of two nodes that have the same calls one waits for the other.
const LOCK_CALLS: &str = "SELECT lease_id FROM call_records WHERE lease_id = ANY($1)
    ORDER BY lease_id FOR NO KEY UPDATE";

const MARK: &str = "UPDATE call_records SET rolled = 1 WHERE lease_id = ANY($1) AND rolled = 0";

const SWEEP_CALLS: &str = "DELETE FROM call_records WHERE lease_id IN (
        SELECT lease_id FROM call_records WHERE lease_id < $1 AND ended_at < $2 AND rolled = 1
        ORDER BY lease_id LIMIT $3 FOR UPDATE SKIP LOCKED)";

const SWEEP_HOURS: &str = "DELETE FROM usage_hours
    WHERE (root_id, account_id, hour, key_id, measure, name) IN (
        SELECT root_id, account_id, hour, key_id, measure, name FROM usage_hours
        WHERE hour < $1 ORDER BY hour LIMIT $2 FOR UPDATE SKIP LOCKED)";

const SWEEP_DAYS: &str = "DELETE FROM usage_days
    WHERE (root_id, account_id, day, key_id, measure, name) IN (
        SELECT root_id, account_id, day, key_id, measure, name FROM usage_days
        WHERE day < $1 ORDER BY day LIMIT $2 FOR UPDATE SKIP LOCKED)";

const SWEEP_FLUSHES: &str = "DELETE FROM usage_flushes WHERE node_id IN (
        SELECT node_id FROM usage_flushes WHERE at < $1
        ORDER BY node_id LIMIT $2 FOR UPDATE SKIP LOCKED)";

#[async_trait]
impl UsageStore for PostgresStore {
    async fn add_usage(&self, batch: &UsageBatch) -> Result<()> {
        let last = stored_number(batch.number)?;
        let params = || {
            one([
                Cell::bytes(batch.node.as_bytes()),
                Cell::number(last),
                Cell::number(batch.at.micros()),
            ])
        };
        let mut work = Work::default();
        let move_on = if batch.number == 1 { BEGIN } else { GO_ON };
        work.push(move_on, params(), Expect::Rows(Conflict::Changed));
        add(&mut work, &batch.rows)?;
        match self.write(&work).await {
            Err(Error::Conflict(Conflict::Changed)) => {
                // Nothing of this node is under way any more: that would have been waited for.
                let node = vec![Param::bytes(batch.node.as_bytes())];
                match self.find(LAST, node, |row| number(row, 0)).await? {
                    Some(number) if number == last => Ok(()),
                    _ => Err(Error::Conflict(Conflict::Changed)),
                }
            }
            outcome => outcome.map(drop),
        }
    }

    async fn list_unrolled_calls(&self, limit: u32) -> Result<Vec<Result<UnrolledCall>>> {
        self.list(LIST_UNROLLED, vec![Param::number(limit)], |row| Ok(read_unrolled_call(row)))
            .await
    }

    async fn roll_calls(&self, calls: &[LeaseId], rows: &[UsageRow]) -> Result<()> {
        let ids = || vec![Param::many(calls.iter().map(|id| &id.as_bytes()[..]))];
        let mut work = Work::default();
        work.push(LOCK_CALLS, ids(), Expect::Nothing);
        let all = u64::try_from(calls.len()).map_err(Error::internal)?;
        work.push(MARK, ids(), Expect::All(all, Conflict::Changed));
        add(&mut work, rows)?;
        self.write(&work).await.map(drop)
    }

    async fn sum_usage(&self, query: &SumQuery) -> Result<Vec<UsageSum>> {
        let ids: Option<Vec<&[u8]>> = match &query.whose {
            Whose::Tree => None,
            Whose::Accounts(ids) => Some(ids.iter().map(|id| &id.as_bytes()[..]).collect()),
        };
        let span = query.span;
        let mut params = one([
            Cell::bytes(query.root.as_bytes()),
            Cell::number(span.from.micros()),
            Cell::number(span.to.micros()),
            Cell::number(span.hours.0.micros()),
            Cell::number(span.hours.1.micros()),
            Cell::text(query.counted.as_str()),
            Cell::text(query.by.as_str()),
        ]);
        params.extend(one(place_cells(query)));
        params.extend(one([Cell::number(query.limit), Cell::number(limits::USAGE_NAMES_MAX)]));
        if let Some(ids) = ids {
            params.push(Param::many(ids));
            params.extend(one([
                Cell::number(span.lead_to.micros()),
                Cell::number(span.tail_from.micros()),
            ]));
        }
        self.list(usage_sums::statement(query)?, params, |row| read_sum(row, query.by)).await
    }

    async fn sweep_usage(&self, ends: &UsageEnds, limit: u32) -> Result<u64> {
        let mut work = Work::default();
        let calls = vec![
            Param::bytes(ends.leases_below.as_bytes()),
            Param::number(ends.before.micros()),
            Param::number(limit),
        ];
        work.push(SWEEP_CALLS, calls, Expect::Counted);
        for (sql, before) in [
            (SWEEP_HOURS, ends.before),
            (SWEEP_DAYS, ends.days_before),
            (SWEEP_FLUSHES, ends.flushes_before),
        ] {
            let params = vec![Param::number(before.micros()), Param::number(limit)];
            work.push(sql, params, Expect::Counted);
        }
        self.write(&work).await.map(|done| done.rows)
    }
}

/// Adds amounts to the sums of hours and of days, of each table in the order of its key.
fn add<'a>(work: &mut Work<'a>, amounts: &'a [UsageRow]) -> Result<()> {
    if amounts.is_empty() {
        return Ok(());
    }
    for sql in [ADD_TO_HOURS, ADD_TO_DAYS] {
        let rows = amounts.iter().map(usage_cells).collect::<Result<Vec<_>>>()?;
        work.push(sql, columns(rows)?, Expect::Nothing);
    }
    Ok(())
}
