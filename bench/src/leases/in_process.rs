//! Pairs without HTTP: callers of the plane itself, as a surface is one.

use super::ROOTS;
use crate::{Outcome, clock, prepare};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tenantry::wiring::{self, Missing};
use tenantry_core::Plane;
use tenantry_core::ids::AccountId;
use tenantry_core::leases::{LeaseFor, LeaseTtl, WantedLease};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

/// A plane on an embedded store of its own.
pub(super) struct InProcess {
    plane: Arc<Plane>,
    ids: Arc<[AccountId]>,
    runtime: Runtime,
}

impl InProcess {
    pub(super) fn open(stores: &Path) -> Outcome<Self> {
        let (store, made) = prepare::organizations(&stores.join("in-process"), ROOTS.into())?;
        let plane = wiring::open(&prepare::config(&store.data())?, Missing::Refuse)?.plane;
        let ids =
            made.ids.iter().map(|id| AccountId::parse_any(id).map_err(|_| "an id that is none"));
        let ids = ids.collect::<Result<Vec<_>, _>>()?.into();
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        Ok(Self { plane, ids, runtime })
    }

    /// Pairs per second of so many callers, for the first so many root accounts.
    pub(super) fn pairs(&self, (callers, roots): (usize, u32), time: Duration) -> Outcome<f64> {
        let (pairs, numbers) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let started = clock::now();
        self.runtime.block_on(async {
            let mut calling = JoinSet::new();
            for _ in 0..callers {
                let (plane, ids) = (self.plane.clone(), self.ids.clone());
                let (pairs, numbers) = (pairs.clone(), numbers.clone());
                calling.spawn(async move {
                    let ttl = LeaseTtl::from_seconds(60).map_err(|problem| problem.to_string())?;
                    let wanted = WantedLease { ttl, request_id: None, reference: None };
                    let context = prepare::operator(None);
                    while started.elapsed() < time {
                        let number = numbers.fetch_add(1, Ordering::Relaxed);
                        let drawn = number.wrapping_mul(2_654_435_761) % u64::from(roots);
                        let account = ids[usize::try_from(drawn)?];
                        let of = LeaseFor::Account(account);
                        let granted = plane.acquire_lease(&context, of, &wanted).await?;
                        plane.release_lease(&context, granted.lease.id, None).await?;
                        pairs.fetch_add(1, Ordering::Relaxed);
                    }
                    Outcome::Ok(())
                });
            }
            while let Some(ended) = calling.join_next().await {
                ended??;
            }
            Outcome::Ok(())
        })?;
        let count = u32::try_from(pairs.load(Ordering::Relaxed))?;
        Ok(f64::from(count) / started.elapsed().as_secs_f64())
    }
}
