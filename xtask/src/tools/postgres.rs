//! PostgreSQL, whose own server tests start for themselves.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use crate::process;

/// Where Debian keeps its programs, by version.
const DEBIAN: &str = "/usr/lib/postgresql";

/// The folder of its programs: on `path`, or the newest of Debian's.
pub(crate) fn find(path: &OsStr) -> Option<PathBuf> {
    let on_path = process::find("initdb", path).and_then(|file| file.parent().map(Path::to_owned));
    on_path
        .into_iter()
        .chain(versions(Path::new(DEBIAN)))
        .find(|folder| ["initdb", "postgres"].iter().all(|program| folder.join(program).is_file()))
}

/// The folders of programs below `folder`, the newest version first.
fn versions(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut versions: Vec<(u32, PathBuf)> = entries
        .filter_map(|entry| {
            let version = entry.file_name().to_str()?.parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .collect();
    versions.sort();
    versions.into_iter().rev().map(|(_, folder)| folder).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_version_comes_first() {
        let folder = std::env::temp_dir().join(format!("xtask-postgres-{}", std::process::id()));
        for version in ["9", "15", "14", "common"] {
            fs::create_dir_all(folder.join(version)).expect("a folder");
        }
        let found = versions(&folder);
        fs::remove_dir_all(&folder).expect("removed");
        let names = ["15/bin", "14/bin", "9/bin"].map(|name| folder.join(name));
        assert_eq!(found, names);
    }
}
