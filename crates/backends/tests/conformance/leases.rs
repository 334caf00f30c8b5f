//! `LeaseStore`.

use crate::backend::Backend;
use crate::support::{Draw, NOW, name};
use crate::versions::suspended;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tenantry_core::accounts::Account;
use tenantry_core::error::{Conflict, Error, Kind, Result};
use tenantry_core::ids::LeaseId;
use tenantry_core::leases::{
    Acquired, Amount, CallRecord, Costs, InUse, Lease, LeaseRequestId, LeaseTtl, NewLease, Released,
};
use tenantry_core::store::Store;
use tenantry_core::text::Line;
use tokio::task::JoinSet;

/// Shared by the accounts of these tests: more than any cap below.
const AMPLE: InUse = InUse { own: 1000, tree: 1000 };
const A_WHILE: Duration = Duration::from_secs(20);
/// Well before the end, where the store's clock runs on meanwhile.
const HALF_OF_IT: Duration = Duration::from_secs(10);
const A_MICROSECOND: Duration = Duration::from_micros(1);

/// A store with an organization and two of its sub-accounts.
struct World<'a> {
    backend: &'a dyn Backend,
    store: Arc<dyn Store>,
    draw: Draw,
    root: Account,
    own: Account,
    sibling: Account,
}

impl<'a> World<'a> {
    async fn new(backend: &'a dyn Backend) -> Self {
        let (store, draw) = (backend.store(), Draw::new());
        let root = draw.organization(&*store).await.account;
        let (own, _) = draw.stored_sub_account(&*store, root.id).await;
        let (sibling, _) = draw.stored_sub_account(&*store, root.id).await;
        Self { backend, store, draw, root, own, sibling }
    }

    /// A lease of `account` for 20 seconds.
    fn new_lease(&self, account: &Account, caps: InUse) -> NewLease {
        NewLease {
            id: LeaseId::draw(&self.draw.secrets, &self.draw.rng, NOW, account.id),
            account: (account.id, account.version),
            root: (self.root.id, self.root.version),
            ttl: LeaseTtl::from_stored(A_WHILE).expect("within the range"),
            request_id: None,
            reference: None,
            caps,
        }
    }

    async fn acquire(&self, account: &Account, caps: InUse) -> Result<Acquired> {
        self.store.acquire_lease(&self.new_lease(account, caps)).await
    }

    async fn taken(&self, account: &Account) -> Lease {
        match self.acquire(account, AMPLE).await.expect("an answer") {
            Acquired::New(lease, _) => lease,
            other => panic!("{other:?}"),
        }
    }

    async fn in_use(&self, account: &Account) -> InUse {
        self.store.count_leases(self.root.id, account.id).await.expect("a count")
    }
}

pub(crate) async fn a_lease_reads_back(backend: &dyn Backend) {
    let world = World::new(backend).await;
    let new = world.new_lease(&world.own, AMPLE);
    let Acquired::New(lease, in_use) = world.store.acquire_lease(&new).await.expect("taken") else {
        panic!("nothing was in use");
    };
    assert_eq!(in_use, InUse { own: 1, tree: 1 });
    assert_eq!((lease.id, lease.root, lease.account), (new.id, world.root.id, world.own.id));
    assert_eq!((lease.fence, lease.ttl, lease.released_at), (1, new.ttl, None));
    assert_eq!(lease.expires_at, lease.acquired_at.plus(A_WHILE));
    let other = world.draw.organization(&*world.store).await.account.id;
    for (tree, there) in [(None, true), (Some(world.root.id), true), (Some(other), false)] {
        let found = world.store.find_lease(tree, lease.id).await.expect("a read");
        assert_eq!(found, there.then(|| lease.clone()), "{tree:?}");
    }
    let again = world.store.acquire_lease(&new).await;
    assert!(matches!(again, Err(Error::Conflict(Conflict::Taken))), "{again:?}");
    assert_eq!(world.in_use(&world.own).await, InUse { own: 1, tree: 1 });
}

pub(crate) async fn a_holder_is_found_with_the_account_above_it(backend: &dyn Backend) {
    let world = World::new(backend).await;
    let other = world.draw.organization(&*world.store).await.account.id;
    let (root, own) = (&world.root, &world.own);
    for (tree, account, parent) in [
        (None, own, Some(root)),
        (Some(root.id), own, Some(root)),
        (None, root, None),
        (Some(root.id), root, None),
    ] {
        let found = world.store.find_holder(tree, account.id).await.expect("a read");
        let found = found.expect("the account");
        assert_eq!(&found.account.open(&world.draw.secrets).expect("its seal"), account);
        let above = found.parent.map(|row| row.open(&world.draw.secrets).expect("its seal"));
        assert_eq!(above.as_ref(), parent);
    }
    for (tree, id) in [(Some(other), own.id), (Some(other), root.id), (Some(own.id), own.id)] {
        assert!(world.store.find_holder(tree, id).await.expect("a read").is_none());
    }
}

pub(crate) async fn both_caps_hold_at_once(backend: &dyn Backend) {
    let world = World::new(backend).await;
    let caps = InUse { own: 2, tree: 3 };
    for own in 1..=2 {
        let outcome = world.acquire(&world.own, caps).await.expect("an answer");
        assert!(matches!(outcome, Acquired::New(_, in_use) if in_use == InUse { own, tree: own }));
    }
    let full = world.acquire(&world.own, caps).await.expect("an answer");
    assert_eq!(full, Acquired::Full(InUse { own: 2, tree: 2 }));
    let outcome = world.acquire(&world.sibling, caps).await.expect("an answer");
    assert!(matches!(outcome, Acquired::New(_, InUse { own: 1, tree: 3 })));
    let full = world.acquire(&world.sibling, caps).await.expect("an answer");
    assert_eq!(full, Acquired::Full(InUse { own: 1, tree: 3 }));
    // A root account's own calls are its tree's.
    let full = world.acquire(&world.root, InUse { own: 3, tree: 3 }).await.expect("an answer");
    assert_eq!(full, Acquired::Full(InUse { own: 3, tree: 3 }));
    // Another organization's are nobody else's.
    let other = world.draw.organization(&*world.store).await.account;
    let counted = world.store.count_leases(other.id, other.id).await.expect("a count");
    assert_eq!(counted, InUse::default());
}

pub(crate) async fn what_has_ended_holds_nothing(backend: &dyn Backend) {
    let world = World::new(backend).await;
    let (first, second) = (world.taken(&world.own).await, world.taken(&world.own).await);
    assert_eq!(world.in_use(&world.own).await, InUse { own: 2, tree: 2 });
    world.store.release_lease(world.root.id, first.id, None).await.expect("given back");
    assert_eq!(world.in_use(&world.own).await, InUse { own: 1, tree: 1 });
    world.backend.pass(HALF_OF_IT);
    assert_eq!(world.in_use(&world.own).await, InUse { own: 1, tree: 1 });
    world.backend.pass(HALF_OF_IT);
    assert_eq!(world.in_use(&world.own).await, InUse::default());
    let one = InUse { own: 1, tree: 1 };
    let outcome = world.acquire(&world.own, one).await.expect("an answer");
    let Acquired::New(lease, _) = outcome else { panic!("the slot is free") };
    assert!(lease.fence > second.fence && second.fence > first.fence, "fences grow");
}

pub(crate) async fn a_renewed_lease_lasts_from_then_on(backend: &dyn Backend) {
    let world = World::new(backend).await;
    let lease = world.taken(&world.own).await;
    let renew = async |id, ttl: u64| {
        let ttl = LeaseTtl::from_stored(Duration::from_secs(ttl)).expect("within the range");
        world.store.renew_lease(world.root.id, id, ttl).await.expect("an answer")
    };
    world.backend.pass(HALF_OF_IT);
    let renewed = renew(lease.id, 30).await.expect("it holds");
    assert_eq!((renewed.id, renewed.fence), (lease.id, lease.fence));
    assert_eq!(renewed.ttl.get(), Duration::from_secs(30));
    world.backend.pass(Duration::from_secs(20));
    assert_eq!(world.in_use(&world.own).await.own, 1);
    world.backend.pass(HALF_OF_IT);
    assert_eq!(renew(lease.id, 30).await, None, "it has expired");
    assert_eq!(world.in_use(&world.own).await.own, 0);
    let lease = world.taken(&world.own).await;
    world.store.release_lease(world.root.id, lease.id, None).await.expect("given back");
    assert_eq!(renew(lease.id, 30).await, None, "it was given back");
    // Not by somebody else's tree.
    let lease = world.taken(&world.own).await;
    let renewed = world.store.renew_lease(world.own.id, lease.id, lease.ttl).await;
    assert_eq!(renewed.expect("an answer"), None);
}

pub(crate) async fn a_lease_is_given_back_once(backend: &dyn Backend) {
    let world = World::new(backend).await;
    let (store, root) = (&world.store, world.root.id);
    let lease = world.taken(&world.own).await;
    let first = store.release_lease(root, lease.id, None).await.expect("given back");
    assert!(matches!(first, Released::At(at) if at >= lease.acquired_at), "{first:?}");
    assert_eq!(store.release_lease(root, lease.id, None).await.expect("a no-op"), first);
    world.backend.pass(A_WHILE * 2);
    let again = store.release_lease(root, lease.id, None).await.expect("a no-op");
    assert!(matches!(again, Released::At(_)), "{again:?}");
    let lease = world.taken(&world.own).await;
    for (tree, id) in [(world.own.id, lease.id), (root, LeaseId::from_bytes([0; 16]))] {
        let unknown = store.release_lease(tree, id, None).await;
        assert!(matches!(unknown, Err(Error::NotFound(Kind::Lease))), "{unknown:?}");
    }
    assert_eq!(world.in_use(&world.own).await.own, 1);
    world.backend.pass(A_WHILE);
    let late = store.release_lease(root, lease.id, None).await.expect("an answer");
    assert_eq!(late, Released::Expired);
}

fn record(status: &str) -> CallRecord {
    let cents = |cents| Amount::from_cents(cents).expect("within the range");
    CallRecord {
        status: name(status),
        duration: Some(Duration::from_millis(12_345)),
        costs: Costs {
            platform: cents(2.5),
            telephony: cents(0.000_001),
            synthesizer: BTreeMap::from([("a \"b\"".into(), cents(1.0))]),
            transcriber: BTreeMap::new(),
            llm: BTreeMap::from([("x".into(), cents(1e9)), ("y".into(), cents(0.0))]),
        },
        ended_at: NOW,
    }
}

pub(crate) async fn a_call_is_recorded_once(backend: &dyn Backend) {
    let world = World::new(backend).await;
    let (store, root) = (&world.store, world.root.id);
    let mut new = world.new_lease(&world.own, AMPLE);
    new.reference = Line::parse("call 7").ok();
    store.acquire_lease(&new).await.expect("taken");
    assert_eq!(backend.call_record(new.id), None);
    for status in ["completed", "another"] {
        store.release_lease(root, new.id, Some(&record(status))).await.expect("given back");
    }
    let expected = [
        &world.own.id.to_string(),
        "call 7",
        "completed",
        "12345000",
        "2500000",
        "1",
        r#"{"a \"b\"":1000000}"#,
        "{}",
        r#"{"x":1000000000000000,"y":0}"#,
        &NOW.micros().to_string(),
    ];
    assert_eq!(backend.call_record(new.id), Some(expected.map(str::to_owned).to_vec()));

    // Given back without a record, a lease takes none later: the first release is what counts.
    let lease = world.taken(&world.own).await;
    store.release_lease(root, lease.id, None).await.expect("given back");
    store.release_lease(root, lease.id, Some(&record("late"))).await.expect("a no-op");
    assert_eq!(backend.call_record(lease.id), None);

    // A call that outlived its lease took place all the same.
    let lease = world.taken(&world.own).await;
    backend.pass(A_WHILE);
    for status in ["expired", "again"] {
        let late = store.release_lease(root, lease.id, Some(&record(status))).await;
        assert_eq!(late.expect("an answer"), Released::Expired);
    }
    let kept = backend.call_record(lease.id).expect("the record");
    assert_eq!(kept[2], "expired");
}

pub(crate) async fn the_same_request_has_the_same_lease(backend: &dyn Backend) {
    let world = World::new(backend).await;
    let request = |account: &Account| {
        let mut new = world.new_lease(account, InUse { own: 1, tree: 9 });
        new.request_id = LeaseRequestId::parse("req-1").ok();
        new
    };
    let acquire = async |account| world.store.acquire_lease(&request(account)).await;
    let Acquired::New(lease, _) = acquire(&world.own).await.expect("taken") else {
        panic!("nothing was in use");
    };
    // Also where the cap is reached by that very lease, or was changed meanwhile.
    let mut again = request(&world.own);
    again.account.1 += 7;
    let again = world.store.acquire_lease(&again).await.expect("an answer");
    let in_use = InUse { own: 1, tree: 1 };
    assert_eq!(again, Acquired::Again { lease: lease.clone(), held: true, in_use });
    // Another account's is another request.
    let other = acquire(&world.sibling).await.expect("taken");
    assert!(matches!(other, Acquired::New(other, _) if other.id != lease.id));
    backend.pass(A_WHILE);
    let again = acquire(&world.own).await.expect("an answer");
    let lease = world.store.find_lease(None, lease.id).await.expect("a read").expect("the lease");
    let in_use = InUse::default();
    assert_eq!(again, Acquired::Again { lease, held: false, in_use });
}

pub(crate) async fn caps_of_a_record_that_was_changed_count_for_nothing(backend: &dyn Backend) {
    let world = World::new(backend).await;
    for account in [&world.own, &world.root] {
        let (stale, next) = (world.new_lease(&world.own, AMPLE), suspended(account));
        let (next, commit) = (world.draw.seal(next), world.draw.commit(world.root.id));
        world.store.update_account(&next, commit).await.expect("changed");
        let refused = world.store.acquire_lease(&stale).await;
        assert!(matches!(refused, Err(Error::Conflict(Conflict::Changed))), "{refused:?}");
        let mut fresh = stale;
        if account.id == world.own.id {
            fresh.account.1 += 1;
            let taken = world.store.acquire_lease(&fresh).await.expect("taken");
            assert!(matches!(taken, Acquired::New(..)));
        }
    }
}

pub(crate) async fn of_a_hundred_at_once_one_takes_the_last_slot(backend: &dyn Backend) {
    let world = World::new(backend).await;
    let caps = InUse { own: 3, tree: 9 };
    let others = [world.taken(&world.own).await, world.taken(&world.own).await];
    let mut fences: BTreeSet<u64> = others.iter().map(|lease| lease.fence).collect();
    for round in 0..rounds() {
        // However long it takes, two slots are taken.
        for other in &others {
            let renewed = world.store.renew_lease(world.root.id, other.id, other.ttl).await;
            assert!(renewed.expect("an answer").is_some(), "round {round}");
        }
        let mut acquires = JoinSet::new();
        for _ in 0..100 {
            let (store, new) = (world.store.clone(), world.new_lease(&world.own, caps));
            acquires.spawn(async move { store.acquire_lease(&new).await.expect("an answer") });
        }
        let mut winners = Vec::new();
        for outcome in acquires.join_all().await {
            match outcome {
                Acquired::New(lease, in_use) => {
                    assert_eq!(in_use, InUse { own: 3, tree: 3 });
                    winners.push(lease);
                }
                outcome => assert_eq!(outcome, Acquired::Full(InUse { own: 3, tree: 3 })),
            }
        }
        assert_eq!(winners.len(), 1, "round {round}");
        assert!(fences.last() < Some(&winners[0].fence), "fences grow");
        fences.insert(winners[0].fence);
        world.store.release_lease(world.root.id, winners[0].id, None).await.expect("given back");
    }
}

/// How often a race is run; the long form sets it.
fn rounds() -> u32 {
    let told = std::env::var("TENANTRY_RACE_ROUNDS").ok();
    told.map_or(20, |told| told.parse().expect("a number"))
}

pub(crate) async fn leases_that_ended_long_ago_are_forgotten(backend: &dyn Backend) {
    let world = World::new(backend).await;
    let kept = Duration::from_secs(100);
    let sweep =
        async |below, limit| world.store.sweep_leases(below, kept, limit).await.expect("swept");
    let highest = LeaseId::from_bytes([0xff; 16]);
    let mut leases = Vec::new();
    for _ in 0..3 {
        leases.push(world.taken(&world.own).await);
    }
    world.store.release_lease(world.root.id, leases[0].id, None).await.expect("given back");
    world.backend.pass(A_WHILE + kept.saturating_sub(HALF_OF_IT));
    let held = world.taken(&world.own).await;
    assert_eq!(sweep(highest, 10).await, 0);
    world.backend.pass(HALF_OF_IT + A_MICROSECOND);
    let lowest = leases.iter().map(|lease| lease.id).min().expect("three");
    assert_eq!(sweep(lowest, 10).await, 0, "no lower id");
    assert_eq!(sweep(highest, 2).await, 2);
    assert_eq!(sweep(highest, 2).await, 1);
    assert_eq!(sweep(highest, 2).await, 0);
    for lease in &leases {
        assert_eq!(world.store.find_lease(None, lease.id).await.expect("a read"), None);
    }
    let found = world.store.find_lease(None, held.id).await.expect("a read");
    assert_eq!(found.map(|lease| lease.fence), Some(held.fence));
}

pub(crate) async fn a_cancelled_lease_was_never_taken(backend: &dyn Backend) {
    let world = World::new(backend).await;
    let new = NewLease {
        request_id: Some(LeaseRequestId::parse("a-request").expect("a request id")),
        ..world.new_lease(&world.own, AMPLE)
    };
    let Acquired::New(lease, _) = world.store.acquire_lease(&new).await.expect("taken") else {
        panic!("nothing was in use");
    };
    let elsewhere = world.sibling.id;
    world.store.cancel_lease(elsewhere, lease.id).await.expect("nothing of that tree");
    assert_eq!(world.in_use(&world.own).await.own, 1);
    for _ in 0..2 {
        world.store.cancel_lease(world.root.id, lease.id).await.expect("cancelled");
    }
    assert_eq!(world.in_use(&world.own).await, InUse::default());
    let found = world.store.find_lease(Some(world.root.id), lease.id).await.expect("a read");
    assert_eq!(found, None);
    let again = NewLease { request_id: new.request_id, ..world.new_lease(&world.own, AMPLE) };
    let taken = world.store.acquire_lease(&again).await.expect("an answer");
    assert!(matches!(taken, Acquired::New(..)), "{taken:?}");
    // One that was given back stays as it is.
    let Acquired::New(lease, _) = taken else { return };
    world.store.release_lease(world.root.id, lease.id, None).await.expect("released");
    world.store.cancel_lease(world.root.id, lease.id).await.expect("nothing to cancel");
    let found = world.store.find_lease(Some(world.root.id), lease.id).await.expect("a read");
    assert!(found.is_some_and(|lease| lease.released_at.is_some()));
}
