//! `restore`
//!
//! All or nothing: everything is put together and looked over in a directory beside the data
//! directory, which gets the data directory's name as the last thing.

use super::backup;
use crate::cli::Restore;
use crate::config::Config;
use crate::progress::Progress;
use crate::sealing::Open;
use crate::{Failure, Result, output, secrets_file};
use std::fs::{self, File, OpenOptions};
use std::io::{BufReader, BufWriter, ErrorKind, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use tenantry_backends::archive::{ArchiveError, ArchiveReader, Manifest, SealedArchive};
use tenantry_backends::sqlite::lock::{DataDirLock, LOCK_FILE};
use tenantry_backends::sqlite::{DATABASE_FILE, Findings, Inspection, SqliteOptions, SqliteStore};
use tenantry_core::audit::{Action, AuditEvent};
use tenantry_core::clock::{Clock as _, SystemClock};
use tenantry_core::ids::{AccountId, EventId};
use tenantry_core::rng::{self, SystemRng};
use tenantry_core::secrets::{Sealed, Secrets};

/// Bytes that are read at a time.
const READ_BYTES: usize = 1 << 20;

/// `restore`
pub(crate) async fn run(config: &Config, command: &Restore) -> Result<()> {
    let file = &command.file;
    let target = std::path::absolute(&config.data_dir)
        .map_err(|error| Failure::Io(format!("find {}", config.data_dir.display()), error))?;
    if !command.check {
        require_empty(&target)?;
    }
    let (bytes, from) = File::open(file)
        .and_then(|file| Ok((file.metadata()?.len(), file)))
        .map_err(|error| Failure::Io(format!("read {}", file.display()), error))?;
    let failed = |error| backup::describe(file, error);
    let archive =
        SealedArchive::read(BufReader::with_capacity(READ_BYTES, from)).map_err(failed)?;
    let sealing = archive.sealing();
    // Before anything is written: whoever cannot open it has changed nothing.
    let open = Open::find(&command.with, sealing, file)?;
    let archive = archive.open(open.as_archive()).map_err(failed)?;
    drop(open);
    let (staging, lock) = Staging::make(&target)?;
    let manifest = unpack(file, archive, &staging.path)?;
    let secrets = staging.path.join("secrets.toml");
    let material = secrets_file::read(&secrets)?
        .ok_or_else(|| backup::describe(file, ArchiveError::Damaged("it has no secrets")))?;
    let secrets = Secrets::new(&material);
    look_over(file, &staging.path, &manifest)?;

    // Brings an older schema up to date.
    let store =
        SqliteStore::open_locked(&SqliteOptions::new(&staging.path, SystemClock.now()), lock)?;
    let rows = Progress::count("checking seals", manifest.counts.total());
    let inspection = Inspection::open(&staging.path)?;
    let mut findings = inspection.check_seals(&secrets, &mut |done| rows.set(done))?;
    drop(rows);
    let references = inspection.check_references()?;
    drop(inspection);
    findings.wrong += references.wrong;
    findings.first.extend(references.first);
    if findings.wrong > 0 && !command.accept_wrong_rows {
        return Err(wrong_rows(file, &findings));
    }
    note(&store, &secrets, &manifest).await?;
    drop(store);
    if command.check {
        output::line("The backup can be restored: nothing was changed.\n");
    } else {
        staging.keep(&target)?;
    }
    backup::print(file, bytes, sealing, &manifest, command.printing.json)?;
    if !command.check && !command.printing.json {
        output::line(&format!(
            "\nRestored to {}. What was changed after {} is not in it: a key that was revoked since \
             then verifies again until it is revoked again.",
            target.display(),
            manifest.created_at
        ));
    }
    Ok(())
}

/// Nothing there, or a directory with nothing in it, on the file system of its parent.
fn require_empty(target: &Path) -> Result<()> {
    let io = |error| Failure::Io(format!("look at {}", target.display()), error);
    let refuse = |why: &str| Err(Failure::Setting(format!("{} {why}", target.display())));
    match fs::read_dir(target) {
        Ok(mut entries) => {
            if entries.next().is_some() {
                return refuse(
                    "is not empty: a restore overwrites nothing; name another --data-dir",
                );
            }
        }
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(io(error)),
    }
    let device = |path: &Path| fs::metadata(path).map(|metadata| metadata.dev()).map_err(io);
    let parent = target.parent().unwrap_or(target);
    if device(target)? != device(parent)? {
        return refuse("is where a file system is mounted: name a directory within it");
    }
    Ok(())
}

/// The directory in which a restore is put together. Removed unless it is kept.
struct Staging {
    path: PathBuf,
    kept: bool,
}

impl Staging {
    /// Makes `DIR.restoring`, or takes over what an interrupted restore left.
    fn make(target: &Path) -> Result<(Self, DataDirLock)> {
        let mut name = target.file_name().unwrap_or_default().to_owned();
        name.push(".restoring");
        let path = target.with_file_name(name);
        let lock = DataDirLock::acquire(&path)?;
        let io = |error| Failure::Io(format!("clear {}", path.display()), error);
        for entry in fs::read_dir(&path).map_err(io)? {
            let name = entry.map_err(io)?.file_name();
            if name != LOCK_FILE {
                fs::remove_file(path.join(name)).map_err(io)?;
            }
        }
        Ok((Self { path, kept: false }, lock))
    }

    fn keep(mut self, target: &Path) -> Result<()> {
        let io = |error| Failure::Io(format!("rename {}", self.path.display()), error);
        File::open(&self.path).and_then(|directory| directory.sync_all()).map_err(io)?;
        // An empty directory is replaced, another one is not.
        fs::rename(&self.path, target).map_err(io)?;
        backup::sync_directory(target).map_err(io)?;
        self.kept = true;
        Ok(())
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if !self.kept {
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

/// Writes database and secrets to `directory`, where they last. What the manifest says of them is
/// true.
fn unpack(
    path: &Path,
    mut reader: ArchiveReader<BufReader<File>>,
    directory: &Path,
) -> Result<Manifest> {
    let failed = |error| backup::describe(path, error);
    let database = directory.join(DATABASE_FILE);
    let written = |error| Failure::Io(format!("write {}", database.display()), error);
    let mut options = OpenOptions::new();
    let to = options.write(true).create_new(true).mode(0o600).open(&database).map_err(written)?;
    let mut to = BufWriter::with_capacity(READ_BYTES, to);
    let mut bar = None;
    reader
        .database(&mut to, &mut |done, total| {
            bar.get_or_insert_with(|| Progress::bytes("opening", total)).set(done);
        })
        .map_err(failed)?;
    drop(bar);
    to.flush().and_then(|()| to.get_ref().sync_all()).map_err(written)?;
    let secrets = reader.secrets().map_err(failed)?;
    let manifest = reader.finish().map_err(failed)?;
    let path = directory.join("secrets.toml");
    secrets_file::write_private(&path, &secrets)
        .map_err(|error| Failure::Io(format!("write {}", path.display()), error))?;
    Ok(manifest)
}

/// Reads the whole database and compares it with the manifest.
fn look_over(path: &Path, directory: &Path, manifest: &Manifest) -> Result<()> {
    let inspection = Inspection::open(directory)?;
    let schema = inspection.schema()?;
    let checking = Progress::spin("checking the database");
    let faults = inspection.check_pages(true)?;
    drop(checking);
    if let Some(fault) = faults.first() {
        let fault = format!("its database is damaged ({fault}): take another backup");
        return Err(Failure::Setting(format!("{}: {fault}", path.display())));
    }
    if schema != manifest.schema || inspection.counts()? != manifest.counts {
        let error = ArchiveError::Damaged("its manifest does not fit its database");
        return Err(backup::describe(path, error));
    }
    Ok(())
}

fn wrong_rows(path: &Path, findings: &Findings) -> Failure {
    let mut text = format!(
        "{}: {} of {} rows are not what was written, or point at nothing. They would verify nowhere; \
         --accept-wrong-rows restores nevertheless",
        path.display(),
        findings.wrong,
        findings.checked
    );
    for finding in &findings.first {
        for part in ["\n  ", finding.table, " ", &finding.id, ": ", finding.problem] {
            text.push_str(part);
        }
    }
    Failure::Setting(text)
}

/// Tells the audit trail and the change log that time was set back.
async fn note(store: &SqliteStore, secrets: &Secrets, manifest: &Manifest) -> Result<()> {
    let now = SystemClock.now();
    let event = AuditEvent {
        id: EventId::generate(&SystemRng, now),
        root: AccountId::PLANE,
        at: now,
        actor: ("operator", "local".to_owned()),
        action: Action::StoreRestored,
        target: ("store", DATABASE_FILE.to_owned()),
        facts: vec![("backup_created_at", manifest.created_at.clone())],
        request_id: "restore".into(),
        address: None,
    };
    let nonces = std::array::from_fn(|_| u64::from_be_bytes(rng::draw(&SystemRng)));
    store.note_restore(Sealed::new(event, secrets), nonces).await?;
    Ok(())
}
