//! Whether the store answers.

use super::PostgresStore;
use super::errors::Refused;
use super::rows::Param;
use super::session::{Expect, Work};
use crate::rows::Columns;
use async_trait::async_trait;
use std::sync::atomic::{AtomicU8, Ordering};
use tenantry_core::commit::shard_of;
use tenantry_core::error::{Error, Result};
use tenantry_core::ids::AccountId;
use tenantry_core::store::HealthStore;

/// Changes nothing, and is committed as a change is.
const PROBE: &str = "UPDATE audit_progress SET sunk = sunk WHERE id = 1";

#[async_trait]
impl HealthStore for PostgresStore {
    async fn check(&self) -> Result<()> {
        self.find_shard_head(shard_of(AccountId::PLANE)).await.map(drop)
    }

    async fn check_writes(&self) -> Result<()> {
        self.acceptance.check()
    }

    async fn probe_writes(&self) -> Result<()> {
        if self.acceptance.check().is_ok() {
            return Ok(());
        }
        let mut work = Work::default();
        work.push(PROBE, Vec::new(), Expect::Nothing);
        self.write(&work).await.map(drop)
    }
}

impl PostgresStore {
    /// What the secrets of the plane's nodes are known by: `check`, unless another was stored before.
    ///
    /// # Errors
    /// What PostgreSQL says.
    pub async fn claim_secrets(&self, check: &[u8; 32]) -> Result<[u8; 32]> {
        const CLAIM: &str = "INSERT INTO secrets_check (id, check_value) VALUES (1, $1)
            ON CONFLICT (id) DO NOTHING";
        let mut work = Work::default();
        work.push(CLAIM, vec![Param::bytes(check)], Expect::Nothing);
        self.write(&work).await?;
        let stored = self.find_secrets_check().await?;
        stored.ok_or_else(|| Error::internal("the check of the secrets is gone"))
    }

    /// What the secrets of the plane's nodes are known by, where there was one.
    ///
    /// # Errors
    /// What PostgreSQL says.
    pub async fn find_secrets_check(&self) -> Result<Option<[u8; 32]>> {
        const FIND: &str = "SELECT check_value FROM secrets_check WHERE id = 1";
        self.find(FIND, Vec::new(), |row| {
            Columns::new(row, 0, "secrets_check", |_| String::new()).bytes("column check_value")
        })
        .await
    }

    /// Makes `after` what the secrets are known by, unless another node has changed that since it was
    /// `before`.
    ///
    /// # Errors
    /// What PostgreSQL says.
    pub async fn move_secrets_check(&self, before: &[u8; 32], after: &[u8; 32]) -> Result<()> {
        const MOVE: &str =
            "UPDATE secrets_check SET check_value = $2 WHERE id = 1 AND check_value = $1";
        let mut work = Work::default();
        work.push(MOVE, vec![Param::bytes(before), Param::bytes(after)], Expect::Nothing);
        self.write(&work).await.map(drop)
    }

    /// Whether changes are accepted, as far as the last of them, or the last probe, tell.
    ///
    /// # Errors
    /// `StorageFull` or `Unavailable`, where they are refused.
    pub fn accepts_writes(&self) -> Result<()> {
        self.acceptance.check()
    }
}

/// Whether changes are accepted, as far as the last of them tells.
#[derive(Default)]
pub(super) struct Acceptance(AtomicU8);

const ACCEPTED: u8 = 0;
const FULL: u8 = 1;
const UNAVAILABLE: u8 = 2;

impl Acceptance {
    /// Takes notice of what came of a change.
    pub(super) fn note<T>(&self, outcome: &Result<T>) {
        let now = match outcome {
            Err(Error::StorageFull) => FULL,
            Err(Error::Unavailable(_) | Error::OutcomeUnknown(_)) => UNAVAILABLE,
            // A refusal by the rules shows that the store works.
            _ => ACCEPTED,
        };
        let before = self.0.swap(now, Ordering::Relaxed);
        match (before, now) {
            (ACCEPTED, FULL) => tracing::error!(
                alarm = "storage_full",
                "the database has no room left: changes are refused"
            ),
            (ACCEPTED, UNAVAILABLE) => tracing::error!(
                alarm = "writes_refused",
                "the database does not answer: changes are refused"
            ),
            (FULL | UNAVAILABLE, ACCEPTED) => tracing::info!("changes are accepted again"),
            _ => {}
        }
    }

    fn check(&self) -> Result<()> {
        match self.0.load(Ordering::Relaxed) {
            FULL => Err(Error::StorageFull),
            UNAVAILABLE => {
                let refused = Refused::unreachable("the last change was not answered".to_owned());
                Err(Error::unavailable(refused))
            }
            _ => Ok(()),
        }
    }
}
