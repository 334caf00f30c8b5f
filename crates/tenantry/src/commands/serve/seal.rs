//! The task that seals the audit trail.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tenantry_core::Plane;
use tenantry_core::audit::Sealer;
use tenantry_core::audit::sealer::Left;
use tenantry_core::limits;
use tokio::time::{MissedTickBehavior, interval, timeout};

/// How long sealing the end of the audit trail may hold up a stop.
const DEADLINE: Duration = Duration::from_secs(5);

/// Seals the audit trail for as long as the server runs, and what is left when it stops.
pub(super) async fn run(plane: Arc<Plane>, mut sealer: Sealer, ended: impl Future<Output = ()>) {
    let mut every = interval(limits::AUDIT_SEAL_EVERY);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut ended = pin!(ended);
    let mut failing = false;
    loop {
        tokio::select! { _ = every.tick() => {}, () = &mut ended => break }
        match plane.seal_audit_events(&mut sealer).await {
            Ok(left) => {
                failing = false;
                if left == Left::More {
                    every.reset_immediately();
                }
            }
            // Told once: the next attempts follow in moments.
            Err(_) if failing => {}
            Err(error) => {
                failing = true;
                tracing::error!(alarm = "audit_sealing", %error, "the audit trail is not sealed");
            }
        }
    }
    // What is not sealed by then is by the next start.
    let finish = plane.finish_sealing(&mut sealer);
    match timeout(DEADLINE, finish).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%error, "the end of the audit trail is not sealed yet"),
        Err(_) => tracing::warn!("the end of the audit trail is not sealed yet"),
    }
}
