//! What a backup is sealed to, and what it is opened with: recipients or a passphrase, from flags,
//! then variables, then `tenantry.toml`, then the terminal.

use crate::cli::{OpenedWith, SealedTo};
use crate::config::BackupRecipients;
use crate::passphrase::{self, Asked};
use crate::{Failure, Result, private_file};
use std::env;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use tenantry_backends::archive::{
    ArchiveError, Cost, Identity, OpenWith, Passphrase, Recipient, Recipients, SealTo, Sealing,
};

/// Recipients, separated by commas.
const RECIPIENTS: &str = "TENANTRY_BACKUP_RECIPIENT";
/// A file of recipients.
const RECIPIENT_FILE: &str = "TENANTRY_BACKUP_RECIPIENT_FILE";

/// Longest file of recipients, in bytes.
const RECIPIENT_FILE_BYTES_MAX: u64 = 64 * 1024;
/// Longest file of an identity, in bytes.
const IDENTITY_FILE_BYTES_MAX: usize = 4096;

/// What a new backup is sealed to.
pub(crate) enum Seal {
    /// A passphrase.
    Passphrase(Passphrase),
    /// Recipients.
    Recipients(Recipients),
}

impl Seal {
    /// The first that is named.
    pub(crate) fn find(named: &SealedTo, settings: &BackupRecipients) -> Result<Self> {
        let flags = BackupRecipients {
            recipient: named.recipient.clone(),
            recipient_file: named.recipient_file.clone(),
        };
        if let Some(recipients) = gather(&flags, "--recipient")? {
            return Ok(Self::Recipients(recipients));
        }
        // The command line names the one or the other, and wins over what stands elsewhere.
        if named.passphrase.passphrase_file.is_none() {
            let recipients = gather(&environment()?, RECIPIENTS)?;
            if recipients.is_some() && passphrase::is_in_environment() {
                return Err(Failure::Setting(format!(
                    "{RECIPIENTS} and {} exclude each other: unset one of them",
                    passphrase::VARIABLE
                )));
            }
            if let Some(recipients) = recipients {
                return Ok(Self::Recipients(recipients));
            }
            if !passphrase::is_in_environment()
                && let Some(recipients) = gather(settings, "backup.recipient")?
            {
                return Ok(Self::Recipients(recipients));
            }
        }
        passphrase::find(&named.passphrase, Asked::Twice).map(Self::Passphrase)
    }

    /// The same, for the archive.
    pub(crate) fn as_archive(&self) -> SealTo<'_> {
        match self {
            Self::Passphrase(passphrase) => SealTo::Passphrase(passphrase, Cost::STANDARD),
            Self::Recipients(recipients) => SealTo::Recipients(recipients),
        }
    }
}

/// What a backup at hand is opened with.
pub(crate) enum Open {
    /// A passphrase.
    Passphrase(Passphrase),
    /// An identity.
    Identity(Identity),
}

impl Open {
    /// What is asked for depends on how `file` is sealed.
    pub(crate) fn find(named: &OpenedWith, sealing: Sealing, file: &Path) -> Result<Self> {
        let failed = |error| Err(Failure::Archive(file.display().to_string(), error));
        let passphrase_named = named.passphrase.passphrase_file.is_some();
        match (sealing, &named.identity) {
            (Sealing::Passphrase, Some(_)) => failed(ArchiveError::UnderPassphrase),
            (Sealing::Passphrase, None) => {
                passphrase::find(&named.passphrase, Asked::Once).map(Self::Passphrase)
            }
            (Sealing::Recipients(_), _) if passphrase_named => failed(ArchiveError::ToRecipients),
            (Sealing::Recipients(_), Some(path)) => read_identity(path).map(Self::Identity),
            (Sealing::Recipients(_), None) => Err(Failure::Setting(format!(
                "{}: {}. Name its file with --identity",
                file.display(),
                ArchiveError::ToRecipients
            ))),
        }
    }

    /// The same, for the archive.
    pub(crate) fn as_archive(&self) -> OpenWith<'_> {
        match self {
            Self::Passphrase(passphrase) => OpenWith::Passphrase(passphrase),
            Self::Identity(identity) => OpenWith::Identity(identity),
        }
    }
}

/// How a file is sealed, in words.
pub(crate) fn describe(sealing: Sealing) -> String {
    match sealing {
        Sealing::Passphrase => "under a passphrase".to_owned(),
        Sealing::Recipients(1) => "to 1 recipient".to_owned(),
        Sealing::Recipients(count) => format!("to {count} recipients"),
    }
}

/// The identity in the file that `backup-key create` wrote.
pub(crate) fn read_identity(path: &Path) -> Result<Identity> {
    let text = private_file::read(path, "identity", IDENTITY_FILE_BYTES_MAX)?;
    let bad = |problem: &str| Failure::Setting(format!("{}: {problem}", path.display()));
    let mut lines = entries(&text);
    match (lines.next(), lines.next()) {
        (Some((_, line)), None) => Identity::parse(line).map_err(|error| bad(&error.to_string())),
        (None, _) => Err(bad("it holds no identity")),
        (Some(_), Some(_)) => Err(bad("it holds more than one identity: name a file with one")),
    }
}

fn environment() -> Result<BackupRecipients> {
    let recipient = match env::var(RECIPIENTS) {
        Ok(text) => text.split(',').map(|text| text.trim().to_owned()).collect(),
        Err(env::VarError::NotPresent) => Vec::new(),
        Err(env::VarError::NotUnicode(_)) => {
            return Err(Failure::Setting(format!("{RECIPIENTS} is not UTF-8")));
        }
    };
    let recipient_file = env::var_os(RECIPIENT_FILE).map(PathBuf::from);
    Ok(BackupRecipients { recipient, recipient_file })
}

/// The recipients that one source names, by themselves and in a file.
fn gather(named: &BackupRecipients, source: &str) -> Result<Option<Recipients>> {
    let mut all = Vec::new();
    for text in &named.recipient {
        let recipient = Recipient::parse(text);
        all.push(recipient.map_err(|error| Failure::Setting(format!("{source}: {error}")))?);
    }
    if let Some(path) = &named.recipient_file {
        all.extend(read_recipients(path)?);
    }
    Recipients::new(all).map_err(|error| Failure::Setting(format!("{source}: {error}")))
}

fn read_recipients(path: &Path) -> Result<Vec<Recipient>> {
    let io = |error| Failure::Io(format!("read {}", path.display()), error);
    let mut text = String::new();
    let file = File::open(path).map_err(io)?;
    file.take(RECIPIENT_FILE_BYTES_MAX).read_to_string(&mut text).map_err(io)?;
    let read = |(number, line)| {
        let recipient = Recipient::parse(line);
        let bad = |error| Failure::Setting(format!("{}, line {number}: {error}", path.display()));
        recipient.map_err(bad)
    };
    let all = entries(&text).map(read).collect::<Result<Vec<_>>>()?;
    if all.is_empty() {
        return Err(Failure::Setting(format!("{}: it names no recipient", path.display())));
    }
    Ok(all)
}

/// The lines that say something, with their numbers.
fn entries(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.lines().map(str::trim).enumerate();
    let said = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    said.map(|(index, line)| (index + 1, line))
}
