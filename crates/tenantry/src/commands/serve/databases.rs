//! Tenant databases that are being made, taken away, or whose passwords end.

use std::sync::Arc;
use tenantry_core::Plane;
use tenantry_core::limits;
use tokio::time::{MissedTickBehavior, interval};

/// Goes on with them, for as long as the server runs.
pub(super) async fn keep(plane: Arc<Plane>) {
    let mut every = interval(limits::DATABASES_DUE_EVERY);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        if let Err(error) = plane.work_on_databases().await {
            tracing::warn!(%error, "tenant databases were not looked for");
        }
    }
}
