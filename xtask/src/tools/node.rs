//! Packages from the npm registry, in a folder of their own.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::TaskResult;
use crate::process::{find, run};

/// The files that say which packages there are to be, to the byte.
const LISTS: [&str; 2] = ["package.json", "package-lock.json"];

/// Packages that scripts beside them find, and nobody else.
pub(crate) struct NodePackages {
    node: PathBuf,
    /// Where the packages are. Scripts that use them have to lie here too.
    pub(crate) folder: PathBuf,
}

impl NodePackages {
    /// What the lists in `from` name, installed into `folder` unless the same is there already. No
    /// package runs anything while it is installed.
    pub(crate) fn prepare(path: &OsStr, folder: &Path, from: &Path) -> TaskResult<Self> {
        let node = find("node", path).ok_or("node is not on the PATH")?;
        let npm = find("npm", path).ok_or("npm is not on the PATH")?;
        let same = |name| fs::read(folder.join(name)).ok() == fs::read(from.join(name)).ok();
        if !(LISTS.into_iter().all(same) && folder.join("installed").exists()) {
            println!("fetching what {} names from the npm registry", from.display());
            if folder.exists() {
                fs::remove_dir_all(folder)?;
            }
            fs::create_dir_all(folder)?;
            for name in LISTS {
                fs::copy(from.join(name), folder.join(name))?;
            }
            let mut install = Command::new(npm);
            install.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"]);
            run(install.current_dir(folder))?;
            // Last: a folder that was left half full is filled anew.
            fs::write(folder.join("installed"), "")?;
        }
        Ok(Self { node, folder: folder.to_path_buf() })
    }

    /// Puts a script beside the packages, where node looks for them from: node, and the script there.
    pub(crate) fn place(&self, script: &Path) -> TaskResult<(PathBuf, PathBuf)> {
        let name = script.file_name().ok_or("a script has a name")?;
        let placed = self.folder.join(name);
        fs::copy(script, &placed)?;
        Ok((self.node.clone(), placed))
    }

    /// A run of a script that lies in the folder.
    pub(crate) fn script(&self, script: &str) -> Command {
        let mut command = Command::new(&self.node);
        command.arg(self.folder.join(script));
        command
    }
}
