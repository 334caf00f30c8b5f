//! The plane: what every surface holds. Its methods are the use cases; each stands in the module
//! of its feature and exists once.

use crate::audit::sealer;
use crate::clock::Clock;
use crate::cluster::{Cluster, Membership};
use crate::commit::CHANGE_SHARDS;
use crate::database::{DatabasePolicy, DatabaseServers, Doors};
use crate::error::{Error, Result};
use crate::limits;
use crate::oauth::SigningAlgorithm;
use crate::oauth::ring::Signing;
use crate::rates::{Metering, SharedMeters};
use crate::realms::Realms;
use crate::replay::UnderWay;
use crate::rng::Rng;
use crate::secrets::Secrets;
use crate::secrets::plain::KeyPrefix;
use crate::store::Store;
use crate::usage::Outbox;
use crate::uses::Blocks;
use crate::verify::{Foreign, Misses, Tally};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

/// The rules, and all that they need from outside.
pub struct Plane {
    /// What is remembered.
    pub(crate) store: Arc<dyn Store>,
    /// The budget for wrong credentials.
    pub(crate) misses: Misses,
    /// What this node knows of changes.
    pub(crate) cluster: Cluster,
    /// What verifications were answered, and which credentials they used.
    pub(crate) tally: Tally,
    /// Counts of verifications that are on their way into the store.
    pub(crate) outbox: Mutex<Outbox>,
    /// What sealing the audit trail did.
    pub(crate) sealing: sealer::Tally,
    /// What time it is.
    pub(crate) clock: Arc<dyn Clock>,
    /// Chance.
    pub(crate) rng: Arc<dyn Rng>,
    /// The operator's secrets.
    pub(crate) secrets: Secrets,
    /// Whose admin JWTs are believed.
    pub(crate) realms: Realms,
    /// What the operator configured.
    pub(crate) policy: Policy,
    /// Names of a tenant's service accounts are drawn one at a time on a node, so that creates of
    /// the same second do not race each other for the same suffix. By shard of the tenant.
    pub(crate) service_account_names: [Mutex<()>; CHANGE_SHARDS as usize],
    /// What is known of keys that were imported.
    pub(crate) foreign: Foreign,
    /// The keys that sign access tokens.
    pub(crate) signing: Signing,
    /// What is counted of rates.
    pub(crate) metering: Metering,
    /// Uses that were drawn and not spent.
    pub(crate) blocks: Blocks,
    /// Requests that may be repeated while they are carried out.
    pub(crate) under_way: UnderWay,
    /// Where tenant databases are, if this process dials any.
    pub(crate) database_servers: Option<Arc<dyn DatabaseServers>>,
    /// Sessions with them.
    pub(crate) databases: Doors,
    /// There is one first organization.
    pub(crate) initializing: Mutex<()>,
}

/// What the operator configured.
#[derive(Clone, Debug)]
pub struct Policy {
    /// What native keys begin with.
    pub key_prefix: KeyPrefix,
    /// Most keys of one account that live at once.
    pub keys_max: u32,
    /// Most service accounts of one account.
    pub service_accounts_max: u32,
    /// Most realms of one organization's own.
    pub realms_max: u32,
    /// Credentials in the verify cache.
    pub cache_entries: usize,
    /// Look-ups a second that find nothing.
    pub misses_per_second_max: u32,
    /// The server's public URL, without a slash at its end: the `iss` of access tokens.
    pub issuer: Box<str>,
    /// With which algorithm new signing keys sign.
    pub signing_algorithm: SigningAlgorithm,
    /// At which age a signing key gets a successor.
    pub signing_key_age: Duration,
    /// What is said about tenant databases.
    pub databases: DatabasePolicy,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            key_prefix: KeyPrefix::default(),
            keys_max: limits::KEYS_MAX,
            service_accounts_max: limits::SERVICE_ACCOUNTS_MAX,
            realms_max: limits::REALMS_MAX,
            cache_entries: limits::VERIFY_CACHE_ENTRIES,
            misses_per_second_max: limits::MISSES_PER_SECOND_MAX,
            issuer: "http://localhost".into(),
            signing_algorithm: SigningAlgorithm::default(),
            signing_key_age: limits::SIGNING_KEY_AGE,
            databases: DatabasePolicy::default(),
        }
    }
}

/// What a plane is made of.
pub struct Parts {
    /// What is remembered.
    pub store: Arc<dyn Store>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub rng: Arc<dyn Rng>,
    /// The operator's secrets.
    pub secrets: Secrets,
    /// Whose admin JWTs are believed.
    pub realms: Realms,
    /// What the operator configured.
    pub policy: Policy,
    /// Where all nodes count rates together, if they do.
    pub meters: Option<Arc<dyn SharedMeters>>,
    /// What reaches the servers of tenant databases, if anything does.
    pub database_servers: Option<Arc<dyn DatabaseServers>>,
}

impl Plane {
    /// A plane on one node.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let cluster = Cluster::single(parts.policy.cache_entries);
        Self::with(parts, cluster)
    }

    /// A plane on one node of several. It refuses to verify until [`Self::keep_following`] has read
    /// the change log.
    #[must_use]
    pub fn joined(parts: Parts, membership: Membership) -> Self {
        let cluster = Cluster::joined(parts.policy.cache_entries, membership);
        Self::with(parts, cluster)
    }

    fn with(parts: Parts, cluster: Cluster) -> Self {
        Self {
            cluster,
            tally: Tally::default(),
            outbox: Mutex::default(),
            sealing: sealer::Tally::default(),
            misses: Misses::new(parts.policy.misses_per_second_max),
            store: parts.store,
            clock: parts.clock,
            rng: parts.rng,
            secrets: parts.secrets,
            realms: parts.realms,
            policy: parts.policy,
            service_account_names: std::array::from_fn(|_| Mutex::default()),
            foreign: Foreign::default(),
            signing: Signing::default(),
            metering: Metering::new(parts.meters),
            blocks: Blocks::default(),
            under_way: UnderWay::default(),
            database_servers: parts.database_servers,
            databases: Doors::default(),
            initializing: Mutex::default(),
        }
    }

    /// What reaches the servers of tenant databases.
    pub(crate) fn database_servers(&self) -> Result<&dyn DatabaseServers> {
        let servers = self.database_servers.as_deref();
        servers.ok_or_else(|| Error::unavailable("this process dials no tenant databases"))
    }

    /// What the operator configured.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// How often the shared rate limits did not answer since the start, and whether they answered the
    /// last time; none where there are none.
    #[must_use]
    pub fn shared_meters(&self) -> Option<(u64, bool)> {
        self.metering.shared_failures()
    }

    /// The plane's clock, for what surfaces print and measure.
    #[must_use]
    pub fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    /// The plane's randomness, for request ids.
    #[must_use]
    pub fn rng(&self) -> &dyn Rng {
        &*self.rng
    }

    /// Whether the plane can verify: its store can be read, or, on a node of several, was within
    /// the bound. A store that is away for less than that takes no node out.
    ///
    /// # Errors
    /// What the store says; [`crate::Error::Unavailable`] for a node that is not fresh, or whose time of day
    /// is further than [`limits::CLOCK_SKEW_MAX`] from the store's.
    pub async fn check_ready(&self) -> Result<()> {
        match &self.cluster.follower {
            Some(follower) => {
                self.require_fresh()?;
                follower.require_right_time()
            }
            None => self.store.check().await,
        }
    }

    /// Whether the store takes changes, as far as the last of them, or the last probe, tell.
    ///
    /// # Errors
    /// [`crate::Error::StorageFull`] or [`crate::Error::Unavailable`], where they are refused.
    pub async fn check_writes(&self) -> Result<()> {
        self.store.check_writes().await
    }

    /// Where changes are refused, tries whether they still are. To be called every
    /// [`limits::WRITE_PROBE_EVERY`], so that recovery is seen without anybody's change.
    ///
    /// # Errors
    /// What changes are refused with.
    pub async fn probe_writes(&self) -> Result<()> {
        self.store.probe_writes().await
    }
}
