//! What calls took, kept when their leases are given back.

use super::errors::from_sqlite;
use super::rows;
use crate::rows::call_record_cells;
use rusqlite::Connection;
use tenantry_core::error::Result;
use tenantry_core::ids::LeaseId;
use tenantry_core::leases::CallRecord;

/// Keeps the record of a lease's call; the first stays.
pub(super) fn insert(connection: &Connection, lease: LeaseId, record: &CallRecord) -> Result<()> {
    let mut statement = connection
        .prepare_cached(
            "INSERT INTO call_records (lease_id, root_id, account_id, reference, status, duration,
                 platform_cost, telephony_cost, synthesizer_costs, transcriber_costs, llm_costs,
                 ended_at)
             SELECT id, root_id, account_id, reference, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9
             FROM leases WHERE id = ?1
             ON CONFLICT (lease_id) DO NOTHING",
        )
        .map_err(from_sqlite)?;
    rows::write(&mut statement, &call_record_cells(&lease, record)?).map(drop)
}
