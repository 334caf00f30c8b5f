//! Leases and the time of day: a clock that is set, ahead or back (fault F24).

use crate::options;
use crate::support::{Draw, NOW};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tenantry_backends::sqlite::{SqliteOptions, SqliteStore};
use tenantry_core::accounts::Account;
use tenantry_core::clock::ManualClock;
use tenantry_core::ids::LeaseId;
use tenantry_core::leases::{Acquired, InUse, LeaseTtl, NewLease};
use tenantry_core::store::LeaseStore as _;

const AN_HOUR: i64 = 3600;
const TTL: Duration = Duration::from_mins(1);

fn open(directory: &Path, clock: &Arc<ManualClock>) -> SqliteStore {
    let options = SqliteOptions { clock: clock.clone(), ..options(directory) };
    SqliteStore::open(&options).expect("a store")
}

async fn take(store: &SqliteStore, draw: &Draw, account: &Account) {
    let place = (account.id, account.version);
    let new = NewLease {
        id: LeaseId::draw(&draw.secrets, &draw.rng, NOW, account.id),
        account: place,
        root: place,
        ttl: LeaseTtl::from_stored(TTL).expect("within the range"),
        request_id: None,
        reference: None,
        caps: InUse { own: 1, tree: 1 },
    };
    let taken = store.acquire_lease(&new).await.expect("an answer");
    assert!(matches!(taken, Acquired::New(..)), "{taken:?}");
}

/// Fails with `lease_clock` opened without the row that it keeps: an hour ahead, the restarted store
/// then gives the slot away twice; an hour back, it holds it for an hour.
#[tokio::test]
async fn setting_the_time_of_day_neither_frees_nor_holds_a_slot() {
    for set_ahead in [AN_HOUR, -AN_HOUR] {
        let directory = tempfile::tempdir().expect("a directory");
        let (clock, draw) = (Arc::new(ManualClock::at(NOW)), Draw::new());
        let mut store = open(directory.path(), &clock);
        let account = draw.organization(&store).await.account;
        take(&store, &draw, &account).await;
        clock.set_ahead(set_ahead);
        for restarted in [false, true] {
            if restarted {
                drop(store);
                store = open(directory.path(), &clock);
            }
            let held = store.count_leases(account.id, account.id).await.expect("a count");
            assert_eq!(held.own, 1, "set by {set_ahead} s, restarted: {restarted}");
        }
        clock.advance(TTL);
        let held = store.count_leases(account.id, account.id).await.expect("a count");
        assert_eq!(held.own, 0, "set by {set_ahead} s");
        take(&store, &draw, &account).await;
    }
}
