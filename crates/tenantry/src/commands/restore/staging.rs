//! Where a restore is put together, and how it becomes the data directory's content.
//!
//! It is a directory within the data directory, so that both are on one file system whatever is
//! mounted where, and nothing but the data directory has to be writable. While it is there and
//! the database is not, [`wiring`] opens nothing: a restore that was interrupted is not served, nor
//! is a new plane made in its place. The last thing that is moved is the database, by one rename.

use super::super::backup;
use crate::wiring::{self, RESTORING};
use crate::{Failure, Result};
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use tenantry_backends::sqlite::DATABASE_FILE;
use tenantry_backends::sqlite::lock::{DataDirLock, LOCK_FILE};

const SECRETS_FILE: &str = "secrets.toml";
/// What a disk's own root directory may hold.
const LOST_AND_FOUND: &str = "lost+found";

/// The directory in which a restore is put together. Removed unless it is kept.
pub(super) struct Staging {
    path: PathBuf,
    target: PathBuf,
    /// What this made and takes away again.
    made: Made,
    /// Held while the data directory is restored to, and not for a check.
    lock: Option<DataDirLock>,
    /// What was moved to the data directory.
    moved: Vec<PathBuf>,
    kept: bool,
}

#[derive(Clone, Copy)]
struct Made {
    directory: bool,
    lock: bool,
}

impl Staging {
    /// Makes it in `target`, which nobody else may use meanwhile, or takes over what an
    /// interrupted restore left.
    pub(super) fn to_keep(target: &Path) -> Result<(Self, DataDirLock)> {
        let made = Made::before(target);
        let lock = DataDirLock::acquire(target)?;
        require_empty(target)?;
        Self::make(target, made, Some(lock))
    }

    /// Makes it in `target`, beside whoever uses that.
    pub(super) fn to_check(target: &Path) -> Result<(Self, DataDirLock)> {
        Self::make(target, Made::before(target), None)
    }

    fn make(target: &Path, made: Made, outer: Option<DataDirLock>) -> Result<(Self, DataDirLock)> {
        let path = target.join(RESTORING);
        let lock = DataDirLock::acquire(&path)?;
        let io = |error| Failure::Io(format!("clear {}", path.display()), error);
        for entry in fs::read_dir(&path).map_err(io)? {
            let name = entry.map_err(io)?.file_name();
            if name != LOCK_FILE {
                fs::remove_file(path.join(name)).map_err(io)?;
            }
        }
        let target = target.to_owned();
        let moved = Vec::new();
        Ok((Self { path, target, made, lock: outer, moved, kept: false }, lock))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Moves what was put together to the data directory. Nobody may use it any more.
    pub(super) fn keep(mut self) -> Result<()> {
        let log = self.path.join(format!("{DATABASE_FILE}-wal"));
        if log.exists() {
            let text = "the database was not closed in order: restore it again";
            return Err(Failure::Setting(format!("{}: {text}", log.display())));
        }
        let io = |error| Failure::Io(format!("move to {}", self.target.display()), error);
        let sync = |path: &Path| File::open(path).and_then(|file| file.sync_all()).map_err(io);
        sync(&self.path.join(DATABASE_FILE))?;
        // From here on a power cut leaves this directory where it is.
        sync(&self.path)?;
        sync(&self.target)?;
        backup::sync_directory(&self.target).map_err(io)?;
        // The secrets last before the database is there: it is never there without them.
        for name in [SECRETS_FILE, DATABASE_FILE] {
            let to = self.target.join(name);
            fs::rename(self.path.join(name), &to).map_err(io)?;
            self.moved.push(to);
            sync(&self.target)?;
        }
        self.kept = true;
        // What may stay is empty but for its lock, and stops nobody now.
        let _ = fs::remove_dir_all(&self.path);
        Ok(())
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        // The database first: without it the rest is not looked at.
        for path in self.moved.iter().rev() {
            let _ = fs::remove_file(path);
        }
        let _ = fs::remove_dir_all(&self.path);
        if self.made.lock && self.lock.is_some() {
            let _ = fs::remove_file(self.target.join(LOCK_FILE));
        }
        if self.made.directory {
            let _ = fs::remove_dir(&self.target);
        }
    }
}

impl Made {
    /// What is not there yet.
    fn before(target: &Path) -> Self {
        Self { directory: !target.exists(), lock: !target.join(LOCK_FILE).exists() }
    }
}

/// Nothing there, or a directory with nothing in it but what Tenantry or a disk's file system
/// leaves there.
pub(super) fn require_empty(target: &Path) -> Result<()> {
    let io = |error| Failure::Io(format!("look at {}", target.display()), error);
    let entries = match fs::read_dir(target) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(io(error)),
    };
    let interrupted = wiring::is_restoring(target);
    for entry in entries {
        let name = entry.map_err(io)?.file_name();
        let ours = name == LOCK_FILE
            || name == LOST_AND_FOUND
            || interrupted && (name == RESTORING || name == SECRETS_FILE);
        if !ours {
            let target = target.display();
            return Err(Failure::Setting(format!(
                "{target} is not empty: a restore overwrites nothing; name another --data-dir"
            )));
        }
    }
    Ok(())
}
