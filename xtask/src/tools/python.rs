//! Programs from the Python package index, each in a folder of its own.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::TaskResult;
use crate::process::{find, read, run};

/// Packages that Python finds in a folder of ours and nowhere else.
pub(crate) struct Packages {
    python: PathBuf,
    folder: PathBuf,
}

impl Packages {
    /// What `requirements` names, installed into `tools/<name>` unless the same is there already.
    /// Nothing outside the folder is changed, so neither root nor a virtual environment is needed.
    pub(crate) fn prepare(
        path: &OsStr,
        tools: &Path,
        name: &str,
        requirements: &Path,
    ) -> TaskResult<Self> {
        let python = find("python3", path).ok_or("python3 is not on the PATH")?;
        let folder = tools.join(name);
        let wanted = fs::read_to_string(requirements)?;
        let installed = folder.join("requirements.txt");
        if fs::read_to_string(&installed).ok().as_deref() != Some(&wanted) {
            println!("fetching {name} and what it needs from the Python package index");
            if folder.exists() {
                fs::remove_dir_all(&folder)?;
            }
            fs::create_dir_all(&folder)?;
            let mut pip = Command::new(&python);
            pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
            pip.args(["--only-binary", ":all:", "--target"]).arg(&folder);
            run(pip.arg("--requirement").arg(requirements))?;
            // Last: a folder that was left half full is filled anew.
            fs::write(&installed, wanted)?;
        }
        Ok(Self { python, folder })
    }

    /// Where they are.
    pub(crate) fn into_folder(self) -> PathBuf {
        self.folder
    }

    /// A run of a module, with what it prints to be read.
    pub(crate) fn module(&self, module: &str) -> Command {
        let mut command = Command::new(&self.python);
        command.args(["-s", "-m", module]).env("PYTHONPATH", &self.folder);
        command
    }

    /// A run of a script.
    pub(crate) fn script(&self, script: &Path) -> Command {
        let mut command = Command::new(&self.python);
        command.arg("-s").arg(script).env("PYTHONPATH", &self.folder);
        command
    }

    /// Tells a command that runs Python where it is, in its last argument, and where the packages are.
    pub(crate) fn name_to<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command.arg(&self.python).env("PYTHONPATH", &self.folder)
    }

    /// Whether the module starts, which says more than that its files are there.
    pub(crate) fn check(&self, module: &str) -> TaskResult {
        read(self.module(module).arg("--version")).map(drop)
    }
}
