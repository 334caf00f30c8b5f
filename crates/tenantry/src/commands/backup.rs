//! `backup`
//!
//! The command opens the database itself, to read, beside the server or without one.

use crate::cli::Backup;
use crate::config::Config;
use crate::progress::Progress;
use crate::sealing::{self, Seal};
use crate::{Failure, Result, output, secrets_file, wiring};
use rustix::fs::{CWD, RenameFlags, renameat_with, statvfs};
use rustix::io::Errno;
use serde_json::json;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{BufWriter, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use tenantry_backends::archive::{ArchiveError, ArchiveWriter, Manifest, Sealing};
use tenantry_backends::sqlite::{self, DATABASE_FILE, Phase, Snapshot};
use tenantry_core::clock::{Clock as _, SystemClock};
use tenantry_core::rng::SystemRng;
use zeroize::Zeroizing;

/// Bytes that are handed to the file system at a time.
const WRITE_BYTES: usize = 1 << 20;

/// `backup`
pub(crate) fn run(config: &Config, command: &Backup) -> Result<()> {
    config.require_embedded(
        "backup",
        "use pg_dump, or your server's own backups, and keep the secrets apart from them",
    )?;
    let path = &command.file;
    if !config.data_dir.join(DATABASE_FILE).exists() {
        return Err(wiring::nothing_there(&config.data_dir));
    }
    if path.symlink_metadata().is_ok() {
        return Err(exists(path));
    }
    let secrets = read_secrets(&config.secrets_file())?;
    require_room(&config.data_dir)?;
    let seal = Seal::find(&command.to, &config.backup_recipients)?;
    let partial = Partial::create(path)?;

    // Before the snapshot: what was acknowledged until then is in it.
    let now = SystemClock.now();
    let snapshot = take_snapshot(&config.data_dir)?;
    let failed = |error| describe(path, error);
    let to = BufWriter::with_capacity(WRITE_BYTES, &partial.file);
    let mut writer = ArchiveWriter::create(to, seal.as_archive(), &SystemRng).map_err(failed)?;
    let Snapshot { file, bytes, schema, counts } = snapshot;
    let sealing = Progress::bytes("sealing", bytes);
    let database = writer.database(bytes, &file, &mut |done| sealing.set(done)).map_err(failed)?;
    drop(sealing);
    let manifest = Manifest {
        tenantry: env!("CARGO_PKG_VERSION").to_owned(),
        created_at: now.to_utc().map(|time| time.to_string()).unwrap_or_default(),
        schema,
        database,
        secrets: writer.secrets(&secrets).map_err(failed)?,
        counts,
    };
    writer.finish(&manifest).and_then(|mut to| Ok(to.flush()?)).map_err(failed)?;
    let written = partial.keep(path)?;
    print(path, written, seal.as_archive().sealing(), &manifest, command.printing.json)
}

fn exists(path: &Path) -> Failure {
    Failure::Setting(format!("{} exists: a backup overwrites nothing", path.display()))
}

/// The file as it is, after it was found to be whole.
fn read_secrets(path: &Path) -> Result<Zeroizing<Vec<u8>>> {
    secrets_file::read(path)?.ok_or_else(|| wiring::secrets_lost(path))?;
    let read =
        fs::read(path).map_err(|error| Failure::Io(format!("read {}", path.display()), error));
    read.map(Zeroizing::new)
}

/// The copy is staged in the data directory.
fn require_room(directory: &Path) -> Result<()> {
    let length = |name: &str| fs::metadata(directory.join(name)).map_or(0, |file| file.len());
    let needed = length(DATABASE_FILE) + length(&format!("{DATABASE_FILE}-wal"));
    let room = statvfs(directory)
        .map_err(|error| Failure::Io(format!("look at {}", directory.display()), error.into()))?;
    let room = room.f_bavail.saturating_mul(room.f_frsize);
    if room < needed {
        return Err(Failure::Setting(format!(
            "{} has room for {room} bytes: a backup needs {needed} there while it is made",
            directory.display()
        )));
    }
    Ok(())
}

fn take_snapshot(directory: &Path) -> Result<Snapshot> {
    let mut bar = None;
    let mut last = None;
    let snapshot = sqlite::snapshot(directory, &mut |phase| match phase {
        Phase::Copying { done, total } => {
            if !matches!(last, Some(Phase::Copying { .. })) {
                bar = Some(Progress::count("copying pages", total));
            }
            last = Some(phase);
            if let Some(bar) = &bar {
                bar.set(done);
            }
        }
        Phase::Checking => bar = Some(Progress::spin("checking the database")),
        Phase::Counting => bar = Some(Progress::spin("counting rows")),
    });
    drop(bar);
    Ok(snapshot?)
}

/// The file under the name that it has until it is whole. Removed unless it is kept.
struct Partial {
    path: PathBuf,
    file: File,
    kept: bool,
}

impl Partial {
    /// Makes `FILE.partial`, or takes over what an interrupted backup left.
    fn create(path: &Path) -> Result<Self> {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        if name.is_empty() {
            return Err(Failure::Setting(format!("{} names no file", path.display())));
        }
        name.push(".partial");
        let path = path.with_file_name(name);
        let io = |error| Failure::Io(format!("write {}", path.display()), error);
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(0o600);
        options.custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed());
        let file = options.open(&path).map_err(io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let path = path.display();
                return Err(Failure::Setting(format!("{path}: another backup is writing it")));
            }
            Err(TryLockError::Error(error)) => return Err(io(error)),
        }
        // One that was renamed while this opened it is somebody's backup now.
        let number = |metadata: fs::Metadata| metadata.ino();
        let same = fs::symlink_metadata(&path).map(number).ok() == file.metadata().map(number).ok();
        if !same {
            let path = path.display();
            return Err(Failure::Setting(format!("{path}: another backup just ended: try again")));
        }
        let partial = Self { path: path.clone(), file, kept: false };
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        partial.file.set_permissions(mode).map_err(io)?;
        partial.file.set_len(0).map_err(io)?;
        Ok(partial)
    }

    /// Makes it last, then gives it its name, unless somebody has it by now. Its length.
    fn keep(mut self, path: &Path) -> Result<u64> {
        let io = |error| Failure::Io(format!("write {}", path.display()), error);
        self.file.sync_all().map_err(io)?;
        let length = self.file.metadata().map_err(io)?.len();
        match renameat_with(CWD, &self.path, CWD, path, RenameFlags::NOREPLACE) {
            Ok(()) => {}
            Err(Errno::EXIST) => return Err(exists(path)),
            // A file system without this way of renaming.
            Err(Errno::INVAL | Errno::NOSYS) => {
                if path.symlink_metadata().is_ok() {
                    return Err(exists(path));
                }
                fs::rename(&self.path, path).map_err(io)?;
            }
            Err(error) => return Err(io(error.into())),
        }
        self.kept = true;
        sync_directory(path).map_err(io)?;
        Ok(length)
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if !self.kept {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Makes a name in `path`'s directory last.
pub(super) fn sync_directory(path: &Path) -> std::io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(parent.unwrap_or_else(|| Path::new(".")))?.sync_all()
}

/// Prints what a backup holds.
pub(super) fn print(
    path: &Path,
    bytes: u64,
    sealing: Sealing,
    manifest: &Manifest,
    as_json: bool,
) -> Result<()> {
    let sealed = sealing::describe(sealing);
    if as_json {
        return output::json(
            &json!({ "file": path, "bytes": bytes, "sealed": sealed, "backup": manifest }),
        );
    }
    let counts = &manifest.counts;
    output::fields(&[
        ("file", &path.display().to_string()),
        ("bytes", &bytes.to_string()),
        ("sealed", &sealed),
        ("created", &manifest.created_at),
        ("by", &format!("tenantry {}, schema {}", manifest.tenantry, manifest.schema)),
        ("accounts", &counts.accounts.to_string()),
        ("credentials", &counts.credentials.to_string()),
        ("service accounts", &counts.service_accounts.to_string()),
        ("members", &counts.members.to_string()),
        ("audit events", &counts.audit_events.to_string()),
    ]);
    Ok(())
}

/// What went wrong with the file at `path`.
pub(super) fn describe(path: &Path, error: ArchiveError) -> Failure {
    Failure::Archive(path.display().to_string(), error)
}
