//! Signing keys are made in time, and what ends tokens is forgotten in time.

use std::sync::Arc;
use tenantry_core::Plane;
use tenantry_core::limits;

/// Looks after both now and then, for as long as the server runs.
pub(super) async fn keep(plane: Arc<Plane>) {
    let mut every = tokio::time::interval(limits::TOKEN_SWEEP_EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        if let Err(error) = plane.keep_signing_keys().await {
            tracing::warn!(%error, "the signing keys could not be looked after");
        }
        // In parts, so that no writer waits long.
        loop {
            match plane.sweep_tokens().await {
                Ok(rows) if rows >= limits::TOKEN_SWEEP_MAX.into() => {}
                Ok(_) => break,
                Err(error) => {
                    tracing::warn!(%error, "revoked tokens were not swept");
                    break;
                }
            }
        }
    }
}
