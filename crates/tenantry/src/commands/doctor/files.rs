//! The directory: who may read it, who uses it, how much room is left.

use super::Check;
use crate::config::Config;
use crate::wiring;
use rustix::fs::statvfs;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use tenantry_backends::sqlite::DATABASE_FILE;
use tenantry_backends::sqlite::lock::{self, Occupation};

/// Below this many bytes the next changes may be refused.
const ROOM_BYTES_MIN: u64 = 64 << 20;

pub(super) fn check(config: &Config) -> Vec<Check> {
    let directory = &config.data_dir;
    let mut checks = vec![modes(directory)];
    checks.extend(left_behind(directory));
    checks.extend(half_restored(directory));
    checks.push(occupation(directory));
    checks.push(room(directory));
    checks
}

/// Others must not read what is in the directory, and everything must belong to whom it belongs.
fn modes(directory: &Path) -> Check {
    const NAME: &str = "files";
    let looked = || -> std::io::Result<Vec<String>> {
        let mut problems = Vec::new();
        let own = fs::metadata(directory)?;
        let mode = own.permissions().mode() & 0o777;
        // That others see the names of files that they cannot open harms nobody.
        if mode & 0o022 != 0 {
            problems.push(format!("others may write to the directory (mode {mode:o}): chmod 700"));
        }
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            // A disk's own, whose owner is root.
            if entry.file_name() == "lost+found" {
                continue;
            }
            let name = entry.file_name().to_string_lossy().into_owned();
            let metadata = match entry.metadata() {
                // A server that stops takes files away.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                metadata => metadata?,
            };
            let mode = metadata.permissions().mode() & 0o777;
            if mode & 0o077 != 0 {
                problems.push(format!("{name} is open to others (mode {mode:o}): chmod 600"));
            }
            if metadata.uid() != own.uid() {
                problems.push(format!("{name} belongs to another user than the directory"));
            }
        }
        Ok(problems)
    };
    match looked() {
        Ok(problems) if problems.is_empty() => Check::good(NAME, "open to their owner alone"),
        Ok(problems) => Check::wrong(NAME, problems.join("; ")),
        Err(error) => Check::wrong(NAME, format!("cannot be listed: {error}")),
    }
}

/// Files that do not have to be there.
fn left_behind(directory: &Path) -> Option<Check> {
    let there = directory.join("master-key").exists();
    there.then(|| {
        let text = "the first master key is here in clear: keep it elsewhere, then delete the file";
        Check::warning("master-key", text)
    })
}

/// What a restore that was put together here left.
fn half_restored(directory: &Path) -> Option<Check> {
    wiring::is_restoring(directory).then(|| {
        let text = "a restore or its --check is under way or was interrupted: if none is under way, \
                    delete `restoring` from the directory, which may hold a backup in clear";
        Check::warning("restoring", text)
    })
}

fn occupation(directory: &Path) -> Check {
    const NAME: &str = "server";
    match lock::look(directory) {
        Ok(Occupation::InUse(mark)) => Check::good(NAME, mark),
        Ok(Occupation::Free) => Check::good(NAME, "none; the last one stopped in order"),
        Ok(Occupation::Interrupted(mark)) => {
            let text = format!("none; the last one did not stop in order ({mark})");
            Check::warning(NAME, text)
        }
        Err(error) => Check::warning(NAME, format!("not known, the lock cannot be read: {error}")),
    }
}

fn room(directory: &Path) -> Check {
    const NAME: &str = "room";
    let room = match statvfs(directory) {
        Ok(room) => room.f_bavail.saturating_mul(room.f_frsize),
        Err(error) => return Check::warning(NAME, format!("not known: {error}")),
    };
    let length = |name: &str| fs::metadata(directory.join(name)).map_or(0, |file| file.len());
    let used = length(DATABASE_FILE) + length(&format!("{DATABASE_FILE}-wal"));
    let text = format!("{} MiB free, the database has {} MiB", room >> 20, used >> 20);
    if room < ROOM_BYTES_MIN {
        Check::wrong(NAME, format!("{text}: changes may soon be refused"))
    } else if room < used {
        Check::warning(NAME, format!("{text}: no room for the copy that a backup makes"))
    } else {
        Check::good(NAME, text)
    }
}
