//! Usage: sums by hour and by day, and the records of calls that are to be in them.

use super::errors::from_sqlite;
use super::leads::changed;
use super::{SqliteStore, rows, usage_sums};
use crate::rows::{read_unrolled_call, stored_number, usage_cells};
use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, Params, params};
use tenantry_core::error::{Error, Result};
use tenantry_core::ids::LeaseId;
use tenantry_core::store::UsageStore;
use tenantry_core::usage::{SumQuery, UnrolledCall, UsageBatch, UsageEnds, UsageRow, UsageSum};

#[async_trait]
impl UsageStore for SqliteStore {
    async fn add_usage(&self, batch: &UsageBatch) -> Result<()> {
        let batch = batch.clone();
        self.write_for(move |connection| {
            if note(connection, &batch)? { add(connection, &batch.rows) } else { Ok(()) }
        })
        .await
    }

    async fn list_unrolled_calls(&self, limit: u32) -> Result<Vec<Result<UnrolledCall>>> {
        self.read(|connection| {
            let mut statement = connection
                .prepare_cached(
                    "SELECT lease_id, root_id, account_id, status, duration, platform_cost,
                         telephony_cost, synthesizer_costs, transcriber_costs, llm_costs, ended_at
                     FROM call_records WHERE rolled = 0
                     ORDER BY root_id, account_id, ended_at LIMIT ?1",
                )
                .map_err(from_sqlite)?;
            rows::list(&mut statement, [limit], |row| Ok(read_unrolled_call(row)))
        })
    }

    async fn roll_calls(&self, calls: &[LeaseId], rows: &[UsageRow]) -> Result<()> {
        let (calls, rows) = (calls.to_vec(), rows.to_vec());
        self.write_for(move |connection| {
            for call in &calls {
                let mark = "UPDATE call_records SET rolled = 1 WHERE lease_id = ?1 AND rolled = 0";
                changed(execute(connection, mark, [call.as_bytes()])?)?;
            }
            add(connection, &rows)
        })
        .await
    }

    async fn sum_usage(&self, query: &SumQuery) -> Result<Vec<UsageSum>> {
        let query = query.clone();
        self.read_apart(move |connection| usage_sums::list(connection, &query)).await
    }

    async fn sweep_usage(&self, ends: &UsageEnds, limit: u32) -> Result<u64> {
        let ends = *ends;
        self.write_for(move |connection| sweep(connection, &ends, limit)).await
    }
}

/// Notes a batch as its node's last one; false where it is that already.
fn note(connection: &Connection, batch: &UsageBatch) -> Result<bool> {
    let node = batch.node.as_bytes();
    let number = stored_number(batch.number)?;
    let mut statement = connection
        .prepare_cached("SELECT number FROM usage_flushes WHERE node_id = ?1")
        .map_err(from_sqlite)?;
    let last: Option<i64> =
        statement.query_row([node], |row| row.get(0)).optional().map_err(from_sqlite)?;
    if last == Some(number) {
        return Ok(false);
    }
    changed(usize::from(last.unwrap_or(0) == number - 1))?;
    let noted = execute(
        connection,
        "INSERT INTO usage_flushes (node_id, number, at) VALUES (?1, ?2, ?3)
         ON CONFLICT (node_id) DO UPDATE SET number = excluded.number, at = excluded.at",
        params![node, number, batch.at.micros()],
    )?;
    changed(noted)?;
    Ok(true)
}

/// Adds amounts to the sums of hours and of days, which stop at the largest number.
fn add(connection: &Connection, amounts: &[UsageRow]) -> Result<()> {
    let mut hours = connection
        .prepare_cached(
            "INSERT INTO usage_hours (root_id, account_id, key_id, hour, measure, name, amount)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
             ON CONFLICT (root_id, account_id, hour, key_id, measure, name)
             DO UPDATE SET amount = amount + min(excluded.amount, 9223372036854775807 - amount)",
        )
        .map_err(from_sqlite)?;
    let mut days = connection
        .prepare_cached(
            "INSERT INTO usage_days (root_id, account_id, key_id, day, measure, name, amount)
             VALUES (?1, ?2, ?3, ?4 - ?4 % 86400000000, ?5, ?6, ?7)
             ON CONFLICT (root_id, account_id, day, key_id, measure, name)
             DO UPDATE SET amount = amount + min(excluded.amount, 9223372036854775807 - amount)",
        )
        .map_err(from_sqlite)?;
    for row in amounts {
        let cells = usage_cells(row)?;
        rows::write(&mut hours, &cells)?;
        rows::write(&mut days, &cells)?;
    }
    Ok(())
}

fn sweep(connection: &Connection, ends: &UsageEnds, limit: u32) -> Result<u64> {
    let UsageEnds { leases_below, before, days_before, flushes_before } = ends;
    let swept = [
        execute(
            connection,
            "DELETE FROM call_records WHERE lease_id IN
                 (SELECT lease_id FROM call_records
                  WHERE lease_id < ?1 AND ended_at < ?2 AND rolled = 1 LIMIT ?3)",
            params![leases_below.as_bytes(), before.micros(), limit],
        )?,
        execute(
            connection,
            "DELETE FROM usage_hours
             WHERE (root_id, account_id, hour, key_id, measure, name) IN
                 (SELECT root_id, account_id, hour, key_id, measure, name FROM usage_hours
                  WHERE hour < ?1 ORDER BY hour LIMIT ?2)",
            params![before.micros(), limit],
        )?,
        execute(
            connection,
            "DELETE FROM usage_days
             WHERE (root_id, account_id, day, key_id, measure, name) IN
                 (SELECT root_id, account_id, day, key_id, measure, name FROM usage_days
                  WHERE day < ?1 ORDER BY day LIMIT ?2)",
            params![days_before.micros(), limit],
        )?,
        execute(
            connection,
            "DELETE FROM usage_flushes WHERE node_id IN
                 (SELECT node_id FROM usage_flushes WHERE at < ?1 LIMIT ?2)",
            params![flushes_before.micros(), limit],
        )?,
    ];
    u64::try_from(swept.into_iter().sum::<usize>()).map_err(Error::internal)
}

fn execute(connection: &Connection, sql: &str, params: impl Params) -> Result<usize> {
    let mut statement = connection.prepare_cached(sql).map_err(from_sqlite)?;
    statement.execute(params).map_err(from_sqlite)
}
