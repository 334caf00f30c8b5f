//! What nodes share of limits: uses that are held ready and nobody spends, and the server where rates are
//! counted together.

use std::sync::Arc;
use std::time::Duration;
use tenantry_backends::redis::RedisMeters;
use tenantry_core::Plane;
use tenantry_core::limits;

/// How soon a server that does not answer is asked for its settings again.
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(10);

/// Gives uses back that nobody spends, for as long as the server runs.
pub(super) async fn give_uses_back(plane: Arc<Plane>) {
    let mut every = tokio::time::interval(limits::USES_IDLE_AFTER / 2);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        if let Err(error) = plane.give_uses_back(false).await {
            tracing::warn!(%error, "uses that were drawn and not spent are lost");
        }
    }
}

/// Gives back what is left, before the server ends.
pub(super) async fn give_all_uses_back(plane: &Plane) {
    if let Err(error) = plane.give_uses_back(true).await {
        tracing::warn!(%error, "uses that were drawn and not spent are lost");
    }
}

/// Warns of settings with which the shared rate limits would forget what they count.
pub(super) async fn check_meters(meters: Arc<RedisMeters>) {
    let mut told = false;
    loop {
        match meters.check_settings().await {
            Ok(None) => return,
            Ok(Some(problem)) => {
                tracing::warn!(alarm = "shared_rates_settings", problem, "the shared rate limits");
                return;
            }
            Err(error) if !told => {
                tracing::warn!(%error, "the shared rate limits do not answer; each node holds its share");
                told = true;
            }
            Err(_) => {}
        }
        tokio::time::sleep(ASK_AGAIN_AFTER).await;
    }
}
