//! Connections, and who has one.
//!
//! A connection goes back only from whoever has read all of its answers: dropped before that, it is
//! closed, and the server rolls back what was open in it. On its way out it says that it is in no
//! transaction; one that is was left in it by something else and is closed, too.

use super::address::Address;
use super::errors::{OpenError, Refused, chain};
use super::tls;
use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime, Timeouts};
use std::path::Path;
use std::time::Duration;
use tenantry_core::error::Result;
use tokio::time::Instant;
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

/// How long a call waits for a connection that is free.
pub(super) const WAIT_DEADLINE: Duration = Duration::from_secs(2);
/// How long a new connection may take until it can be used.
const CREATE_DEADLINE: Duration = Duration::from_secs(3);

/// True outside a transaction: within one, it began before the message that asks.
pub(super) const IDLE: &str = "SELECT now() = statement_timestamp()";

/// Connections to one address.
#[derive(Clone)]
pub(super) struct Connections {
    pool: Pool,
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
        Ok(Self { pool })
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
        taken.map(|object| Lent { object: Some(object) }).map_err(|error| match error {
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
}

impl Lent {
    pub(super) fn client(&self) -> Result<&Client, Refused> {
        let object = self.object.as_ref();
        object
            .map(|object| &***object)
            .ok_or_else(|| Refused::unreachable("the connection is gone".to_owned()))
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

/// Refuses a connection that was in a transaction when [`IDLE`] was asked.
pub(super) fn require_idle(
    answer: std::result::Result<Vec<SimpleQueryMessage>, tokio_postgres::Error>,
) -> Result<(), Refused> {
    let answer = answer.map_err(|error| Refused::from(&error))?;
    let idle = answer.iter().any(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0) == Some("t"),
        _ => false,
    });
    if idle {
        return Ok(());
    }
    tracing::error!(
        alarm = "session_in_transaction",
        "a connection was in a transaction that nobody had begun; it is closed"
    );
    Err(Refused::unreachable("the connection was in a transaction".to_owned()))
}
