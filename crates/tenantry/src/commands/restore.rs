//! `restore`
//!
//! All or nothing: everything is put together and looked over in a directory of its own, from which
//! it is moved as the last thing.

mod staging;

use super::{backup, lost};
use crate::cli::Restore;
use crate::config::Config;
use crate::progress::Progress;
use crate::sealing::Open;
use crate::{Failure, Result, output, secrets_file};
use staging::Staging;
use std::fs::{File, OpenOptions};
use std::io::{BufReader, BufWriter, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use tenantry_backends::archive::{ArchiveError, ArchiveReader, Manifest, SealedArchive};
use tenantry_backends::sqlite::{DATABASE_FILE, Findings, Inspection, SqliteOptions, SqliteStore};
use tenantry_core::audit::copies::RESTORED_CHECKPOINT;
use tenantry_core::audit::{Action, AuditEvent};
use tenantry_core::clock::{Clock as _, SystemClock};
use tenantry_core::ids::{AccountId, EventId};
use tenantry_core::rng::{self, SystemRng};
use tenantry_core::secrets::{Sealed, Secrets};
use tenantry_core::store::AuditTrailStore as _;

/// Bytes that are read at a time.
const READ_BYTES: usize = 1 << 20;

/// `restore`
pub(crate) async fn run(config: &Config, command: &Restore) -> Result<()> {
    config.require_embedded("restore", "use pg_restore on what pg_dump wrote")?;
    let file = &command.file;
    let target = std::path::absolute(&config.data_dir)
        .map_err(|error| Failure::Io(format!("find {}", config.data_dir.display()), error))?;
    if !command.check {
        staging::require_empty(&target)?;
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
    let (staging, lock) =
        if command.check { Staging::to_check(&target)? } else { Staging::to_keep(&target)? };
    let manifest = unpack(file, archive, staging.path())?;
    let secrets = staging.path().join("secrets.toml");
    let material = secrets_file::read(&secrets)?
        .ok_or_else(|| backup::describe(file, ArchiveError::Damaged("it has no secrets")))?;
    let secrets = Secrets::new(&material);
    look_over(file, staging.path(), &manifest)?;

    // Brings an older schema up to date.
    let store =
        SqliteStore::open_locked(&SqliteOptions::new(staging.path(), SystemClock.now()), lock)?;
    let rows = Progress::count("checking seals", manifest.counts.total());
    let inspection = Inspection::open(staging.path())?;
    let mut findings = inspection.check_seals(&secrets, &mut |done| rows.set(done))?;
    drop(rows);
    let references = inspection.check_references()?;
    findings.wrong += references.wrong;
    findings.first.extend(references.first);
    if findings.wrong > 0 && !command.accept_wrong_rows {
        return Err(wrong_rows(file, &findings));
    }
    let compared = lost::require_nothing_lost(config, command, &inspection, &secrets)?;
    drop(inspection);
    note(&store, &secrets, &manifest).await?;
    drop(store);
    if command.check {
        output::line("The backup can be restored: nothing was changed.\n");
    } else {
        staging.keep()?;
    }
    backup::print(file, bytes, sealing, &manifest, command.printing.json)?;
    if !command.check && !command.printing.json {
        output::line(&format!(
            "\nRestored to {}. What was changed after {} is not in it: a key that was revoked since \
             then verifies again until it is revoked again.",
            target.display(),
            manifest.created_at
        ));
        if !compared {
            output::line(
                "How much that was is not known: there was no copy of the audit trail's checkpoints \
                 to compare with (--checkpoints).",
            );
        }
    }
    Ok(())
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
    // Those that the outside copy has beyond it are of the history that ends here.
    let checkpoint = store.find_last_checkpoint().await?.map_or(0, |last| last.number);
    let event = AuditEvent {
        id: EventId::generate(&SystemRng, now),
        root: AccountId::PLANE,
        at: now,
        actor: ("operator", "local".to_owned()),
        action: Action::StoreRestored,
        target: ("store", DATABASE_FILE.to_owned()),
        facts: vec![
            ("backup_created_at", manifest.created_at.clone()),
            (RESTORED_CHECKPOINT, checkpoint.to_string()),
        ],
        request_id: "restore".into(),
        address: None,
    };
    let nonces = std::array::from_fn(|_| u64::from_be_bytes(rng::draw(&SystemRng)));
    store.note_restore(Sealed::new(event, secrets), nonces).await?;
    Ok(())
}
