//! Connections, and who has one.
//!
//! A connection goes back only from whoever has read all of its answers: dropped before that, it is
//! closed, and the server rolls back what was open in it. Each transaction says first that it has
//! just begun, and on which server. One that was left open by something else is closed, and so is a
//! connection to another server than the one that this node reads the change log from: what is
//! answered there may be older than what this node has to know, and what is changed there lost.

use super::address::Address;
use super::errors::{OpenError, Refused, chain};
use super::tls;
use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime, Timeouts};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tenantry_core::error::Result;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

/// How long a call waits for a connection that is free.
pub(super) const WAIT_DEADLINE: Duration = Duration::from_secs(2);
/// How long a new connection may take until it can be used.
const CREATE_DEADLINE: Duration = Duration::from_secs(3);

/// Ends a message that begins a transaction: whether it began with this message, and which server
/// it is on, by when that was started.
macro_rules! begun {
    () => {
        "SELECT now() = statement_timestamp(),
            (extract(epoch FROM pg_postmaster_start_time()) * 1000000)::bigint"
    };
}
pub(super) use begun;

/// What that is answered.
pub(super) type Begun = std::result::Result<Vec<SimpleQueryMessage>, tokio_postgres::Error>;

/// Connections to one address.
#[derive(Clone)]
pub(super) struct Connections {
    pool: Pool,
    server: Arc<Wanted>,
}

/// The server that is to answer.
#[derive(Default)]
struct Wanted {
    /// By when it was started; 0 while any may answer.
    started: AtomicU64,
    /// Another one has answered since.
    doubted: AtomicBool,
    /// The same, for whoever waits for it.
    met: Notify,
}

impl Connections {
    pub(super) fn new(
        address: &Address,
        authorities: Option<&Path>,
        max: usize,
    ) -> Result<Self, OpenError> {
        let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let config = address.config.clone();
        let manager = if address.encrypted {
            Manager::from_config(config, tls::connector(authorities)?, recycling)
        } else {
            Manager::from_config(config, NoTls, recycling)
        };
        let timeouts = Timeouts {
            wait: Some(WAIT_DEADLINE),
            create: Some(CREATE_DEADLINE),
            recycle: Some(CREATE_DEADLINE),
        };
        let pool = Pool::builder(manager)
            .max_size(max)
            .timeouts(timeouts)
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|error| OpenError::Address(error.to_string()))?;
        Ok(Self { pool, server: Arc::default() })
    }

    /// Has only this server answer from now on, by when it was started.
    pub(super) fn keep_to(&self, started: u64) {
        if self.server.started.swap(started, Ordering::Relaxed) != started {
            // Those that are in use are closed when they are next used.
            self.close_idle();
        }
    }

    /// Whether another server has answered since this was last asked.
    pub(super) fn met_another(&self) -> bool {
        self.server.doubted.swap(false, Ordering::Relaxed)
    }

    /// Waits until another server answers.
    pub(super) async fn meet_another(&self) {
        self.server.met.notified().await;
    }

    /// Closes the connections that nobody uses.
    pub(super) fn close_idle(&self) {
        self.pool.retain(|_, _| false);
    }

    /// A connection that nobody else uses.
    pub(super) async fn take(&self) -> Result<Lent, Refused> {
        self.take_until(Instant::now() + WAIT_DEADLINE).await
    }

    /// The same for whoever has waited before: one that is not free by then is not waited for.
    pub(super) async fn take_until(&self, until: Instant) -> Result<Lent, Refused> {
        let wait = Some(until.saturating_duration_since(Instant::now()));
        let timeouts = Timeouts { wait, ..self.pool.timeouts() };
        let taken = self.pool.timeout_get(&timeouts).await;
        let lend = |object| Lent { object: Some(object), server: self.server.clone() };
        taken.map(lend).map_err(|error| match error {
            deadpool_postgres::PoolError::Backend(error) => Refused::from(&error),
            other => Refused::unreachable(chain(&other)),
        })
    }

    /// How many connections there are, and how many of them nobody uses.
    pub(super) fn counts(&self) -> (usize, usize) {
        let status = self.pool.status();
        (status.size, status.available)
    }
}

/// A connection that is closed when dropped, unless it was given back.
pub(super) struct Lent {
    object: Option<Object>,
    server: Arc<Wanted>,
}

impl Lent {
    pub(super) fn client(&self) -> Result<&Client, Refused> {
        let object = self.object.as_ref();
        object
            .map(|object| &***object)
            .ok_or_else(|| Refused::unreachable("the connection is gone".to_owned()))
    }

    /// Looks at the answer to a message that begins a transaction and ends with `begun!`.
    pub(super) fn require_begun(&self, answer: Begun) -> Result<(), Refused> {
        let answer = answer.map_err(|error| Refused::from(&error))?;
        let row = answer.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some((row.get(0) == Some("t"), row.get(1)?)),
            _ => None,
        });
        let Some((true, server)) = row else {
            tracing::error!(
                alarm = "session_in_transaction",
                "a connection was in a transaction that nobody had begun; it is closed"
            );
            return Err(Refused::unreachable("the connection was in a transaction".to_owned()));
        };
        let wanted = self.server.started.load(Ordering::Relaxed);
        if wanted == 0 || server.parse() == Ok(wanted) {
            return Ok(());
        }
        self.server.doubted.store(true, Ordering::Relaxed);
        self.server.met.notify_one();
        Err(Refused::unreachable(
            "another server answers than the one that the change log was read from".to_owned(),
        ))
    }

    /// Every answer was read and no transaction is open.
    pub(super) fn give_back(mut self) {
        // Dropped as it is, the object returns to the pool.
        self.object = None;
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(object) = self.object.take() {
            drop(Object::take(object));
        }
    }
}
