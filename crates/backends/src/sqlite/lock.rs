//! The data directory belongs to one process at a time.
//!
//! SQLite itself would let a second process write, but caches of verdicts live in the first one
//! and would not learn of it.

use super::errors::OpenError;
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

/// The lock file's name in the data directory.
pub const LOCK_FILE: &str = "tenantry.lock";

/// Longest mark that is read; marks are a line.
const MARK_BYTES_MAX: u64 = 64;

/// A data directory that no other process works in, until this is dropped.
///
/// The operating system gives the lock up when the process ends in whatever way. The mark inside
/// the file is taken away only on drop, so that the next process sees that this one crashed.
#[derive(Debug)]
pub struct DataDirLock {
    directory: PathBuf,
    file: File,
    after_unclean_stop: bool,
}

impl DataDirLock {
    /// Locks `directory`, which is made where there is none, readable by its owner only.
    ///
    /// # Errors
    /// [`OpenError::InUse`] at once, without waiting, where another process has the lock.
    pub fn acquire(directory: &Path) -> Result<Self, OpenError> {
        make_directory(directory).map_err(|source| OpenError::file(directory, source))?;
        let path = directory.join(LOCK_FILE);
        let failed = |source| OpenError::file(&path, source);
        let mut file = open_private(&path).map_err(failed)?;
        file.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => OpenError::InUse { path: directory.to_owned() },
            TryLockError::Error(source) => failed(source),
        })?;
        // One that was deleted meanwhile, as a restore that fails does, keeps nobody else out.
        if !is_named(&file, &path).map_err(failed)? {
            return Err(OpenError::InUse { path: directory.to_owned() });
        }
        let mut mark = Vec::new();
        (&file).take(MARK_BYTES_MAX).read_to_end(&mut mark).map_err(failed)?;
        write_mark(&mut file, &format!("running {}\n", std::process::id())).map_err(failed)?;
        Ok(Self { directory: directory.to_owned(), file, after_unclean_stop: !mark.is_empty() })
    }

    /// The directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// True where the process before this one did not come to its end: it crashed, was killed, or
    /// the machine lost power.
    #[must_use]
    pub fn after_unclean_stop(&self) -> bool {
        self.after_unclean_stop
    }
}

/// Who uses a data directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Occupation {
    /// Nobody, and nobody was interrupted.
    Free,
    /// The process that wrote this mark.
    InUse(String),
    /// Nobody: the last process did not come to its end.
    Interrupted(String),
}

/// Looks at the lock of `directory` without taking it. A process that starts in that instant after
/// a crash may find it taken for a moment.
///
/// # Errors
/// What the file system says; there is no lock file before the first start.
pub fn look(directory: &Path) -> std::io::Result<Occupation> {
    let file = File::open(directory.join(LOCK_FILE))?;
    let mut mark = String::new();
    (&file).take(MARK_BYTES_MAX).read_to_string(&mut mark)?;
    let mark = mark.trim().to_owned();
    if mark.is_empty() {
        return Ok(Occupation::Free);
    }
    match file.try_lock_shared() {
        Ok(()) => Ok(Occupation::Interrupted(mark)),
        Err(TryLockError::WouldBlock) => Ok(Occupation::InUse(mark)),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

impl Drop for DataDirLock {
    fn drop(&mut self) {
        // What fails here leaves the mark, which costs the next start a check and nothing else.
        if let Err(error) = write_mark(&mut self.file, "") {
            tracing::warn!(error = %error, "the mark of a clean stop was not written");
        }
    }
}

/// Opens a file to read and write, made where there is none, for its owner only.
pub(super) fn open_private(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Whether the open file is the one that has this name.
fn is_named(file: &File, path: &Path) -> std::io::Result<bool> {
    use std::os::unix::fs::MetadataExt as _;
    let number = |metadata: std::fs::Metadata| (metadata.dev(), metadata.ino());
    match std::fs::metadata(path) {
        Ok(named) => Ok(number(named) == number(file.metadata()?)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn make_directory(directory: &Path) -> std::io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory)
}

fn write_mark(file: &mut File, mark: &str) -> std::io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(mark.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_locked_once() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("new/data");
        let first = DataDirLock::acquire(&path).expect("the lock");
        assert!(matches!(DataDirLock::acquire(&path), Err(OpenError::InUse { .. })));
        assert!(matches!(look(&path).expect("a look"), Occupation::InUse(_)));
        drop(first);
        assert_eq!(look(&path).expect("a look"), Occupation::Free);
        let second = DataDirLock::acquire(&path).expect("the lock is free again");
        assert!(!second.after_unclean_stop());
    }

    #[test]
    fn a_lock_whose_file_was_deleted_is_not_taken_for_the_directorys() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join(LOCK_FILE);
        let file = open_private(&path).expect("a file");
        assert!(is_named(&file, &path).expect("a look"));
        std::fs::remove_file(&path).expect("removed");
        assert!(!is_named(&file, &path).expect("a look"));
        let _another = open_private(&path).expect("a file");
        assert!(!is_named(&file, &path).expect("a look"));
    }

    #[test]
    fn a_mark_that_was_left_is_seen_once() {
        let directory = tempfile::tempdir().expect("a directory");
        std::fs::write(directory.path().join(LOCK_FILE), "running 1\n").expect("a mark");
        let interrupted = Occupation::Interrupted("running 1".to_owned());
        assert_eq!(look(directory.path()).expect("a look"), interrupted);
        let lock = DataDirLock::acquire(directory.path()).expect("the lock");
        assert!(lock.after_unclean_stop());
        drop(lock);
        let lock = DataDirLock::acquire(directory.path()).expect("the lock");
        assert!(!lock.after_unclean_stop());
    }
}
