//! What verifications and calls leave behind is written in time, and forgotten in time.

use std::sync::Arc;
use tenantry_core::Plane;
use tenantry_core::limits;
use tokio::time::{MissedTickBehavior, interval};

/// Writes it now and then, for as long as the server runs.
pub(super) async fn keep(plane: Arc<Plane>) {
    let mut every = interval(limits::LAST_USED_FLUSH_EVERY);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        write(&plane).await;
        roll(&plane).await;
    }
}

/// Writes last-used times and counts of verifications.
pub(super) async fn write(plane: &Plane) {
    if let Err(error) = plane.flush_last_used().await {
        tracing::warn!(%error, "last-used times were not written");
    }
    if let Err(error) = plane.flush_usage().await {
        tracing::warn!(%error, "counts of verifications were not written; they are sent again");
    }
}

/// Adds calls to the sums, in parts, so that no writer waits long.
async fn roll(plane: &Plane) {
    for _ in 0..limits::USAGE_ROLLS_MAX {
        match plane.roll_calls().await {
            Ok(0) => break,
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(%error, "calls were not summed up");
                break;
            }
        }
    }
}

/// Forgets usage that is older than it is kept for, for as long as the server runs.
pub(super) async fn sweep(plane: Arc<Plane>) {
    let mut every = interval(limits::USAGE_SWEEP_EVERY);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        // In parts, so that no writer waits long.
        loop {
            match plane.sweep_usage().await {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(%error, "usage was not swept");
                    break;
                }
            }
        }
    }
}
