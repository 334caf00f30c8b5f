//! Putting a plane together on a data directory.

use crate::config::Config;
use crate::{Failure, Result, secrets_file};
use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tenantry_backends::checkpoint_file::CheckpointFile;
use tenantry_backends::sqlite::lock::DataDirLock;
use tenantry_backends::sqlite::{SqliteOptions, SqliteStore};
use tenantry_core::Plane;
use tenantry_core::audit::Sealer;
use tenantry_core::clock::{Clock as _, SystemClock};
use tenantry_core::leads::NodeId;
use tenantry_core::plane::Parts;
use tenantry_core::realms::Realms;
use tenantry_core::rng::SystemRng;
use tenantry_core::secrets::Secrets;

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
    let realms = Realms::new(&material, config.local_realm_platform_wide, Vec::new())?;
    let plane = Arc::new(Plane::new(Parts {
        store: store.clone(),
        clock: Arc::new(SystemClock),
        rng: Arc::new(SystemRng),
        secrets: Secrets::new(&material),
        realms,
        policy: config.policy.clone(),
    }));
    Ok(Local { plane, store })
}

/// What seals the audit trail of the data directory, which its lock keeps to this process.
#[must_use]
pub fn sealer(config: &Config) -> Sealer {
    Sealer::new(NodeId::ALONE, Box::new(CheckpointFile::new(config.checkpoint_file())))
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
