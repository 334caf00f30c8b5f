//! pgbouncer: the store is run through it as it is.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::debian;
use crate::TaskResult;

/// The executable: from `path`, from an earlier unpacking in `tools`, or fetched now.
pub(crate) fn prepare(path: &OsStr, tools: &Path) -> TaskResult<PathBuf> {
    debian::prepare("pgbouncer", "usr/sbin/pgbouncer", "--version", path, tools)
}
