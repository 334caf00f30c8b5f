//! A storm of clients who take leases, renew them, give them back, are killed in the middle of a call
//! or never come back, while the server restarts: at no instant are more slots held than there may be,
//! and every slot of those who are gone comes back (cases 80 to 82 of docs/design/security.md, faults
//! F19 and F23).
//!
//! What is checked are the intervals that the store stamped, by `history`, which counts for itself.
//! `TENANTRY_STORM_OPERATIONS` sets how long it blows, `TENANTRY_STORM_SEED` what is drawn. It fails where
//! either cap is not compared, and where a lease is taken for expired a second before it is.

use crate::history::{self, Interval};
use crate::support::{Draw, NOW};
use crate::{options, sql};
use rusqlite::Connection;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tenantry_backends::sqlite::{DATABASE_FILE, SqliteOptions, SqliteStore};
use tenantry_core::Plane;
use tenantry_core::accounts::{AccountLimits, ConcurrentCalls};
use tenantry_core::actor::{Actor, Context, OperatorActor};
use tenantry_core::clock::{Clock as _, ManualClock, Timestamp};
use tenantry_core::error::Error;
use tenantry_core::ids::AccountId;
use tenantry_core::leases::{LeaseFor, LeaseTtl, WantedLease};
use tenantry_core::plane::{Parts, Policy};
use tenantry_core::rates::Rates;
use tenantry_core::realms::Realms;
use tenantry_core::rng::{self, Rng, SeededRng};
use tenantry_core::secrets::{Secrets, SecretsMaterial};
use tokio::sync::RwLock;
use tokio::task::JoinSet;

const CLIENTS: usize = 200;
const RESTARTS: u64 = 4;
const OWN_MAX: u32 = 30;
const TREE_MAX: u32 = 80;
/// Store's time that passes with each operation: a lease that nobody holds on to lasts for some
/// thousand of them.
const STEP: Duration = Duration::from_millis(1);

fn operations() -> u64 {
    let told = std::env::var("TENANTRY_STORM_OPERATIONS").ok();
    told.map_or(50_000, |told| told.parse().expect("a number"))
}

/// Tells whoever runs the test.
#[expect(clippy::print_stdout, reason = "seed and figures are for the terminal")]
fn say(text: &str) {
    println!("{text}");
}

/// What the clients share.
struct Storm {
    /// None while the server restarts.
    plane: RwLock<Option<Plane>>,
    clock: Arc<ManualClock>,
    rng: SeededRng,
    context: Context,
    accounts: Vec<AccountId>,
    left: AtomicU64,
    taken: AtomicU64,
    refused: AtomicU64,
}

impl Storm {
    /// A number below `below`.
    fn draw(&self, below: u64) -> u64 {
        u64::from_be_bytes(rng::draw(&self.rng)) % below
    }

    /// Makes a call of the plane; one in twenty clients is killed while it is under way.
    async fn call<T>(&self, call: impl AsyncFnOnce(&Plane) -> Result<T, Error>) -> Option<T> {
        let plane = self.plane.read().await;
        let plane = plane.as_ref().expect("the server runs");
        self.clock.advance(STEP);
        let killed_after = (self.draw(20) == 0).then(|| self.draw(4));
        let call = call(plane);
        let outcome = match killed_after {
            None => call.await,
            Some(turns) => {
                let killed = async {
                    for _ in 0..turns {
                        tokio::task::yield_now().await;
                    }
                };
                tokio::select! { biased; () = killed => return None, outcome = call => outcome }
            }
        };
        match outcome {
            Ok(value) => Some(value),
            Err(Error::CallsExceeded { limit, in_use }) => {
                assert!(in_use >= limit, "{in_use} of {limit} are no reason to refuse");
                self.refused.fetch_add(1, Ordering::Relaxed);
                None
            }
            Err(Error::LeaseEnded) => None,
            Err(error) => panic!("{error}"),
        }
    }

    /// A client's whole life.
    async fn live(&self) {
        while self
            .left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1))
            .is_ok()
        {
            let account = self.accounts[usize::try_from(self.draw(4)).expect("four")];
            let ttl = LeaseTtl::from_seconds(5 + i64::try_from(self.draw(5)).expect("few"));
            let wanted =
                WantedLease { ttl: ttl.expect("in range"), request_id: None, reference: None };
            let of = LeaseFor::Account(account);
            let taken =
                self.call(async |plane| plane.acquire_lease(&self.context, of, &wanted).await);
            let Some(granted) = taken.await else {
                // So that those who hold slots come to their turns.
                for _ in 0..self.draw(50) {
                    tokio::task::yield_now().await;
                }
                continue;
            };
            assert!(granted.in_use <= granted.limit);
            self.taken.fetch_add(1, Ordering::Relaxed);
            let id = granted.lease.id;
            for _ in 0..self.draw(4) {
                // Paused, some beyond their time: then there is nothing to renew.
                for _ in 0..self.draw(6) {
                    tokio::task::yield_now().await;
                }
                let renew = async |plane: &Plane| plane.renew_lease(&self.context, id, None).await;
                self.call(renew).await;
            }
            // One in ten never comes back.
            if self.draw(10) != 0 {
                let release =
                    async |plane: &Plane| plane.release_lease(&self.context, id, None).await;
                self.call(release).await;
            }
        }
    }
}

fn plane(directory: &Path, clock: &Arc<ManualClock>, material: &SecretsMaterial) -> Plane {
    let options = SqliteOptions { clock: clock.clone(), ..options(directory) };
    let rng: Arc<dyn Rng> =
        Arc::new(SeededRng::new(u64::try_from(clock.now().micros()).expect("now")));
    Plane::new(Parts {
        database_servers: None,
        meters: None,
        store: Arc::new(SqliteStore::open(&options).expect("a store")),
        clock: clock.clone(),
        rng,
        secrets: Secrets::new(material),
        realms: Realms::new(material, false, Vec::new()).expect("the built-in realm"),
        policy: Policy::default(),
    })
}

/// Every lease that was ever stored: from when to when it held a slot.
fn intervals(directory: &Path) -> Vec<Interval> {
    let connection = Connection::open(directory.join(DATABASE_FILE)).expect("a connection");
    let rows = "SELECT account_id, acquired_at, coalesce(released_at, expires_at) FROM leases";
    let mut statement = connection.prepare(rows).expect("a query");
    let rows = statement.query_map([], |row| {
        Ok(Interval {
            account: AccountId::from_bytes(row.get(0)?),
            from: Timestamp::from_micros(row.get(1)?),
            until: Timestamp::from_micros(row.get(2)?),
        })
    });
    rows.expect("rows").collect::<rusqlite::Result<_>>().expect("intervals")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn at_no_instant_are_more_calls_in_progress_than_there_may_be() {
    let directory = tempfile::tempdir().expect("a directory");
    let clock = Arc::new(ManualClock::at(NOW));
    let material = SecretsMaterial::generate(&SeededRng::new(7)).expect("secrets");
    // Draws with the same seed, and so with the same secrets.
    let draw = Draw::new();
    let (root, accounts) = {
        let store = SqliteStore::open(&options(directory.path())).expect("a store");
        let root = draw.organization(&store).await.account.id;
        let mut accounts = Vec::new();
        for _ in 0..4 {
            accounts.push(draw.stored_sub_account(&store, root).await.0.id);
        }
        (root, accounts)
    };
    let first = plane(directory.path(), &clock, &material);
    let actor = Actor::Operator(OperatorActor { organization: Some(root) });
    let context = Context { actor, request_id: "storm".into(), address: None };
    let calls = |number: u32| ConcurrentCalls::new(number.into());
    let limits = AccountLimits {
        rates: Rates::default(),
        concurrent_calls: calls(TREE_MAX),
        sub_account_concurrent_calls: calls(OWN_MAX),
    };
    first.set_limits(&context, root, limits).await.expect("set");
    let seed = std::env::var("TENANTRY_STORM_SEED").map_or(1, |seed| seed.parse().expect("a seed"));
    say(&format!("seed {seed}"));
    let storm = Arc::new(Storm {
        plane: RwLock::new(Some(first)),
        clock: clock.clone(),
        rng: SeededRng::new(seed),
        context: context.clone(),
        accounts: accounts.clone(),
        left: AtomicU64::new(operations()),
        taken: AtomicU64::new(0),
        refused: AtomicU64::new(0),
    });
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        let storm = storm.clone();
        clients.spawn(async move { storm.live().await });
    }
    let part = operations() / (RESTARTS + 1);
    for restart in 1..=RESTARTS {
        while storm.left.load(Ordering::Relaxed) > operations() - restart * part {
            tokio::task::yield_now().await;
        }
        let mut running = storm.plane.write().await;
        // What killed clients have left in the queue is done before the store is gone.
        drop(running.take());
        *running = Some(plane(directory.path(), &clock, &material));
    }
    clients.join_all().await;
    let history = intervals(directory.path());
    assert_eq!(history::check(&history, OWN_MAX, TREE_MAX), Ok(()));
    let (taken, refused) =
        (storm.taken.load(Ordering::Relaxed), storm.refused.load(Ordering::Relaxed));
    say(&format!("{} leases, {taken} answered, {refused} refused", history.len()));
    assert!(taken > 0 && refused > 0, "a storm has both");

    // Every slot of those who are gone is back once the longest life is over.
    clock.advance(Duration::from_secs(10));
    let plane = storm.plane.read().await;
    let plane = plane.as_ref().expect("the server runs");
    let wanted = WantedLease {
        ttl: LeaseTtl::from_seconds(5).expect("in range"),
        request_id: None,
        reference: None,
    };
    let acquire =
        async |account| plane.acquire_lease(&context, LeaseFor::Account(account), &wanted).await;
    for account in &accounts[..2] {
        for _ in 0..OWN_MAX {
            acquire(*account).await.expect("a slot that is free");
        }
    }
    let refused = acquire(accounts[0]).await;
    assert!(matches!(refused, Err(Error::CallsExceeded { limit: OWN_MAX, .. })), "{refused:?}");

    // One call too many, planted by SQL among so many: the checker sees it.
    let planted =
        "INSERT INTO leases SELECT randomblob(16), root_id, account_id, fence, ttl, NULL, NULL,
        acquired_at, expires_at, NULL FROM leases ORDER BY acquired_at DESC LIMIT 1";
    sql(directory.path(), planted);
    let excess = history::check(&intervals(directory.path()), OWN_MAX, TREE_MAX);
    assert_eq!(excess.expect_err("one too many").held, OWN_MAX + 1);
}
