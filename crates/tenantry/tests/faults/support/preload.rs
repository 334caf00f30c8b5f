//! A library that stands between the server and the system's fsync, built by the C compiler that
//! the repository needs anyway.

use super::say;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

const SOURCE: &str = include_str!("preload.c");

/// The library in a folder of a test.
pub(crate) struct Preload {
    library: PathBuf,
}

impl Preload {
    /// Builds it. Nothing where there is no C compiler.
    pub(crate) fn build(folder: &Path) -> Option<Self> {
        let (source, library) = (folder.join("preload.c"), folder.join("preload.so"));
        std::fs::write(&source, SOURCE).expect("the source");
        let compiler = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
        let mut command = Command::new(compiler);
        command.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(&source).arg("-ldl");
        match command.status() {
            Ok(status) if status.success() => Some(Self { library }),
            outcome => {
                say(&format!("left out: no library to preload ({outcome:?})"));
                None
            }
        }
    }

    /// Variables with which every fsync of a server says that all is well and does nothing.
    pub(crate) fn lying(&self) -> Vec<(String, OsString)> {
        vec![self.preload(), ("FAULT_SYNC".to_owned(), "lie".into())]
    }

    /// Variables with which a server's next fsync of the file of that name fails, once, after
    /// `trigger` appears. Afterwards `trigger.failed` is there, and `trigger.again` if any file
    /// was synced once more.
    pub(crate) fn failing(&self, name: &str, trigger: &Path) -> Vec<(String, OsString)> {
        vec![
            self.preload(),
            ("FAULT_SYNC".to_owned(), "fail".into()),
            ("FAULT_FILE".to_owned(), name.into()),
            ("FAULT_TRIGGER".to_owned(), trigger.into()),
        ]
    }

    /// Variables with which a command is killed before its step of this number, the first being 1:
    /// a sync, a rename or the removal of a file.
    pub(crate) fn killing(&self, step: usize) -> Vec<(String, OsString)> {
        vec![self.preload(), ("FAULT_KILL_AT".to_owned(), step.to_string().into())]
    }

    fn preload(&self) -> (String, OsString) {
        ("LD_PRELOAD".to_owned(), self.library.clone().into())
    }
}
