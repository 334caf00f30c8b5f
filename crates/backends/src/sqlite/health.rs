//! Whether the store answers.

use super::SqliteStore;
use super::changes::find_head;
use async_trait::async_trait;
use tenantry_core::commit::shard_of;
use tenantry_core::error::Result;
use tenantry_core::ids::AccountId;
use tenantry_core::store::HealthStore;

#[async_trait]
impl HealthStore for SqliteStore {
    async fn check(&self) -> Result<()> {
        let shard = shard_of(AccountId::PLANE);
        self.read(|connection| find_head(connection, shard)).map(|_| ())
    }

    async fn check_writes(&self) -> Result<()> {
        self.accepts_writes()
    }

    async fn probe_writes(&self) -> Result<()> {
        self.refuse_if_damaged()?;
        self.writer.probe().await
    }
}
