//! `HAProxy`: it stands before the nodes of a test cluster.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::debian;
use crate::TaskResult;

/// The executable: from `path`, from an earlier unpacking in `tools`, or fetched now.
pub(crate) fn prepare(path: &OsStr, tools: &Path) -> TaskResult<PathBuf> {
    debian::prepare("haproxy", "usr/sbin/haproxy", "-v", path, tools)
}
