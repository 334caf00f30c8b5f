//! Putting a plane together on a data directory.

use crate::config::{Config, DatabaseConfig};
use crate::{Failure, Result, secrets_file};
use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tenantry_backends::checkpoint_file::CheckpointFile;
use tenantry_backends::documents::Documents;
use tenantry_backends::postgres::PostgresStore;
use tenantry_backends::sqlite::lock::DataDirLock;
use tenantry_backends::sqlite::{SqliteOptions, SqliteStore};
use tenantry_backends::tenant::servers::TenantServers;
use tenantry_core::Plane;
use tenantry_core::audit::Sealer;
use tenantry_core::clock::{Clock as _, SystemClock};
use tenantry_core::dialling::DialRules;
use tenantry_core::leads::NodeId;
use tenantry_core::plane::Parts;
use tenantry_core::rates::SharedMeters;
use tenantry_core::realms::Realms;
use tenantry_core::rng::{self, SystemRng};
use tenantry_core::secrets::{Secrets, SecretsMaterial};
use tenantry_core::store::Store;
use zeroize::Zeroizing;

/// Exit code of a process that ends because an fsync failed: what the disk holds is known only to
/// one that opens it anew.
pub const DISK_FAILED: i32 = 3;

/// A directory within the data directory in which a restore is put together. While it is there and
/// the database is not, a restore was interrupted.
pub(crate) const RESTORING: &str = "restoring";

/// A plane on its data directory.
pub struct Local {
    /// The plane.
    pub plane: Arc<Plane>,
    /// Its store. Dropped with the plane, it is left in order.
    pub store: Arc<SqliteStore>,
}

/// A plane on a database that several nodes share.
pub struct Shared {
    /// The plane.
    pub plane: Arc<Plane>,
    /// Its store.
    pub store: Arc<PostgresStore>,
}

/// Whether a data directory may be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// Make what is missing: the first start.
    Create,
    /// A command that needs what is there.
    Refuse,
}

/// Opens the plane of the data directory, which no other process can use until it is dropped.
///
/// # Errors
/// A directory in use or with half of a restore in it, secrets that are missing or can be read by others, a store that cannot be
/// opened.
pub fn open(config: &Config, missing: Missing) -> Result<Local> {
    let options = SqliteOptions {
        size_max_bytes: config.database_size_max,
        disk_failed: || std::process::exit(DISK_FAILED),
        ..SqliteOptions::new(&config.data_dir, SystemClock.now())
    };
    if !options.database_file().exists() && missing == Missing::Refuse {
        return Err(nothing_there(&config.data_dir));
    }
    make_private_directory(&config.data_dir)?;
    let secrets_path = config.secrets_file();
    let lock = DataDirLock::acquire(&config.data_dir)?;
    // Under the lock: before, a restore may have been at work.
    let exists = options.database_file().exists();
    if !exists && is_restoring(&config.data_dir) {
        return Err(nothing_there(&config.data_dir));
    }
    let material = match secrets_file::read(&secrets_path)? {
        Some(material) => material,
        None if exists => return Err(secrets_lost(&secrets_path)),
        None => secrets_file::create(&secrets_path, &SystemRng)?,
    };
    let store = Arc::new(SqliteStore::open_locked(&options, lock)?);
    Ok(Local { plane: Arc::new(Plane::new(parts(config, &material, store.clone())?)), store })
}

/// Opens the plane on the database that `config` names.
///
/// # Errors
/// Secrets that are missing, or are not those of the plane's other nodes; a database that cannot be
/// reached or has another schema.
pub async fn open_shared(
    config: &Config,
    database: &DatabaseConfig,
    missing: Missing,
) -> Result<Shared> {
    let material = shared_secrets(database)?;
    let store = Arc::new(PostgresStore::open(&database.options(SystemClock.now())).await?);
    let checks = material.check_values();
    let stored = match missing {
        Missing::Create => Some(store.claim_secrets(&checks[0]).await?),
        Missing::Refuse => store.find_secrets_check().await?,
    };
    match stored {
        Some(stored) if checks.contains(&stored) => {
            // A command may have the secrets of an earlier step of a rotation; a server settles it.
            if let (Missing::Create, Some(next)) = (missing, material.next_check(&stored)) {
                store.move_secrets_check(&stored, &next).await?;
            }
        }
        Some(_) => {
            return Err(Failure::Setting(
                "these secrets are not those that the plane's other nodes have: give every node \
                 the same --secrets-file or TENANTRY_SECRETS. While the key-encryption key is \
                 rotated, every node has to be started with what a step wrote before the next step"
                    .to_owned(),
            ));
        }
        None => {
            return Err(Failure::Setting(
                "there is nothing in the database: run `tenantry init` or `tenantry serve` first"
                    .to_owned(),
            ));
        }
    }
    let parts = parts(config, &material, store.clone())?;
    Ok(Shared { plane: Arc::new(Plane::joined(parts, database.membership(&SystemRng))), store })
}

/// Refuses to join nodes that promise by another bound of staleness.
///
/// # Errors
/// The setting, or what the store says.
pub async fn require_same_bound(plane: &Plane) -> Result<()> {
    let Some(other) = plane.find_node_of_other_bound().await? else { return Ok(()) };
    Err(Failure::Setting(format!(
        "node {} runs with --max-staleness {}: give every node the same, or stop the others first \
         and wait for as long",
        other.name,
        other.max_staleness.as_secs()
    )))
}

/// The secrets that every node of a plane has: from the file that is named, else from the
/// environment.
///
/// # Errors
/// None, or what is wrong with them.
pub fn shared_secrets(database: &DatabaseConfig) -> Result<SecretsMaterial> {
    if let Some(path) = &database.secrets_file {
        return secrets_file::read(path)?
            .ok_or_else(|| Failure::Setting(format!("{} does not exist", path.display())));
    }
    match std::env::var(secrets_file::VARIABLE).map(Zeroizing::new) {
        Ok(text) => secrets_file::parse(&text, secrets_file::VARIABLE),
        Err(_) => Err(Failure::Setting(format!(
            "nodes on one database share their secrets: make them once with `tenantry secrets \
             generate FILE` and give every node the same file with --secrets-file, or its content \
             in {}",
            secrets_file::VARIABLE
        ))),
    }
}

fn parts(config: &Config, material: &SecretsMaterial, store: Arc<dyn Store>) -> Result<Parts> {
    let realms =
        Realms::new(material, config.local_realm_platform_wide, config.realms.to_realms()?)?;
    let realms = realms.fetching(Arc::new(Documents::new(DialRules::default())));
    Ok(Parts {
        store,
        clock: Arc::new(SystemClock),
        rng: Arc::new(SystemRng),
        secrets: Secrets::new(material),
        realms,
        policy: config.policy.clone(),
        meters: config.meters.clone().map(|meters| meters as Arc<dyn SharedMeters>),
        database_servers: Some(Arc::new(TenantServers::new(config.dialling.clone())?)),
    })
}

/// The data directory of a node whose store is elsewhere: its socket and its copy of the audit
/// trail's checkpoints. No other process can use it until the lock is dropped.
///
/// # Errors
/// A directory in use, or that cannot be made.
pub fn lock_directory(config: &Config) -> Result<DataDirLock> {
    make_private_directory(&config.data_dir)?;
    Ok(DataDirLock::acquire(&config.data_dir)?)
}

/// What seals the audit trail: on the embedded store the one process that has it, of several nodes
/// whichever leads.
#[must_use]
pub fn sealer(config: &Config) -> Sealer {
    let node = match config.database {
        None => NodeId::ALONE,
        Some(_) => NodeId::from_bytes(rng::draw(&SystemRng)),
    };
    Sealer::new(node, Box::new(CheckpointFile::new(config.checkpoint_file())))
}

/// Whether a restore is or was at work in `directory`.
pub(crate) fn is_restoring(directory: &Path) -> bool {
    directory.join(RESTORING).exists()
}

/// Why nothing can be done where there is no database.
pub(crate) fn nothing_there(directory: &Path) -> Failure {
    if is_restoring(directory) {
        let directory = directory.display();
        return Failure::Setting(format!(
            "a restore to {directory} was interrupted, or is not done: nothing is served from it. \
             Run `tenantry restore BACKUP` again, which takes over, or delete the directory"
        ));
    }
    Failure::Setting(format!(
        "there is nothing in {}: run `tenantry serve` or `tenantry init` first, or name another \
         directory with --data-dir",
        directory.display()
    ))
}

pub(crate) fn secrets_lost(path: &Path) -> Failure {
    Failure::Setting(format!(
        "{} is missing, but there is a database beside it: without its secrets no key verifies. \
         Put the file back from your copy",
        path.display()
    ))
}

fn make_private_directory(path: &PathBuf) -> Result<()> {
    if fs::metadata(path).is_ok_and(|metadata| metadata.is_dir()) {
        return Ok(());
    }
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|error| Failure::Io(format!("make {}", path.display()), error))
}
