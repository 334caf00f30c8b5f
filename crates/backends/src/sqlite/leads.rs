//! Who does what one node does at a time.

use super::errors::from_sqlite;
use super::rows::Columns;
use super::{SqliteStore, rows};
use async_trait::async_trait;
use rusqlite::{Connection, params};
use tenantry_core::clock::Timestamp;
use tenantry_core::error::{Conflict, Error, Result};
use tenantry_core::leads::{Lead, NodeId, Task};
use tenantry_core::store::LeadStore;

#[async_trait]
impl LeadStore for SqliteStore {
    async fn find_lead(&self, task: Task) -> Result<Option<Lead>> {
        self.read(|connection| {
            let mut statement = connection
                .prepare_cached("SELECT node, fence, expires_at FROM leaders WHERE task = ?1")
                .map_err(from_sqlite)?;
            rows::find(&mut statement, [task.as_str()], |row| {
                let mut columns = Columns::new(row, 0, "leaders", |_| String::new());
                Ok(Lead {
                    task,
                    node: NodeId::from_bytes(columns.bytes("column node")?),
                    fence: columns.convert("column fence", |fence| fence.try_into().ok())?,
                    until: columns.time("column expires_at")?,
                })
            })
        })
    }

    async fn save_lead(&self, lead: &Lead, before: Option<&Lead>) -> Result<()> {
        let (lead, before) = (*lead, before.copied());
        let job = move |connection: &Connection| {
            let mut statement = connection
                .prepare_cached(
                    "INSERT INTO leaders (task, node, fence, expires_at) VALUES (?1, ?2, ?3, ?4)
                     ON CONFLICT (task) DO UPDATE
                     SET node = excluded.node, fence = excluded.fence,
                         expires_at = excluded.expires_at
                     WHERE leaders.fence = ?5 AND leaders.expires_at = ?6",
                )
                .map_err(from_sqlite)?;
            let saved = statement.execute(params![
                lead.task.as_str(),
                lead.node.as_bytes(),
                stored_fence(&lead)?,
                lead.until.micros(),
                before.as_ref().map(stored_fence).transpose()?,
                before.map(|before| Timestamp::micros(before.until)),
            ]);
            changed(saved.map_err(from_sqlite)?)?;
            Ok(None)
        };
        self.write(job).await.map(drop)
    }
}

/// Refuses whoever does not lead any more.
pub(super) fn require_lead(connection: &Connection, lead: &Lead) -> Result<()> {
    let mut statement = connection
        .prepare_cached("SELECT 1 FROM leaders WHERE task = ?1 AND node = ?2 AND fence = ?3")
        .map_err(from_sqlite)?;
    let params = params![lead.task.as_str(), lead.node.as_bytes(), stored_fence(lead)?];
    changed(usize::from(statement.exists(params).map_err(from_sqlite)?))
}

/// Refuses a guarded statement that found another row than the one that it was to change.
pub(super) fn changed(rows: usize) -> Result<()> {
    match rows {
        0 => Err(Error::Conflict(Conflict::Changed)),
        _ => Ok(()),
    }
}

fn stored_fence(lead: &Lead) -> Result<i64> {
    i64::try_from(lead.fence).map_err(Error::internal)
}
