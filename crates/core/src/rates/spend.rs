//! Which meters a request is asked of: the shared ones while they answer, else the node's own, for its
//! part of each rate.

use super::meters::{Meter, Metered, Meters};
use super::{SharedMeters, Spending};
use crate::ids::AccountId;
use crate::limits;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// The meters of a node.
#[derive(Default)]
pub(crate) struct Metering {
    own: Meters,
    shared: Option<Arc<dyn SharedMeters>>,
    /// Until when the shared ones are not asked, in microseconds of the clock that is never set back.
    rests_until: AtomicU64,
    /// One request at a time tries whether they answer again; the others go on meanwhile.
    failing: AtomicBool,
    failures: AtomicU64,
}

impl Metering {
    pub(crate) fn new(shared: Option<Arc<dyn SharedMeters>>) -> Self {
        Self { shared, ..Self::default() }
    }

    /// How often the shared meters did not answer, and whether they do now; none where there are none.
    pub(crate) fn shared_failures(&self) -> Option<(u64, bool)> {
        let answers = !self.failing.load(Ordering::Relaxed);
        self.shared.as_ref().map(|_| (self.failures.load(Ordering::Relaxed), answers))
    }

    /// Asks all windows about a request of `root`'s tree, as [`super::meters::Meters::spend`] says;
    /// `nodes` share what no place counts for all.
    pub(crate) async fn spend(
        &self,
        root: AccountId,
        meters: &[Meter],
        asked: (Spending, u32),
        (now, nodes): (Duration, u32),
    ) -> Option<Vec<Metered>> {
        if let Some(shared) = &self.shared
            && self.is_to_be_asked(now)
        {
            let (spending, cost) = asked;
            match shared.spend(root, meters, spending, cost).await {
                Ok(metered) => {
                    if self.failing.swap(false, Ordering::SeqCst) {
                        tracing::info!("the shared rate limits answer again");
                    }
                    return Some(metered);
                }
                Err(error) => self.note_failure(now, &error),
            }
        }
        self.own.spend(root, meters, asked, (now, nodes))
    }

    /// While they fail, once in [`limits::SHARED_METERS_RETRY_EVERY`].
    fn is_to_be_asked(&self, now: Duration) -> bool {
        if !self.failing.load(Ordering::SeqCst) {
            return true;
        }
        let micros = micros(now);
        let until = self.rests_until.load(Ordering::SeqCst);
        let next = micros.saturating_add(super::spend::micros(limits::SHARED_METERS_RETRY_EVERY));
        let swap = || {
            let order = Ordering::SeqCst;
            self.rests_until.compare_exchange(until, next, order, order)
        };
        micros >= until && swap().is_ok()
    }

    fn note_failure(&self, now: Duration, error: &crate::Error) {
        self.failures.fetch_add(1, Ordering::Relaxed);
        let until = now.saturating_add(limits::SHARED_METERS_RETRY_EVERY);
        self.rests_until.fetch_max(micros(until), Ordering::SeqCst);
        if !self.failing.swap(true, Ordering::SeqCst) {
            let cause = std::error::Error::source(error).map(ToString::to_string);
            tracing::error!(
                alarm = "shared_rates_unavailable",
                cause = cause.unwrap_or_default(),
                "the shared rate limits do not answer: each node holds its part of every rate"
            );
        }
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Error, Result};
    use crate::ids::CredentialId;
    use crate::rates::{MeterOf, Rate};
    use async_trait::async_trait;

    /// Answers while it is told to, and counts how often it was asked.
    #[derive(Default)]
    struct Shared {
        answers: AtomicBool,
        asked: AtomicU64,
    }

    #[async_trait]
    impl SharedMeters for Shared {
        async fn spend(
            &self,
            _: AccountId,
            _: &[Meter],
            _: Spending,
            _: u32,
        ) -> Result<Vec<Metered>> {
            self.asked.fetch_add(1, Ordering::SeqCst);
            if self.answers.load(Ordering::SeqCst) {
                Ok(Vec::new())
            } else {
                Err(Error::unavailable("down"))
            }
        }
    }

    #[tokio::test]
    async fn while_the_shared_meters_fail_the_node_holds_its_part_and_tries_once_a_second() {
        let shared = Arc::new(Shared::default());
        let metering = Metering::new(Some(shared.clone()));
        let root = AccountId::from_bytes([1; 16]);
        let of = MeterOf::Key(CredentialId::from_bytes([2; 16]));
        let meter = Meter { of, rate: Rate::new(10, 60).expect("a rate") };
        let at = |millis: u64| Duration::from_secs(100) + Duration::from_millis(millis);
        let spend = async |now| {
            metering.spend(root, &[meter], (Spending::Spend, 1), (now, 2)).await.expect("room")
        };
        for millis in 0..900 {
            let remaining = spend(at(millis)).await[0].outcome.remaining;
            assert_eq!(remaining, 4_u32.saturating_sub(u32::try_from(millis).expect("few")));
        }
        assert_eq!(shared.asked.load(Ordering::SeqCst), 1);
        assert_eq!(metering.shared_failures(), Some((1, false)));
        spend(at(1000)).await;
        assert_eq!(shared.asked.load(Ordering::SeqCst), 2);
        shared.answers.store(true, Ordering::SeqCst);
        assert!(!spend(at(1500)).await.is_empty(), "it is not asked yet");
        assert!(spend(at(2000)).await.is_empty(), "it answers again");
        assert!(spend(at(2001)).await.is_empty());
        assert_eq!(metering.shared_failures(), Some((2, true)));
    }
}
