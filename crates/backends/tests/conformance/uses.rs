//! `UsesStore`.

use crate::backend::Backend;
use crate::support::Draw as Records;
use std::sync::Arc;
use std::time::Duration;
use tenantry_core::clock::Timestamp;
use tenantry_core::ids::{AccountId, CredentialId};
use tenantry_core::store::Store;
use tenantry_core::uses::{Draw, Drawn, Refill, Unspent, Uses};
use tokio::task::JoinSet;

struct World {
    store: Arc<dyn Store>,
    lineage: CredentialId,
    root: AccountId,
}

impl World {
    fn new(backend: &dyn Backend) -> Self {
        let records = Records::new();
        let at = Timestamp::from_seconds(1_700_000_000);
        let lineage = CredentialId::generate(&records.rng, at);
        let root = AccountId::generate(&records.rng, at);
        Self { store: backend.store(), lineage, root }
    }

    fn draw(&self, uses: Uses, wanted: u64) -> Draw {
        Draw { lineage: self.lineage, root: self.root, uses, wanted, parts: 4, most: 10 }
    }

    async fn drawn(&self, uses: Uses, wanted: u64) -> Option<Drawn> {
        self.store.draw_uses(&self.draw(uses, wanted)).await.expect("an answer")
    }

    async fn give_back(&self, uses: &Uses, drawn: &Drawn, unspent: u64) {
        let (lineage, granted_at) = (self.lineage, uses.granted_at());
        let unspent = Unspent { lineage, granted_at, began_at: drawn.began_at, unspent };
        self.store.return_uses(&[unspent]).await.expect("given back");
    }
}

fn uses(limit: i64, refill: Option<i64>, granted_at: i64) -> Uses {
    let refill = refill.map(|seconds| Refill::from_seconds(seconds).expect("a period"));
    Uses::new(limit, refill, Timestamp::from_seconds(granted_at)).expect("uses")
}

pub(crate) async fn uses_are_drawn_in_parts_until_none_are_left(backend: &dyn Backend) {
    let world = World::new(backend);
    let thirty = uses(30, None, 1);
    let mut rest = 30;
    for (wanted, expected) in [(1, 7), (1, 5), (9, 9), (1, 2), (20, 7), (1, 0)] {
        let drawn = world.drawn(thirty, wanted).await.expect("the same grant");
        rest -= expected;
        assert_eq!((drawn.drawn, drawn.rest, drawn.ends_after), (expected, rest, None));
    }
}

pub(crate) async fn uses_that_are_given_back_are_drawn_again(backend: &dyn Backend) {
    let world = World::new(backend);
    let ten = uses(10, Some(3600), 1);
    let drawn = world.drawn(ten, 10).await.expect("the same grant");
    assert_eq!(drawn.drawn, 10);
    let left = drawn.ends_after.expect("a period");
    assert!(left <= Duration::from_hours(1) && left > Duration::from_mins(50), "{left:?}");
    world.give_back(&ten, &drawn, 4).await;
    let again = world.drawn(ten, 9).await.expect("the same grant");
    assert_eq!((again.drawn, again.began_at), (4, drawn.began_at));
    // Of another period, or of another grant, nothing is taken back.
    let began_at = drawn.began_at.minus(Duration::from_hours(1));
    world.give_back(&ten, &Drawn { began_at, ..drawn }, 4).await;
    world.give_back(&uses(10, Some(3600), 2), &drawn, 4).await;
    assert_eq!(world.drawn(ten, 9).await.map(|drawn| drawn.drawn), Some(0));
    world.give_back(&ten, &drawn, 400).await;
    assert_eq!(world.drawn(ten, 99).await.map(|drawn| drawn.drawn), Some(10), "no more than all");
}

pub(crate) async fn uses_of_a_later_grant_are_drawn_anew(backend: &dyn Backend) {
    let world = World::new(backend);
    let (first, second) = (uses(10, None, 1), uses(5, None, 2));
    assert_eq!(world.drawn(first, 10).await.map(|drawn| drawn.drawn), Some(10));
    let drawn = world.drawn(second, 3).await.expect("a later grant");
    assert_eq!((drawn.drawn, drawn.rest), (3, 2));
    assert_eq!(world.drawn(first, 1).await, None, "the grant before is over");
    assert_eq!(world.drawn(second, 9).await.map(|drawn| drawn.drawn), Some(2));
}

pub(crate) async fn fifty_who_draw_at_once_draw_all_uses_and_no_more(backend: &dyn Backend) {
    let world = World::new(backend);
    let many = uses(1000, Some(3600), 1);
    let mut drawing = JoinSet::new();
    for _ in 0..50 {
        let (store, draw) = (world.store.clone(), world.draw(many, 3));
        drawing.spawn(async move {
            let mut total = 0;
            loop {
                let drawn = store.draw_uses(&draw).await.expect("an answer").expect("one grant");
                if drawn.drawn == 0 {
                    return total;
                }
                total += drawn.drawn;
            }
        });
    }
    assert_eq!(drawing.join_all().await.iter().sum::<u64>(), 1000);
}
