//! `UsageStore`: what is added, rolled and forgotten. `usage_sums` has what is asked of it.

use crate::backend::Backend;
use crate::support::{Draw, NOW, name};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tenantry_core::accounts::Account;
use tenantry_core::clock::Timestamp;
use tenantry_core::error::{Conflict, Error, Result};
use tenantry_core::ids::{AccountId, CredentialId, LeaseId};
use tenantry_core::leads::NodeId;
use tenantry_core::leases::{Acquired, CallRecord, Costs, InUse, LeaseTtl, NewLease};
use tenantry_core::store::Store;
use tenantry_core::usage::{
    Counted, Grain, Group, GroupBy, Measure, Span, SumQuery, UnrolledCall, UsageBatch, UsageEnds,
    UsageOf, UsageRow, UsageSum, Whose, rows_of,
};
use tokio::task::JoinSet;

pub(crate) const HOUR: Duration = Duration::from_hours(1);
pub(crate) const DAY: Duration = Duration::from_hours(24);
/// A midnight.
pub(crate) const START: Timestamp = Timestamp::from_seconds(1_700_006_400);
const NODE: NodeId = NodeId::from_bytes([7; 16]);

/// A store with an organization and two of its sub-accounts.
pub(crate) struct World {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) draw: Draw,
    pub(crate) root: Account,
    pub(crate) own: Account,
    pub(crate) sibling: Account,
}

impl World {
    pub(crate) async fn new(backend: &dyn Backend) -> Self {
        Self::seeded(backend, 1).await
    }

    /// Another one in the same store.
    pub(crate) async fn seeded(backend: &dyn Backend, seed: u64) -> Self {
        let (store, draw) = (backend.store(), Draw::seeded(seed));
        let root = draw.organization(&*store).await.account;
        let (own, _) = draw.stored_sub_account(&*store, root.id).await;
        let (sibling, _) = draw.stored_sub_account(&*store, root.id).await;
        Self { store, draw, root, own, sibling }
    }

    /// Leaves the record of a call of `account`.
    pub(crate) async fn call(&self, account: &Account, record: &CallRecord) -> LeaseId {
        let ample = InUse { own: 10_000, tree: 10_000 };
        let new = NewLease {
            id: LeaseId::draw(&self.draw.secrets, &self.draw.rng, NOW, account.id),
            account: (account.id, account.version),
            root: (self.root.id, self.root.version),
            ttl: LeaseTtl::from_seconds(3_600).expect("within the range"),
            request_id: None,
            reference: None,
            caps: ample,
        };
        let taken = self.store.acquire_lease(&new).await.expect("an answer");
        assert!(matches!(taken, Acquired::New(..)), "{taken:?}");
        let released = self.store.release_lease(self.root.id, new.id, Some(record)).await;
        released.expect("given back");
        new.id
    }

    /// Adds what verifications of a credential of an account come to.
    pub(crate) async fn verified(&self, batch: u64, rows: Vec<UsageRow>) -> Result<()> {
        self.store.add_usage(&sent(NODE, batch, rows)).await
    }

    pub(crate) fn valid(&self, account: AccountId, key: u8, at: Timestamp) -> UsageOf {
        UsageOf {
            root: self.root.id,
            account,
            hour: at,
            key: Some(CredentialId::from_bytes([key; 16])),
            measure: Measure::Verifications,
            name: "VALID".into(),
        }
    }

    /// Rolls everything, in parts.
    pub(crate) async fn roll(&self) -> usize {
        let mut rolled = 0;
        loop {
            let calls = self.unrolled(7).await;
            if calls.is_empty() {
                return rolled;
            }
            rolled += calls.len();
            let ids: Vec<_> = calls.iter().map(|call| call.lease).collect();
            self.store.roll_calls(&ids, &rows_of(&calls)).await.expect("rolled");
        }
    }

    async fn unrolled(&self, limit: u32) -> Vec<UnrolledCall> {
        let calls = self.store.list_unrolled_calls(limit).await.expect("a list");
        calls.into_iter().map(|call| call.expect("a call")).collect()
    }

    /// All sums of the tree, by hours or by days.
    pub(crate) async fn sums(&self, grain: Grain, by: GroupBy) -> Vec<UsageSum> {
        let counted = if by == GroupBy::Key { Counted::Verifications } else { Counted::All };
        let query = SumQuery {
            root: self.root.id,
            whose: Whose::Tree,
            span: hours(START, 24 * 30),
            grain,
            counted,
            by,
            after: None,
            limit: 1_000,
        };
        self.store.sum_usage(&query).await.expect("sums")
    }

    /// The same as hour or day, name and amount.
    async fn numbers(&self, grain: Grain) -> Vec<(i64, String, u64)> {
        let by = if grain == Grain::Days { GroupBy::Day } else { GroupBy::Hour };
        let sums = self.sums(grain, by).await.into_iter();
        sums.map(|sum| match sum.group {
            Group::Hour(at) | Group::Day(at) => {
                let passed = at.seconds() - START.seconds();
                (passed / 3_600, sum.name.into(), sum.amount)
            }
            group => panic!("{group:?}"),
        })
        .collect()
    }
}

/// So many whole hours.
pub(crate) fn hours(from: Timestamp, count: u32) -> Span {
    let asked =
        tenantry_core::usage::AskedPeriod { from: Some(from), to: Some(from.plus(HOUR * count)) };
    asked.in_hours(from).expect("a span")
}

pub(crate) fn sent(node: NodeId, number: u64, rows: Vec<UsageRow>) -> UsageBatch {
    UsageBatch { node, number, at: NOW, rows: rows.into() }
}

/// The record of a call that cost nothing and took a second.
pub(crate) fn record(status: &str, ended_at: Timestamp) -> CallRecord {
    let duration = Some(Duration::from_secs(1));
    CallRecord { status: name(status), duration, costs: Costs::default(), ended_at }
}

fn is_changed(outcome: &Result<()>) -> bool {
    matches!(outcome, Err(Error::Conflict(Conflict::Changed)))
}

pub(crate) async fn a_batch_is_added_once_whatever_it_is_sent_again(backend: &dyn Backend) {
    let world = World::new(backend).await;
    let own = world.own.id;
    let (first, second) = (START.plus(HOUR), START.plus(HOUR * 2));
    let rows = vec![(world.valid(own, 1, first), 3), (world.valid(own, 1, second), 4)];
    for _ in 0..3 {
        world.verified(1, rows.clone()).await.expect("added, or there");
    }
    let valid = |hour, amount| (hour, "VALID".to_owned(), amount);
    assert_eq!(world.numbers(Grain::Hours).await, [valid(1, 3), valid(2, 4)]);
    assert_eq!(world.numbers(Grain::Days).await, [valid(0, 7)]);
    for _ in 0..2 {
        let next = vec![(world.valid(own, 1, second), 5)];
        world.verified(2, next).await.expect("added, or there");
    }
    // Another node counts by itself.
    let other = sent(NodeId::from_bytes([8; 16]), 1, vec![(world.valid(own, 1, second), 6)]);
    world.store.add_usage(&other).await.expect("added");
    assert_eq!(world.numbers(Grain::Hours).await, [valid(1, 3), valid(2, 15)]);
    assert_eq!(world.numbers(Grain::Days).await, [valid(0, 18)]);
    // An empty one moves the number on.
    world.verified(3, Vec::new()).await.expect("noted");
    world.verified(4, vec![(world.valid(own, 1, first), 1)]).await.expect("added");
    assert_eq!(world.numbers(Grain::Days).await, [valid(0, 19)]);
}

pub(crate) async fn a_batch_that_another_one_should_come_before_is_refused(backend: &dyn Backend) {
    let world = World::new(backend).await;
    let row = || vec![(world.valid(world.own.id, 1, START), 1)];
    assert!(is_changed(&world.verified(2, row()).await), "nobody knows the node");
    world.verified(1, row()).await.expect("added");
    assert!(is_changed(&world.verified(3, row()).await));
    world.verified(2, row()).await.expect("added");
    assert!(is_changed(&world.verified(1, row()).await), "it is not the last");
    assert_eq!(world.numbers(Grain::Days).await, [(0, "VALID".to_owned(), 2)]);
    assert_eq!(world.numbers(Grain::Hours).await, [(0, "VALID".to_owned(), 2)]);
}

pub(crate) async fn of_many_sendings_at_once_one_is_added(backend: &dyn Backend) {
    let world = World::new(backend).await;
    for number in 1..=5 {
        let mut sendings = JoinSet::new();
        for _ in 0..20 {
            let rows = vec![(world.valid(world.own.id, 1, START), 1)];
            let (store, batch) = (world.store.clone(), sent(NODE, number, rows));
            sendings.spawn(async move { store.add_usage(&batch).await });
        }
        for outcome in sendings.join_all().await {
            outcome.expect("added, or there");
        }
        assert_eq!(world.numbers(Grain::Days).await, [(0, "VALID".to_owned(), number)]);
    }
}

pub(crate) async fn sums_stop_at_the_largest_number(backend: &dyn Backend) {
    let world = World::new(backend).await;
    let max = i64::MAX.unsigned_abs();
    for (number, amount) in [(1, 5), (2, u64::MAX), (3, max), (4, 1)] {
        let of = |hour| world.valid(world.own.id, 1, START.plus(HOUR * hour));
        world.verified(number, vec![(of(0), amount), (of(1), amount)]).await.expect("added");
    }
    // Where several are summed up the largest number is a larger one.
    let valid = |hour, amount| (hour, "VALID".to_owned(), amount);
    assert_eq!(world.numbers(Grain::Days).await, [valid(0, max)]);
    assert_eq!(world.numbers(Grain::Hours).await, [valid(0, max), valid(1, max)]);
    let by_account = world.sums(Grain::Hours, GroupBy::Account).await;
    assert_eq!(by_account[0].amount, 2 * max);
}

pub(crate) async fn a_call_is_rolled_once_and_with_all_others_or_not_at_all(backend: &dyn Backend) {
    let world = World::new(backend).await;
    let costs = Costs {
        platform: tenantry_core::leases::Amount::from_millionths(2_500_000),
        llm: BTreeMap::from([
            ("a \"b\"".into(), tenantry_core::leases::Amount::from_millionths(7)),
            ("c".into(), tenantry_core::leases::Amount::default()),
        ]),
        ..Costs::default()
    };
    let full = CallRecord { costs, ..record("completed", START.plus(HOUR)) };
    let short = CallRecord { duration: None, ..record("failed", START) };
    let first = world.call(&world.own, &full).await;
    let second = world.call(&world.sibling, &short).await;
    let mut listed = world.unrolled(10).await;
    listed.sort_by_key(|call| call.record.status.as_str().to_owned());
    let root = world.root.id;
    let expected = [
        UnrolledCall { lease: first, root, account: world.own.id, record: full },
        UnrolledCall { lease: second, root, account: world.sibling.id, record: short },
    ];
    assert_eq!(listed, expected);
    assert_eq!(world.unrolled(1).await.len(), 1);
    let before = world.sums(Grain::Hours, GroupBy::Account).await;
    let rows = rows_of(&listed);
    let nobody = LeaseId::from_bytes([3; 16]);
    for ids in [&[first, nobody][..], &[nobody], &[first, second, nobody]] {
        assert!(is_changed(&world.store.roll_calls(ids, &rows).await), "{ids:?}");
    }
    assert_eq!(world.unrolled(10).await.len(), 2);
    world.store.roll_calls(&[first, second], &rows).await.expect("rolled");
    for ids in [&[first][..], &[second, first]] {
        assert!(is_changed(&world.store.roll_calls(ids, &rows).await), "{ids:?}");
    }
    assert_eq!(world.unrolled(10).await, []);
    assert_eq!(world.sums(Grain::Hours, GroupBy::Account).await, before);
    let days: Vec<_> = world.numbers(Grain::Days).await;
    let day = |name: &str, amount| (0, name.to_owned(), amount);
    let expected = [
        day("completed", 1),
        day("failed", 1),
        day("", 1_000_000),
        day("a \"b\"", 7),
        day("", 2_500_000),
    ];
    assert_eq!(days, expected);
}

pub(crate) async fn of_two_who_roll_the_same_calls_one_does(backend: &dyn Backend) {
    let world = World::new(backend).await;
    for round in 1..=10 {
        for account in [&world.own, &world.sibling, &world.own] {
            world.call(account, &record("x", START)).await;
        }
        let all = world.unrolled(10).await;
        assert_eq!(all.len(), 3);
        let mut rolls = JoinSet::new();
        for roller in 0..4 {
            let (store, mut calls) = (world.store.clone(), all.clone());
            // In any order, and one of them only a part.
            calls.rotate_left(roller % 3);
            calls.truncate(3 - roller / 3);
            rolls.spawn(async move {
                let ids: Vec<_> = calls.iter().map(|call| call.lease).collect();
                store.roll_calls(&ids, &rows_of(&calls)).await
            });
        }
        let outcomes = rolls.join_all().await;
        let rolled = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
        assert_eq!(rolled, 1, "{outcomes:?}");
        assert!(outcomes.iter().all(|outcome| outcome.is_ok() || is_changed(outcome)));
        world.roll().await;
        let calls = world.numbers(Grain::Days).await;
        assert_eq!(calls[0], (0, "x".to_owned(), 3 * round));
    }
}

pub(crate) async fn old_rows_are_forgotten_but_not_what_is_in_no_sum(backend: &dyn Backend) {
    let world = World::new(backend).await;
    let highest = LeaseId::from_bytes([0xff; 16]);
    let ends = UsageEnds {
        leases_below: highest,
        before: START.plus(DAY),
        days_before: START.plus(DAY),
        flushes_before: NOW,
    };
    let sweep = async |ends, limit| world.store.sweep_usage(&ends, limit).await.expect("swept");
    let (old, young) = (START, START.plus(DAY));
    for at in [old, old, old, young] {
        world.call(&world.own, &record("rolled", at)).await;
    }
    world.roll().await;
    world.call(&world.own, &record("unrolled", old)).await;
    let rows = |at| vec![(world.valid(world.own.id, 1, at), 1)];
    world.verified(1, rows(old)).await.expect("added");
    world.verified(2, rows(young)).await.expect("added");
    // Nothing is old by these.
    let none =
        UsageEnds { leases_below: highest, before: old, days_before: old, flushes_before: NOW };
    assert_eq!(sweep(none, 10).await, 0);
    let lowest = UsageEnds { leases_below: LeaseId::from_bytes([0; 16]), ..none };
    assert_eq!(sweep(UsageEnds { before: young, ..lowest }, 10).await, 3, "three sums of an hour");
    assert_eq!(world.numbers(Grain::Hours).await.len(), 5, "and what is in none");
    assert_eq!(world.numbers(Grain::Days).await.len(), 7);
    // At most so many of each kind: of three calls and of three sums of a day.
    assert_eq!(sweep(ends, 2).await, 4);
    assert_eq!(sweep(ends, 2).await, 2);
    assert_eq!(sweep(ends, 2).await, 0);
    assert_eq!(world.unrolled(10).await.len(), 1);
    let left: Vec<_> = world.numbers(Grain::Days).await;
    let names: Vec<_> = left.iter().map(|(hour, name, _)| (*hour, name.as_str())).collect();
    let kept = [(0, "unrolled"), (0, ""), (24, "rolled"), (24, ""), (24, "VALID")];
    assert_eq!(names, kept);
    // A node that is forgotten begins anew.
    let forgotten = UsageEnds { flushes_before: NOW.plus(Duration::from_micros(1)), ..none };
    assert_eq!(sweep(forgotten, 10).await, 1);
    assert!(is_changed(&world.verified(3, rows(young)).await));
    world.verified(1, rows(young)).await.expect("added");
}
