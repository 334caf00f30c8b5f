//! The store of several nodes: a PostgreSQL database that all of them use.
//!
//! - `address`, `tls`, `pool`: how sessions are had, and given back in order
//! - `session`: how statements are run; time-outs, attempts, a commit that was not answered
//! - `migrations`: the schema, by numbered files in `migrations/postgres/`
//! - `rows`: values to and from PostgreSQL; what rows mean is `crate::rows`
//! - `changes`: what every change writes beside itself
//! - `hints`: how nodes are told that there are changes
//! - `gather`: calls that share a statement or a commit; `look_ups` and `creates` do
//! - a file per feature with its SQL: `accounts`, `credentials`, `members`, `service_accounts`,
//!   `oauth`, `realms`, `audit`, `trail`, `leads`, `leases`, `given_calls`, `usage`, `usage_sums`,
//!   `uses`, `nodes`, `health`
//!
//! Every transaction is READ COMMITTED. A change of a row names the version that it changes, and what
//! is counted is counted under a row's lock. Locks are taken in one order: accounts, service
//! accounts, credentials, slow hashes, leases, records of calls, sums of usage, the event, the kept reply, and last the head of a shard of the
//! change log; of one table by id.
//!
//! No statement has a name and nothing is kept in a session, so a pooler may give each transaction
//! another one. SQL is text of this crate and never put together from values.

mod accounts;
mod address;
mod audit;
mod changes;
mod creates;
mod credentials;
mod databases;
mod errors;
mod foreign_keys;
mod gather;
mod given_calls;
mod health;
mod hints;
mod leads;
mod leases;
mod look_ups;
mod members;
mod migrations;
mod nodes;
mod oauth;
mod pool;
mod realms;
mod replays;
mod rows;
mod service_accounts;
mod session;
mod tls;
mod trail;
mod usage;
mod usage_sums;
mod uses;

pub use address::hosts;
pub use errors::{OpenError, Refused};
pub(crate) use tls::connector as tls_connector;

use address::Address;
use creates::Create;
use gather::Gather;
use health::Acceptance;
use hints::Hints;
use look_ups::Looked;
use pool::Connections;
use std::path::PathBuf;
use std::sync::Arc;
use tenantry_core::clock::Timestamp;
use tenantry_core::secrets::Tag;
use tenantry_core::store::Committed;
use tokio_postgres::{Client, SimpleQueryMessage};

/// Connections for requests of one node, unless the operator says otherwise; it has one more for reading
/// the change log and one for hints.
pub const CONNECTIONS_MAX: usize = 16;

/// The oldest server that will do: 14 is the oldest that its makers still mend.
const SERVER_VERSION_MIN: (u32, &str) = (140_000, "14");

/// How a store is opened.
#[derive(Clone)]
pub struct PostgresOptions {
    /// `postgres://user@host:port/name`; may lead through a pooler.
    pub url: String,
    /// The same database past the pooler, for migrations and hints; `url` where there is none.
    pub direct_url: Option<String>,
    /// A file of authorities that are trusted instead of the machine's.
    pub authorities: Option<PathBuf>,
    /// Most connections at once, at least one.
    pub connections_max: usize,
    /// When the store is opened: noted beside migrations that are applied.
    pub now: Timestamp,
}

impl PostgresOptions {
    /// A store at `url`, opened at `now`.
    #[must_use]
    pub fn new(url: impl Into<String>, now: Timestamp) -> Self {
        let url = url.into();
        Self { url, direct_url: None, authorities: None, connections_max: CONNECTIONS_MAX, now }
    }
}

impl std::fmt::Debug for PostgresOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Its addresses may hold passwords.
        f.debug_struct("PostgresOptions")
            .field("authorities", &self.authorities)
            .field("connections_max", &self.connections_max)
            .finish_non_exhaustive()
    }
}

/// A store on PostgreSQL; copies are the same store.
#[derive(Clone)]
pub struct PostgresStore {
    connections: Connections,
    /// One of its own for reading the change log, which must not wait behind requests: a node that
    /// is busy would stop being fresh.
    polls: Connections,
    acceptance: Arc<Acceptance>,
    hints: Arc<Hints>,
    look_ups: Arc<Gather<Tag, Looked>>,
    creates: Arc<Gather<Create, Committed>>,
}

impl PostgresStore {
    /// Connects, and brings the schema up to date.
    ///
    /// # Errors
    /// Every reason of [`OpenError`].
    pub async fn open(options: &PostgresOptions) -> Result<Self, OpenError> {
        let address = Address::parse(&options.url)?;
        let direct = match &options.direct_url {
            Some(url) => Address::parse(url)?,
            None => address.clone(),
        };
        let authorities = options.authorities.as_deref();
        let hints = Hints::new(direct.clone(), options.authorities.clone());
        let direct = Connections::new(&direct, authorities, 1)?;
        let unreachable = |refused: Refused| OpenError::Unreachable { cause: refused.to_string() };
        let lent = direct.take().await.map_err(unreachable)?;
        let client = lent.client().map_err(unreachable)?;
        check_server(client).await?;
        migrations::migrate(client, options.now).await?;
        let connections = Connections::new(&address, authorities, options.connections_max.max(1))?;
        // Here and not at the first request: whoever starts the server is told.
        connections.take().await.map_err(unreachable)?.give_back();
        Ok(Self {
            polls: Connections::new(&address, authorities, 1)?,
            connections,
            acceptance: Arc::default(),
            hints: Arc::new(hints),
            look_ups: Gather::new(look_ups::BOUNDS),
            creates: Gather::new(creates::BOUNDS),
        })
    }

    /// How many connections there are, and how many of them nobody uses.
    #[must_use]
    pub fn connections(&self) -> (usize, usize) {
        self.connections.counts()
    }
}

impl std::fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PostgresStore").finish_non_exhaustive()
    }
}

async fn check_server(client: &Client) -> Result<(), OpenError> {
    let version = show(client, "SHOW server_version_num").await?;
    if version.parse().unwrap_or(0) < SERVER_VERSION_MIN.0 {
        let found = show(client, "SHOW server_version").await?;
        return Err(OpenError::ServerTooOld { found, wanted: SERVER_VERSION_MIN.1 });
    }
    let encoding = show(client, "SHOW server_encoding").await?;
    if encoding != "UTF8" {
        return Err(OpenError::Encoding { found: encoding });
    }
    Ok(())
}

async fn show(client: &Client, setting: &'static str) -> Result<String, OpenError> {
    let answer = client.simple_query(setting).await?;
    let value = answer.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0),
        _ => None,
    });
    Ok(value.unwrap_or_default().to_owned())
}
