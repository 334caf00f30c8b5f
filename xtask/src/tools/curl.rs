//! curl: the contract transcripts run the contracts' own command lines.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::debian;
use crate::TaskResult;

/// The executable: from `path`, from an earlier unpacking in `tools`, or fetched now.
pub(crate) fn prepare(path: &OsStr, tools: &Path) -> TaskResult<PathBuf> {
    debian::prepare("curl", "usr/bin/curl", "--version", path, tools)
}
