//! Who does what one node does at a time.

use super::PostgresStore;
use super::rows::{Param, one};
use super::session::{Expect, Work};
use crate::rows::{Cell, Columns, stored_number};
use async_trait::async_trait;
use tenantry_core::error::{Conflict, Result};
use tenantry_core::leads::{Lead, NodeId, Task};
use tenantry_core::store::LeadStore;

const SAVE: &str = "INSERT INTO leaders (task, node, fence, expires_at) VALUES ($1, $2, $3, $4)
    ON CONFLICT (task) DO UPDATE
    SET node = excluded.node, fence = excluded.fence, expires_at = excluded.expires_at
    WHERE leaders.fence = $5 AND leaders.expires_at = $6";

const FIND: &str = "SELECT node, fence, expires_at FROM leaders WHERE task = $1";

// Until the commit nobody takes over.
const REQUIRE: &str = "SELECT task FROM leaders WHERE task = $1 AND node = $2 AND fence = $3
    FOR SHARE";

#[async_trait]
impl LeadStore for PostgresStore {
    async fn find_lead(&self, task: Task) -> Result<Option<Lead>> {
        self.find(FIND, vec![Param::text(task.as_str())], |row| {
            let mut columns = Columns::new(row, 0, "leaders", |_| String::new());
            Ok(Lead {
                task,
                node: NodeId::from_bytes(columns.bytes("column node")?),
                fence: columns.convert("column fence", |fence| fence.try_into().ok())?,
                until: columns.time("column expires_at")?,
            })
        })
        .await
    }

    async fn save_lead(&self, lead: &Lead, before: Option<&Lead>) -> Result<()> {
        let before_fence = before.map(|before| stored_number(before.fence)).transpose()?;
        let cells = [
            Cell::text(lead.task.as_str()),
            Cell::bytes(lead.node.as_bytes()),
            Cell::number(stored_number(lead.fence)?),
            Cell::number(lead.until.micros()),
            Cell::Number(before_fence),
            Cell::Number(before.map(|before| before.until.micros())),
        ];
        let mut work = Work::default();
        work.push(SAVE, one(cells), Expect::Rows(Conflict::Changed));
        self.write(&work).await.map(drop)
    }
}

/// Refuses whoever does not lead any more.
pub(super) fn require_lead<'a>(work: &mut Work<'a>, lead: &'a Lead) -> Result<()> {
    let params = vec![
        Param::text(lead.task.as_str()),
        Param::bytes(lead.node.as_bytes()),
        Param::number(stored_number(lead.fence)?),
    ];
    work.push(REQUIRE, params, Expect::Rows(Conflict::Changed));
    Ok(())
}
