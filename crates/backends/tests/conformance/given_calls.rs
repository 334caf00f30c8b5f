//! `AccountStore`: what a root account has given its sub-accounts of its concurrent calls.

use crate::backend::Backend;
use crate::support::Draw;
use crate::versions::{closed, suspended};
use std::sync::Arc;
use tenantry_core::accounts::{Account, ConcurrentCalls};
use tenantry_core::credentials::Owner;
use tenantry_core::error::{Conflict, Error, Result};
use tenantry_core::ids::AccountId;
use tenantry_core::secrets::KeyFormat;
use tenantry_core::store::{Committed, NewRows, Store};
use tokio::task::JoinSet;

/// A store with an organization that has 100 concurrent calls.
struct World {
    store: Arc<dyn Store>,
    draw: Draw,
    root: Account,
}

impl World {
    async fn new(backend: &dyn Backend) -> Self {
        let (store, draw) = (backend.store(), Draw::new());
        let root = draw.organization(&*store).await.account;
        let mut world = Self { store, draw, root };
        let lowered = world.update(with_calls(&world.root, Some(100))).await;
        world.root = lowered.expect("lowered");
        world
    }

    fn child(&self, calls: Option<i64>) -> Account {
        let mut account = self.draw.sub_account(self.root.id);
        account.limits.concurrent_calls = calls.and_then(ConcurrentCalls::new);
        account
    }

    fn rows(&self, account: &Account) -> NewRows {
        let (root, member) = (self.root.id, account.created_by);
        let owner = Owner::Account { account: account.id, root, member };
        let key = self.draw.seal(self.draw.credential(owner, KeyFormat::SubAccount));
        (self.draw.seal(account.clone()), key, self.draw.commit(root))
    }

    async fn insert(&self, account: &Account) -> Result<Committed> {
        let (account, key, commit) = self.rows(account);
        self.store.insert_account(&account, &key, commit).await
    }

    async fn update(&self, next: Account) -> Result<Account> {
        let sealed = self.draw.seal(next.clone());
        self.store.update_account(&sealed, self.draw.commit(self.root.id)).await.map(|_| next)
    }

    async fn given(&self) -> u64 {
        self.store.find_given_calls(self.root.id).await.expect("a read")
    }

    async fn is_there(&self, id: AccountId) -> bool {
        self.store.find_account(self.root.id, id).await.expect("a read").is_some()
    }
}

/// The next version, with another limit.
fn with_calls(account: &Account, calls: Option<i64>) -> Account {
    let mut next = account.clone();
    next.limits.concurrent_calls = calls.and_then(ConcurrentCalls::new);
    next.version += 1;
    next
}

fn is_exceeded<T>(outcome: &Result<T>, expected: (u32, u32, u32)) -> bool {
    matches!(outcome, Err(Error::ConcurrencyExceeded { requested, available, account_limit: 100, given })
        if (*requested, *available, *given) == expected)
}

pub(crate) async fn limits_that_are_set_sum_up(backend: &dyn Backend) {
    let world = Box::pin(World::new(backend)).await;
    assert_eq!(world.given().await, 0);
    let first = world.child(Some(60));
    world.insert(&first).await.expect("within");
    world.insert(&world.child(None)).await.expect("a default takes nothing");
    assert_eq!(world.given().await, 60);
    let over = world.child(Some(41));
    let refused = world.insert(&over).await;
    assert!(is_exceeded(&refused, (41, 40, 60)), "{refused:?}");
    assert!(!world.is_there(over.id).await);
    let second = world.child(Some(40));
    world.insert(&second).await.expect("all of it");
    let refused = world.update(with_calls(&first, Some(61))).await;
    assert!(is_exceeded(&refused, (61, 60, 40)), "{refused:?}");
    let first = world.update(with_calls(&first, Some(10))).await.expect("lowered");
    assert_eq!(world.given().await, 50);
    let first = world.update(suspended(&first)).await.expect("suspended");
    assert_eq!(world.given().await, 50, "what is suspended may go on");
    let first = world.update(with_calls(&first, None)).await.expect("a default again");
    assert_eq!(world.given().await, 40);
    world.update(with_calls(&first, Some(60))).await.expect("all of it again");
    world.update(closed(&second)).await.expect("closed");
    assert_eq!(world.given().await, 60, "what is closed is given back");
    // Another organization's are its own.
    let other = world.draw.organization(&*world.store).await.account.id;
    assert_eq!(world.store.find_given_calls(other).await.expect("a read"), 0);
}

pub(crate) async fn many_accounts_take_together_or_not_at_all(backend: &dyn Backend) {
    let world = Box::pin(World::new(backend)).await;
    let accounts = [50, 50, 1].map(|calls| world.child(Some(calls)));
    let rows = |accounts: &[Account]| accounts.iter().map(|account| world.rows(account)).collect();
    let refused = world.store.insert_accounts(rows(&accounts)).await;
    assert!(is_exceeded(&refused, (1, 0, 100)), "{refused:?}");
    assert_eq!(world.given().await, 0);
    assert!(!world.is_there(accounts[0].id).await);
    world.store.insert_accounts(rows(&accounts[..2])).await.expect("all of it");
    assert_eq!(world.given().await, 100);
}

pub(crate) async fn a_limit_is_not_lowered_below_what_was_given(backend: &dyn Backend) {
    let world = Box::pin(World::new(backend)).await;
    world.insert(&world.child(Some(60))).await.expect("within");
    let lower = |calls| with_calls(&world.root, Some(calls));
    let refused = world.update(lower(59)).await;
    assert!(matches!(refused, Err(Error::Conflict(Conflict::GivenAway))), "{refused:?}");
    let root = world.update(lower(60)).await.expect("just what was given");
    let root = world.update(with_calls(&root, None)).await.expect("no limit");
    world.insert(&world.child(Some(1_000_000))).await.expect("no limit");
    assert_eq!(world.given().await, 1_000_060);
    let refused = world.update(with_calls(&root, Some(1_000_000))).await;
    assert!(matches!(refused, Err(Error::Conflict(Conflict::GivenAway))), "{refused:?}");
}

pub(crate) async fn of_a_hundred_at_once_no_more_take_than_there_is(backend: &dyn Backend) {
    let world = Box::pin(World::new(backend)).await;
    world.insert(&world.child(Some(70))).await.expect("within");
    let mut creates = JoinSet::new();
    for _ in 0..100 {
        let (account, key, commit) = world.rows(&world.child(Some(7)));
        let store = world.store.clone();
        creates.spawn(async move { store.insert_account(&account, &key, commit).await });
    }
    let outcomes = creates.join_all().await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 4);
    for refused in outcomes.iter().filter(|outcome| outcome.is_err()) {
        assert!(is_exceeded(refused, (7, 2, 98)), "{refused:?}");
    }
    assert_eq!(world.given().await, 98);
}
