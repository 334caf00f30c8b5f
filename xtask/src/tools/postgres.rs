//! PostgreSQL, whose own server tests start for themselves.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::debian;
use crate::TaskResult;
use crate::process;

/// Its programs that are used; the first two are needed.
const PROGRAMS: [&str; 3] = ["initdb", "postgres", "pgbench"];

/// Where Debian keeps its programs, by version.
const DEBIAN: &str = "/usr/lib/postgresql";

/// The folder of its programs: on the machine, from an earlier unpacking in `tools`, or fetched now.
pub(crate) fn prepare(path: &OsStr, tools: &Path) -> TaskResult<PathBuf> {
    if let Some(found) = find(path) {
        return Ok(found);
    }
    let folder = tools.join("postgresql");
    let works = || {
        let folder = folder.join("bin");
        process::read(Command::new(folder.join("postgres")).arg("--version")).map(|_| folder)
    };
    works().or_else(|_| {
        println!("PostgreSQL is not on the machine: fetching it from its Debian mirror");
        let files = debian::unpack("postgresql", &folder)?;
        let programs = versions(&files.join("usr/lib/postgresql")).into_iter().next();
        let programs = programs.ok_or("the package `postgresql` brings no version of it")?;
        fs::create_dir_all(folder.join("bin"))?;
        for program in PROGRAMS {
            debian::write_script(
                &folder.join("bin").join(program),
                &files,
                &programs.join(program),
            )?;
        }
        works()
    })
}

/// The folder of its programs: on `path`, or the newest of Debian's.
fn find(path: &OsStr) -> Option<PathBuf> {
    let on_path = process::find("initdb", path).and_then(|file| file.parent().map(Path::to_owned));
    on_path
        .into_iter()
        .chain(versions(Path::new(DEBIAN)))
        .find(|folder| PROGRAMS[..2].iter().all(|program| folder.join(program).is_file()))
}

/// The folder of programs of version `least` or a newer one, on `path` or of Debian's.
pub(super) fn find_from(path: &OsStr, least: u32) -> Option<PathBuf> {
    let on_path = process::find("initdb", path).and_then(|file| file.parent().map(Path::to_owned));
    on_path.into_iter().chain(versions(Path::new(DEBIAN))).find(|folder| {
        let told = process::read(Command::new(folder.join("postgres")).arg("--version"));
        // `postgres (PostgreSQL) 15.9 (Debian 15.9-0+deb12u1)`
        let version = told.ok().and_then(|told| {
            told.split_whitespace().nth(2)?.split('.').next()?.parse::<u32>().ok()
        });
        version.is_some_and(|version| version >= least)
    })
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
