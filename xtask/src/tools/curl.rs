//! curl: the contract transcripts run the contracts' own command lines.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::debian;
use crate::TaskResult;
use crate::process::{find, read};

/// The executable: from `path`, from an earlier unpacking in `tools`, or fetched now.
pub(crate) fn prepare(path: &OsStr, tools: &Path) -> TaskResult<PathBuf> {
    if let Some(found) = find("curl", path) {
        return Ok(found);
    }
    let unpacked = tools.join("curl/curl");
    if works(&unpacked).is_err() {
        println!("curl is not on the PATH: fetching it from the machine's Debian mirror");
        debian::unpack("curl", "usr/bin/curl", tools)?;
        works(&unpacked)?;
    }
    Ok(unpacked)
}

fn works(curl: &Path) -> TaskResult {
    read(Command::new(curl).arg("--version")).map(drop)
}
